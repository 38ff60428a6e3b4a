"""Whether a slice is fit to be answered: each fault is a named flag with its measure.

The limits were set by looking at thousands of brain MRI slices of public sets, of which none of
them may flag one in a hundred, and at drawn cases of each fault, which they must catch. They find
pictures that nobody could read; they do not grade good ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tumorlens.scan.scan import Scan

    Picture = NDArray[np.float32]

# Measures are taken on a picture made smaller, so that they mean the same at every resolution:
# fine for strokes of letters, coarse for everything else. Each has this many pixels or up to
# twice as many along its shorter side.
_FINE_SIDE, _COARSE_SIDE = 256, 128

TINY_LIMIT = 64.0
BLANK_LIMIT = 0.04
FLAT_LIMIT = 0.1
BLURRED_LIMIT = 0.29
CLIPPED_LIMIT = 0.4
PANELS_LIMIT = 1.0
TEXT_LIMIT = 0.3
COLOUR_LIMIT = 0.08


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


def assess(scan: Scan) -> tuple[QualityFlag, ...]:
    """Name what makes a slice unfit to be answered.

    - TINY: the shorter side in pixels, below 64.
    - COLOUR: ``scan.colour``, above 0.08; coloured marks on an MRI stay below 0.05.
    - BLANK: the grey level that all but the brightest 0.5 % stay under, below 0.04.
    - FLAT: the range of grey levels but for the outermost 1 % at each end, below 0.1.
    - BLURRED: mean change over 1/128 of the picture's side, over that at four times the distance,
      below 0.29; edges give more, and a picture without any detail finer than 1/32 of its side
      gives 0.25. Slices blurred by 1.5 % of their side (standard deviation) or more are below.
    - CLIPPED: the share of the foreground (grey levels above 0.08) that is white, above 0.4.
    - PANELS: how many pictures there are beside and below each other, parted by even strips from
      edge to edge, above 1.
    - TEXT: the share of the picture that is strokes on an even ground, as writing is, above 0.3.

    Returns:
        The flags, none for a good slice. A blank or flat slice has no further measures.
    """
    return tuple(_flags(scan))


def sharpness_of(pixels: Picture) -> float:
    """The measure of BLURRED: how much of the change over a distance is there at a quarter of it.

    Args:
        pixels: float32 (H, W), values in [0, 1].
    """
    return _sharpness(_reduced(pixels, _COARSE_SIDE))


def writing_share(pixels: Picture) -> float:
    """The measure of TEXT: the share of the picture that is strokes on an even ground.

    Args:
        pixels: float32 (H, W), values in [0, 1].
    """
    fine = _reduced(pixels, _FINE_SIDE)
    dark, bright = _levels(fine, 0.01, 0.99)
    return _text_share(fine, max(bright - dark, _SMALLEST_CHANGE))


def _flags(scan: Scan) -> Iterator[QualityFlag]:
    shorter = float(min(scan.pixels.shape))
    if shorter < TINY_LIMIT:
        yield QualityFlag(QualityKind.TINY, shorter, TINY_LIMIT)
    if scan.colour > COLOUR_LIMIT:
        yield QualityFlag(QualityKind.COLOUR, scan.colour, COLOUR_LIMIT)
    fine = _reduced(scan.pixels, _FINE_SIDE)
    coarse = _reduced(fine, _COARSE_SIDE)
    dark, bright, peak = _levels(coarse, 0.01, 0.99, 0.995)
    spread = bright - dark
    if peak < BLANK_LIMIT:
        yield QualityFlag(QualityKind.BLANK, peak, BLANK_LIMIT)
    elif spread < FLAT_LIMIT:
        yield QualityFlag(QualityKind.FLAT, spread, FLAT_LIMIT)
    else:
        yield from _picture_flags(scan.pixels, fine, coarse, spread)


def _picture_flags(
    pixels: Picture, fine: Picture, coarse: Picture, spread: float
) -> Iterator[QualityFlag]:
    sharpness = _sharpness(coarse)
    if sharpness < BLURRED_LIMIT:
        yield QualityFlag(QualityKind.BLURRED, sharpness, BLURRED_LIMIT)
    white = _white_share(pixels)
    if white > CLIPPED_LIMIT:
        yield QualityFlag(QualityKind.CLIPPED, white, CLIPPED_LIMIT)
    panels = _panel_count(coarse, spread)
    if panels > PANELS_LIMIT:
        yield QualityFlag(QualityKind.PANELS, panels, PANELS_LIMIT)
    text = _text_share(fine, spread)
    if text > TEXT_LIMIT:
        yield QualityFlag(QualityKind.TEXT, text, TEXT_LIMIT)


def _reduced(pixels: Picture, side: int) -> Picture:
    """The picture made smaller by a whole factor, each pixel the mean of a box."""
    from PIL import Image

    factor = min(pixels.shape) // side
    if factor <= 1:
        return pixels
    rows, columns = (side // factor * factor for side in pixels.shape)
    inner = np.ascontiguousarray(pixels[:rows, :columns], np.float32)
    return np.asarray(Image.fromarray(inner).reduce(factor))


def _levels(picture: Picture, *shares: float) -> list[float]:
    """The grey levels that these shares of the pixels do not exceed."""
    places = [int(share * (picture.size - 1)) for share in shares]
    ordered = np.partition(picture, places, axis=None)
    return [float(ordered[place]) for place in places]


def _sharpness(picture: Picture) -> float:
    """How much of the change over a distance is there at a quarter of it already.

    Edges and points change at once (towards 1); a smooth slope has a quarter (0.25).
    """
    near = max(round(min(picture.shape) / _COARSE_SIDE), 1)
    far = _SLOPE_STEPS * near
    if min(picture.shape) <= far:
        return 1.0
    return _mean_change(picture, near) / max(_mean_change(picture, far), _SMALLEST_CHANGE)


_SLOPE_STEPS = 4
_SMALLEST_CHANGE = 1e-6


def _mean_change(picture: Picture, distance: int) -> float:
    down = np.abs(picture[distance:] - picture[:-distance]).mean()
    across = np.abs(picture[:, distance:] - picture[:, :-distance]).mean()
    return float(down + across)


_WHITE, _FOREGROUND = 0.996, 0.08  # the former is 254 of 255


def _white_share(pixels: Picture) -> float:
    """The share of the foreground that is white; on single pixels, since a mean would hide it."""
    sample = pixels[::2, ::2]
    foreground = int(np.count_nonzero(sample > _FOREGROUND))
    return int(np.count_nonzero(sample >= _WHITE)) / max(foreground, 1)


# A line of pixels is a strip between panels where nearly all of it is of one level; panels are
# a fifth of the picture or more, or a tenth where there are three or more in a line; what parts
# them is at least a hundredth.
_OUTERMOST = 0.03  # of a line: noise, or a letter in the margin
_EVEN_RANGE = 0.12  # of the picture's own range
_SMALLEST_OF_TWO, _SMALLEST_OF_MANY, _MANY = 0.2, 0.1, 3
_THINNEST_STRIP = 0.01


def _panel_count(picture: Picture, spread: float) -> float:
    counts = []
    for axis in (0, 1):
        ordered = np.sort(picture, axis=axis)
        outer = int(_OUTERMOST * ordered.shape[axis])
        low, high = np.take(ordered, (outer, -1 - outer), axis=axis).swapaxes(0, axis)[:2]
        counts.append(_run_count(high - low >= _EVEN_RANGE * spread))
    return float(counts[0] * counts[1])


def _run_count(is_filled: NDArray[np.bool_]) -> int:
    """How many long runs there are, thin gaps not counted; at least 1."""
    edges = np.flatnonzero(np.diff(is_filled.astype(np.int8), prepend=0, append=0))
    starts, ends = edges[::2], edges[1::2]
    if not starts.size:
        return 1
    parted = starts[1:] - ends[:-1] >= max(_THINNEST_STRIP * is_filled.size, 1.0)
    starts = np.concatenate((starts[:1], starts[1:][parted]))
    ends = np.concatenate((ends[:-1][parted], ends[-1:]))
    lengths = (ends - starts) / is_filled.size
    many = int(np.count_nonzero(lengths >= _SMALLEST_OF_MANY))
    if many >= _MANY:
        return many
    return max(int(np.count_nonzero(lengths >= _SMALLEST_OF_TWO)), 1)


# Writing, cut into blocks: steps along both directions, most of the block at the level of the
# ground. Folds of a brain have as many steps on a small picture, but no even ground.
_BLOCK = 16
_STEP, _STEP_SHARE = 0.2, 0.1  # of the picture's own range; of the pixels of a block
_GROUND_RANGE, _GROUND_SHARE = 0.06, 0.4


def _text_share(picture: Picture, spread: float) -> float:
    rows, columns = picture.shape[0] // _BLOCK, picture.shape[1] // _BLOCK
    if not rows * columns:
        return 0.0
    blocks = picture[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    busy = _step_share(blocks, 1, spread) > _STEP_SHARE
    busy &= _step_share(blocks, 3, spread) > _STEP_SHARE
    if not busy.any():
        return 0.0
    written = blocks.transpose(0, 2, 1, 3)[busy].reshape(-1, _BLOCK * _BLOCK)
    ground = _GROUND_RANGE * spread
    dark = (written < written.min(axis=1, keepdims=True) + ground).mean(axis=1)
    light = (written > written.max(axis=1, keepdims=True) - ground).mean(axis=1)
    return float(np.count_nonzero(np.maximum(dark, light) > _GROUND_SHARE) / busy.size)


def _step_share(blocks: Picture, axis: int, spread: float) -> NDArray[np.float64]:
    steps = np.abs(np.diff(blocks, axis=axis)) > _STEP * spread
    return np.asarray(steps.mean(axis=(1, 3)))
