"""The size of what a mask marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorlens.decide.finding import Measurements

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A pixel is tumor where that is more probable than not.
MASK_LEVEL = 0.5


def measure(mask: NDArray[np.float32], spacing: tuple[float, float] | None) -> Measurements:
    """The area that a mask marks.

    Args:
        mask: float32 (H, W), tumor probability a pixel.
        spacing: (row, column) distance of pixel centres in mm, or None where unknown; then there
            is no area in mm².
    """
    pixels = int(np.count_nonzero(mask >= MASK_LEVEL))
    area = None if spacing is None else pixels * spacing[0] * spacing[1]
    return Measurements(area_pixels=pixels, area_mm2=area)
