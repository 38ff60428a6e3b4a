"""The probability from which a pixel counts as marked, fitted on held-out masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from tumorlens.model.format import MaskRules
from tumorlens.train.fit.loop import EVALUATION_BATCH

if TYPE_CHECKING:
    from torch import Tensor

    from tumorlens.train.dense.images import MarkedImages
    from tumorlens.train.dense.network import LesionNetwork

LEVELS = tuple(round(0.05 * step, 2) for step in range(2, 15))
"""0.10 to 0.70: lower would outline what no one calls a lesion, higher would leave most out."""

HALF = 0.5


@torch.inference_mode()
def fit_mask_rules(
    network: LesionNetwork, held_out: MarkedImages, device: torch.device
) -> MaskRules:
    """The level at which the outlines of held-out lesions overlap best with the drawn ones.

    A network that has seen lesions vanish from pictures marks them with restraint, so that a half
    need not be the best level. Chosen by the mean Dice overlap over the pictures with a mask, each
    at the resolution of the model file's ``mask``.

    Args:
        network: The trained network, on `device`.
        held_out: Of the validation fold; some of it shows lesions.
        device: Where the network lives.
    """
    network.eval()
    chosen = torch.nonzero(held_out.marked).flatten()
    overlaps = []
    for part in torch.split(chosen, EVALUATION_BATCH):
        marks = network(held_out.images.unchanged(part, device)).marks.float().cpu()
        finer = functional.interpolate(
            marks, scale_factor=2.0, mode="bilinear", align_corners=False
        )
        drawn = functional.interpolate(
            held_out.masks[part].float() / 255, size=finer.shape[-2:], mode="area"
        )
        overlaps.append(overlap_at_levels(torch.sigmoid(finer), drawn >= HALF))
    mean = torch.cat(overlaps).mean(dim=0)
    return MaskRules(level=LEVELS[int(mean.argmax())])


def overlap_at_levels(probabilities: Tensor, drawn: Tensor) -> Tensor:
    """Dice overlap of what is at or above each of `LEVELS`.

    Args:
        probabilities: (N, 1, h, w) in [0, 1].
        drawn: bool (N, 1, h, w).

    Returns:
        (N, len(LEVELS)) in [0, 1].
    """
    size = drawn.sum(dim=(1, 2, 3))
    columns = []
    for level in LEVELS:
        marked = probabilities >= level
        both = (marked & drawn).sum(dim=(1, 2, 3))
        columns.append(2 * both / (marked.sum(dim=(1, 2, 3)) + size).clamp_min(1))
    return torch.stack(columns, dim=1)
