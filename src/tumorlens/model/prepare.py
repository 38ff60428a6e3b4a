"""A slice becomes the network's input, and a map of the network lands on the slice again.

Training and answering call the same `prepare`, so both see identical pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from tumorlens.model.format import CropPolicy, InputSpec, ResizePolicy

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The head is looked for on a copy of about this many pixels a side: fine enough for a box with a
# margin, and the search costs the same for every slice.
SEARCH_SIDE = 128
# Brightness is judged between two percentiles and not between the extremes, which belong to
# burned-in text and to dead pixels.
DARK_PERCENTILE, BRIGHT_PERCENTILE = 2.0, 98.0
# Above this share of that range a pixel is head; scanner noise in air stays well below it.
FOREGROUND_LEVEL = 0.12
# A row or column with less than this share of head pixels is noise, or the edge of a letter.
SPARSE_LINE = 0.04
# Runs of rows (columns) with less than this share of all head pixels are text beside the head.
STRAY_RUN = 0.10
# Kept around the head on each side, as a share of the head's size: the scalp's blurred rim.
MARGIN = 0.025
# A box narrower than this share of the slice is not a head: the whole slice is taken.
DEGENERATE = 0.25
# Very large slices are first reduced by whole factors; at this gap the result is the same to the
# eye and the cost no longer grows with the slice (Pillow, ``Image.resize``).
REDUCING_GAP = 3.0


class Box(NamedTuple):
    """A rectangle of pixels; ``right`` and ``bottom`` are one past the last."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Placement:
    """Which part of a slice lies where in the network's input.

    Attributes:
        slice_shape: (H, W) of the slice.
        box: The part of the slice that is used, in its pixels.
        input_shape: (H, W) of the network's input.
        inner: Where that part lies in the input, in its pixels; the rest is zero.
    """

    slice_shape: tuple[int, int]
    box: Box
    input_shape: tuple[int, int]
    inner: Box


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A slice as the network takes it.

    Attributes:
        tensor: float32 (channels, height, width), values in [0, 1].
        placement: Which part of the slice lies where in it.
    """

    tensor: NDArray[np.float32]
    placement: Placement

    @property
    def box(self) -> Box:
        """The part of the slice that is used, in its pixels."""
        return self.placement.box


@dataclass(frozen=True, slots=True, eq=False)
class PlacedMap:
    """A map over the network's input, with what it takes to lay it on the slice.

    Attributes:
        values: float32 (h, w), covering the input evenly.
        placement: How the input was made from the slice.
    """

    values: NDArray[np.float32]
    placement: Placement

    def on_slice(self) -> NDArray[np.float32]:
        """The map over the slice, float32 (H, W); see `to_slice`."""
        return to_slice(self.values, self.placement)


def prepare(pixels: NDArray[np.float32], spec: InputSpec) -> Prepared:
    """Crop and resize a slice as a model's input spec says.

    Args:
        pixels: float32 (H, W), finite, values in [0, 1].
        spec: The model's input.
    """
    placement = place(pixels, spec)
    plane = resample(pixels, placement)
    tensor = np.ascontiguousarray(np.broadcast_to(plane, (spec.channels, *plane.shape)))
    return Prepared(tensor, placement)


def place(pixels: NDArray[np.float32], spec: InputSpec) -> Placement:
    """Decide which part of a slice (H, W) goes where in the network's input."""
    height, width = pixels.shape
    box = head_box(pixels) if spec.crop is CropPolicy.FOREGROUND else Box(0, 0, width, height)
    shape = (spec.height, spec.width)
    inner = Box(0, 0, spec.width, spec.height)
    if spec.resize is ResizePolicy.LETTERBOX:
        inner = _letterbox(box, shape)
    return Placement((height, width), box, shape, inner)


