"""Which pixels count as marked, fitted on held-out masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from tumorlens.model.format import MaskRules
from tumorlens.train.fit.loop import EVALUATION_BATCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from tumorlens.train.dense.images import MarkedImages
    from tumorlens.train.dense.network import LesionNetwork

    Numbers = NDArray[np.float64]

LEVELS = tuple(round(0.05 * step, 2) for step in range(2, 15))
"""0.10 to 0.70: lower would outline what no one calls a lesion, higher would leave most out."""

PEAK_SHARES = tuple(round(0.05 * step, 2) for step in range(5, 14))
"""0.25 to 0.65 of a picture's highest probability."""

AS_GOOD = 0.001
"""Mean overlaps that differ by less are the same; of levels, the highest of these marks least where
nothing is."""

HALF = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """How the outlines of N lesions overlap with the drawn ones, by each rule.

    Attributes:
        at_levels: Dice overlap of what reaches each of `LEVELS`, (N, L).
        at_shares: Of what reaches each of `PEAK_SHARES` of the picture's highest value, (N, S).
        peaks: That value, (N,).
    """

    at_levels: Numbers
    at_shares: Numbers
    peaks: Numbers

    def __len__(self) -> int:
        return len(self.peaks)

    @classmethod
    def of(cls, values: NDArray[np.float32], drawn: NDArray[np.bool_]) -> Overlaps:
        """Of outlines (N, h, w) in [0, 1], and what was drawn, (N, h, w)."""
        peaks = values.max(axis=(1, 2)).astype(np.float64)
        shares = values / np.maximum(peaks, np.finfo(np.float32).tiny)[:, None, None]
        return cls(overlap_at(LEVELS, values, drawn), overlap_at(PEAK_SHARES, shares, drawn), peaks)

    @classmethod
    def joined(cls, parts: Sequence[Overlaps]) -> Overlaps:
        """All of several; there is at least one."""
        return cls(
            np.concatenate([part.at_levels for part in parts]),
            np.concatenate([part.at_shares for part in parts]),
            np.concatenate([part.peaks for part in parts]),
        )

    def rules(self) -> MaskRules:
        """The rules by which outlines overlap best with what was drawn.

        A network that has seen lesions vanish from pictures marks them with restraint, so that a
        half need not be the best level. How sure it is differs from lesion to lesion, and where a
        lesion ends is told better by a share of its peak than by one level for all. First the best
        share is looked for at each level, and the level by it; a share is left out where none is
        better than a level alone.
        """
        alone = self.at_levels.mean(axis=0)
        reaching = self.peaks[:, None] >= np.array(LEVELS)  # (N, L)
        shared = reaching.T.astype(np.float64) @ self.at_shares / len(self)  # (L, S)
        if shared.max() <= alone.max():
            return MaskRules(level=_highest(alone))
        level = _highest(shared.max(axis=1))
        share = PEAK_SHARES[int(shared[LEVELS.index(level)].argmax())]
        return MaskRules(level=level, peak_share=share)


def _highest(means: Numbers) -> float:
    """The highest of the levels that are as good as the best, by their mean overlaps (L,)."""
    return LEVELS[int(np.flatnonzero(means >= means.max() - AS_GOOD)[-1])]


@torch.inference_mode()
def fit_mask_rules(
    network: LesionNetwork, held_out: MarkedImages, device: torch.device
) -> MaskRules:
    """The rules by which the outlines of held-out lesions overlap best with the drawn ones.

    Args:
        network: The trained network, on `device`.
        held_out: Of the validation fold; some of it shows lesions.
        device: Where the network lives.
    """
    network.eval()
    chosen = torch.nonzero(held_out.marked).flatten()
    parts = []
    for part in torch.split(chosen, EVALUATION_BATCH):
        marks = network(held_out.images.unchanged(part, device)).marks.float().cpu()
        drawn = drawn_at(held_out.masks[part].float() / 255, (marks.shape[-2], marks.shape[-1]))
        parts.append(Overlaps.of(torch.sigmoid(marks)[:, 0].numpy(), drawn))
    return Overlaps.joined(parts).rules()


def drawn_at(masks: Tensor, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a drawn mask (N, 1, H, W) in [0, 1] fills half of a coarser pixel, (N, *size)."""
    coarse: NDArray[np.float32] = functional.interpolate(masks, size=size, mode="area")[
        :, 0
    ].numpy()
    return coarse >= HALF


def overlap_at(
    levels: Sequence[float], values: NDArray[np.float32], drawn: NDArray[np.bool_]
) -> Numbers:
    """Dice overlap of what is at or above each of some levels.

    Args:
        levels: In (0, 1].
        values: (N, h, w) in [0, 1].
        drawn: (N, h, w).

    Returns:
        (N, len(levels)) in [0, 1].
    """
    size = drawn.sum(axis=(1, 2))
    columns = []
    for level in levels:
        marked = values >= np.float32(level)
        both = (marked & drawn).sum(axis=(1, 2))
        columns.append(2 * both / np.maximum(marked.sum(axis=(1, 2)) + size, 1))
    return np.stack(columns, axis=1)
