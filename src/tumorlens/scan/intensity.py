"""Stored values become float32 in [0, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BYTE_TABLE = (np.arange(256) / 255.0).astype(np.float32)

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, of red, green and blue

_ROBUST_PERCENTILES = (0.5, 99.5)
_BLOCK_PIXELS = 2**18  # are converted at once, so that a large picture needs no second copy
_LARGEST_SAMPLE = 2**20  # more values than this do not move a percentile that anyone could see

# A picture that spans less of its format's range than this was stored without scaling, as 12-bit
# data in 16 bits are, and would come out almost black; one that spans more was scaled on purpose.
_SCALED_SHARE = 0.25


def unit_range(values: NDArray[Any]) -> NDArray[np.float32]:
    """Scale the stored values of a picture to float32 in [0, 1].

    8-bit values are divided by 255. Deeper values keep their format's full range (16-bit: 65535;
    float: 1) where their largest lies above a quarter of it and none lies outside; otherwise the
    smallest and largest value of the picture become 0 and 1, since 10- and 12-bit data are often
    stored in 16 bits without scaling and would be almost black.

    Args:
        values: (H, W), of any integer or floating type, all finite.
    """
    if values.dtype == np.uint8:
        return np.take(_BYTE_TABLE, values)
    low, high = float(values.min()), float(values.max())
    full = 1.0 if values.dtype.kind == "f" else 65535.0
    if low >= 0.0 and _SCALED_SHARE * full < high <= full:
        low, high = 0.0, full
    return stretch(values, low, high)


def stretch(values: NDArray[Any], low: float, high: float) -> NDArray[np.float32]:
    """Map `low` to 0 and `high` to 1 linearly, values beyond them clipped; all 0 if they meet.

    Args:
        values: (H, W), of any real type, all finite.
        low: The value that is shown black.
        high: The value that is shown white.
    """
    shown = np.zeros(values.shape, dtype=np.float32)
    # Quarters, since the difference of two finite numbers need not be finite.
    quarter_range = high * 0.25 - low * 0.25
    if not quarter_range > 0.0 or not np.isfinite(quarter_range):
        return shown
    rows = max(_BLOCK_PIXELS // max(values.shape[1], 1), 1)
    for start in range(0, values.shape[0], rows):
        block = values[start : start + rows].astype(
            np.float64
        )  # keeps small steps on large offsets
        block *= 0.25
        block -= low * 0.25
        block /= quarter_range
        np.clip(block, 0.0, 1.0, out=block)
        shown[start : start + rows] = block
    return shown


def robust_range(values: NDArray[Any]) -> tuple[float, float]:
    """The range of values to show where nothing says it: percentiles 0.5 and 99.5.

    The background, all pixels of the smallest value, is left out, since on MRI it can be most of
    the picture.

    Args:
        values: Of any shape and real type, all finite, at least one.
    """
    flat = values.ravel()
    step = -(-flat.size // _LARGEST_SAMPLE)
    flat = flat[::step]
    lowest = flat.min()
    shown = flat[flat > lowest]
    if not shown.size:
        return float(lowest), float(lowest)
    low, high = np.percentile(shown, _ROBUST_PERCENTILES)
    return float(low), float(high)


def grey_of_rgb(colours: NDArray[Any]) -> tuple[NDArray[np.float32], float]:
    """Grey by the luma of ITU-R BT.601, and how coloured the picture was.

    Args:
        colours: (H, W, 3) unsigned integers.

    Returns:
        float32 (H, W) in [0, 1], and the mean difference of the largest and smallest channel.
    """
    top = float(np.iinfo(colours.dtype).max)
    grey = np.zeros(colours.shape[:2], dtype=np.float32)
    for channel, weight in enumerate(_LUMA):
        grey += colours[..., channel] * np.float32(weight / top)
    spread = colours.max(axis=2) - colours.min(axis=2)
    return np.clip(grey, 0.0, 1.0, out=grey), float(spread.mean()) / top
