"""Whether a slice is fit to be answered: each fault is a named flag with its measure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tumorlens.scan.scan import Scan


class QualityKind(StrEnum):
    """What can be wrong with a picture."""

    BLANK = "blank"
    FLAT = "flat"
    TINY = "tiny"
    BLURRED = "blurred"
    CLIPPED = "clipped"
    PANELS = "panels"
    TEXT = "text"
    COLOUR = "colour"


@dataclass(frozen=True, slots=True)
class QualityFlag:
    """One fault of a picture.

    Attributes:
        kind: Which fault.
        measure: What was measured; each kind has its own, named in `assess`.
        limit: What the measure was compared with.
    """

    kind: QualityKind
    measure: float
    limit: float


TINY_PIXELS = 64.0
BLANK_PEAK = 0.02


def assess(scan: Scan) -> tuple[QualityFlag, ...]:
    """Name what makes a slice unfit to be answered.

    Returns:
        The flags, none for a good slice.
    """
    shortest = float(min(scan.height, scan.width))
    if shortest < TINY_PIXELS:
        return (QualityFlag(QualityKind.TINY, shortest, TINY_PIXELS),)
    peak = float(scan.pixels.max())
    if peak < BLANK_PEAK:
        return (QualityFlag(QualityKind.BLANK, peak, BLANK_PEAK),)
    return ()