def resample(pixels: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
    """Bring a slice, or a mask of the same slice, to the network's input.

    Bilinear with antialiasing, in 32-bit float, so that 16-bit scans keep their depth.

    Args:
        pixels: float32 (H, W) of the shape that the placement was made for.
        placement: From `place`.

    Returns:
        float32 of the input's (H, W), values in [0, 1], zero outside ``placement.inner``.
    """
    box, inner = placement.box, placement.inner
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    resized = image.resize(
        (inner.width, inner.height), Image.Resampling.BILINEAR, box=box, reducing_gap=REDUCING_GAP
    )
    canvas = np.zeros(placement.input_shape, np.float32)
    np.clip(
        np.asarray(resized),
        0.0,
        1.0,
        out=canvas[inner.top : inner.bottom, inner.left : inner.right],
    )
    return canvas


def to_slice(values: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
    """Bring a map over the network's input back onto the slice.

    Args:
        values: float32 (h, w), any size; it covers the whole input evenly.
        placement: How the input was made from the slice.

    Returns:
        float32 of the slice's (H, W), smoothly interpolated within the range of `values`, and
        zero outside the part of the slice that the network saw.
    """
    rows, columns = values.shape
    height, width = placement.input_shape
    inner, box = placement.inner, placement.box
    seen = (
        inner.left * columns / width,
        inner.top * rows / height,
        inner.right * columns / width,
        inner.bottom * rows / height,
    )
    image = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    resized = image.resize((box.width, box.height), Image.Resampling.BICUBIC, box=seen)
    mapped = np.zeros(placement.slice_shape, np.float32)
    target = mapped[box.top : box.bottom, box.left : box.right]
    # A bicubic curve overshoots beside a peak; evidence must not be made by interpolation.
    np.clip(np.asarray(resized), float(values.min()), float(values.max()), out=target)
    return mapped


def head_box(pixels: NDArray[np.float32]) -> Box:
    """Find the bounding box of the head in a slice.

    1. Reduce the slice to about `SEARCH_SIDE` pixels a side by averaging.
    2. Call pixels head that are brighter than `FOREGROUND_LEVEL` of the slice's brightness range.
    3. Keep the rows, then the columns of these rows, that hold more than a few of them, without
       runs that are too small beside the rest (burned-in text).
    4. Widen by `MARGIN`; take the whole slice where what is left is too small to be a head.

    Args:
        pixels: float32 (H, W), finite.

    Returns:
        The box, within the slice.
    """
    height, width = pixels.shape
    whole = Box(0, 0, width, height)
    factor = max(1, round(max(height, width) / SEARCH_SIDE))
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    small = np.asarray(image.reduce(factor) if factor > 1 else image)
    dark, bright = np.percentile(small, (DARK_PERCENTILE, BRIGHT_PERCENTILE))
    head = small > dark + FOREGROUND_LEVEL * (bright - dark)
    rows = _extent(head.sum(axis=1), head.shape[1])
    if rows is None:
        return whole
    columns = _extent(head[rows[0] : rows[1]].sum(axis=0), rows[1] - rows[0])
    if columns is None:
        return whole
    top, bottom = _widen(rows, factor, height)
    left, right = _widen(columns, factor, width)
    if bottom - top < DEGENERATE * height or right - left < DEGENERATE * width:
        return whole
    return Box(left, top, right, bottom)


def _extent(counts: NDArray[np.int_], across: int) -> tuple[int, int] | None:
    """From the first to one past the last line that belongs to the head, or None."""
    dense = counts > SPARSE_LINE * across
    edges = np.flatnonzero(np.diff(np.concatenate(([False], dense, [False])).astype(np.int8)))
    starts, stops = edges[::2], edges[1::2]
    sums = np.concatenate(([0], np.cumsum(counts)))
    mass = sums[stops] - sums[starts]
    kept = np.flatnonzero(mass >= STRAY_RUN * mass.sum()) if mass.size else mass
    if not kept.size:
        return None
    return int(starts[kept[0]]), int(stops[kept[-1]])


def _widen(lines: tuple[int, int], factor: int, size: int) -> tuple[int, int]:
    """From lines of the reduced copy to lines of the slice, with the margin."""
    start, stop = lines[0] * factor, min(lines[1] * factor, size)
    margin = round(MARGIN * (stop - start))
    return max(0, start - margin), min(size, stop + margin)


def _letterbox(box: Box, shape: tuple[int, int]) -> Box:
    """The largest centred rectangle of the box's aspect in an input of the given (H, W)."""
    height, width = shape
    scale = min(height / box.height, width / box.width)
    rows = min(height, max(1, round(box.height * scale)))
    columns = min(width, max(1, round(box.width * scale)))
    top, left = (height - rows) // 2, (width - columns) // 2
    return Box(left, top, left + columns, top + rows)
