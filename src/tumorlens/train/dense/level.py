"""Which pixels count as marked, fitted on held-out masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from tumorlens.model.format import MaskRules
from tumorlens.train.fit.loop import EVALUATION_BATCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from tumorlens.train.dense.images import MarkedImages
    from tumorlens.train.dense.network import LesionNetwork

LEVELS = tuple(round(0.05 * step, 2) for step in range(2, 15))
"""0.10 to 0.70: lower would outline what no one calls a lesion, higher would leave most out."""

PEAK_SHARES = tuple(round(0.05 * step, 2) for step in range(5, 14))
"""0.25 to 0.65 of a picture's highest probability."""

HALF = 0.5


@torch.inference_mode()
def fit_mask_rules(
    network: LesionNetwork, held_out: MarkedImages, device: torch.device
) -> MaskRules:
    """The rules by which the outlines of held-out lesions overlap best with the drawn ones.

    A network that has seen lesions vanish from pictures marks them with restraint, so that a half
    need not be the best level. How sure it is differs from lesion to lesion, and where a lesion
    ends is told better by a share of its peak than by one level for all. First the level is chosen
    by the mean Dice overlap over the pictures with a mask, each at the resolution of the model
    file's ``mask``; then, for what reaches it, the share, unless none is better than the level.

    Args:
        network: The trained network, on `device`.
        held_out: Of the validation fold; some of it shows lesions.
        device: Where the network lives.
    """
    network.eval()
    chosen = torch.nonzero(held_out.marked).flatten()
    at_levels, at_shares, peaks = [], [], []
    for part in torch.split(chosen, EVALUATION_BATCH):
        marks = network(held_out.images.unchanged(part, device)).marks.float().cpu()
        finer = functional.interpolate(
            marks, scale_factor=2.0, mode="bilinear", align_corners=False
        )
        drawn = functional.interpolate(
            held_out.masks[part].float() / 255, size=finer.shape[-2:], mode="area"
        )
        probabilities = torch.sigmoid(finer)
        peak = probabilities.amax(dim=(1, 2, 3), keepdim=True)
        at_levels.append(overlap_at(LEVELS, probabilities, drawn >= HALF))
        at_shares.append(overlap_at(PEAK_SHARES, probabilities / peak, drawn >= HALF))
        peaks.append(peak.flatten(1))
    of_levels = torch.cat(at_levels).mean(dim=0)
    level = LEVELS[int(of_levels.argmax())]
    of_shares = (torch.cat(at_shares) * (torch.cat(peaks) >= level)).mean(dim=0)
    if of_shares.max() <= of_levels.max():
        return MaskRules(level=level)
    return MaskRules(level=level, peak_share=PEAK_SHARES[int(of_shares.argmax())])


def overlap_at(levels: Sequence[float], values: Tensor, drawn: Tensor) -> Tensor:
    """Dice overlap of what is at or above each of some levels.

    Args:
        levels: In (0, 1].
        values: (N, 1, h, w) in [0, 1].
        drawn: bool (N, 1, h, w).

    Returns:
        (N, len(levels)) in [0, 1].
    """
    size = drawn.sum(dim=(1, 2, 3))
    columns = []
    for level in levels:
        marked = values >= level
        both = (marked & drawn).sum(dim=(1, 2, 3))
        columns.append(2 * both / (marked.sum(dim=(1, 2, 3)) + size).clamp_min(1))
    return torch.stack(columns, dim=1)
