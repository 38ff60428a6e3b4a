"""An alarm: a map that lies on the frame of the picture speaks of the picture, not of the brain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorlens.decide.finding import Reason, Status
from tumorlens.decide.verdict import PASSED, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME_SHARE = 0.08
"""How wide the frame is, as a share of the shorter side: the margin around a cropped head, and
with it the scalp, where no tumor of the brain lies."""


def frame_energy(maps: NDArray[np.float32], index: int) -> float:
    """The share of a class's evidence that lies in the outer frame of the network's input.

    Args:
        maps: float32 (C, h, w), the class activation maps of one slice, in logits.
        index: Which class.

    Returns:
        In [0, 1]; 0 where nothing speaks for the class more than for the others.
    """
    positive = np.maximum(maps[index] - maps.mean(axis=0), 0).astype(np.float64)
    total = float(positive.sum())
    if total <= 0:
        return 0.0
    height, width = positive.shape
    wide = FRAME_SHARE * min(height, width)
    inside = np.outer(_covered(height, wide), _covered(width, wide))
    return float(1 - (positive * inside).sum() / total)


def judge_frame(share: float, limit: float | None) -> Verdict:
    """Judge the answer "tumor" by how much of its evidence lies in the frame."""
    if limit is None or share <= limit:
        return PASSED
    text = (
        f"{share:.0%} of what speaks for a tumor lies at the border of the picture, where none is "
        f"(limit {limit:.0%})"
    )
    reason = Reason(code="frame_energy", text=text, measure=round(share, 6), limit=limit)
    return Verdict(Status.UNCERTAIN, (reason,))


def _covered(size: int, wide: float) -> NDArray[np.float64]:
    """The share of each cell of a line that lies inside the frame's width from both ends."""
    starts = np.arange(size, dtype=np.float64)
    inside: NDArray[np.float64] = np.clip(
        np.minimum(starts + 1, size - wide) - np.maximum(starts, wide), 0.0, 1.0
    )
    return inside
