"""The outline of what is marked, and its diameters, drawn so that they are seen on any tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tumorlens.explain.diameters import Line
    from tumorlens.explain.regions import Region

    Points = NDArray[np.float64]
    Box = tuple[int, int, int, int]

# A line of one bright pixel in a dark one on each side is seen on bright and on dark tissue; its
# colour is none of those of the evidence.
LINE_COLOUR, CASING_COLOUR = (96, 240, 255), (0, 0, 0)
LINE_WIDTH, CASING_WIDTH = 1.0, 3.0
# Under the line the picture is gone; under its casing it can still be made out.
LINE_OPACITY, CASING_OPACITY = 1.0, 0.6
# Lines are drawn this many times larger and averaged, which smooths their edges; odd, so that a
# line has a middle.
FINENESS = 5
# Kept free around what is drawn, for the width of the lines.
MARGIN = 4
_HALF = 0.5
_TWO = 2


def draw_lesions(
    picture: Image.Image,
    regions: Iterable[Region],
    diameters: Iterable[Line],
    slice_shape: tuple[int, int],
) -> None:
    """Draw the outline of each region, and some diameters, onto a picture of the slice.

    Args:
        picture: RGB, of any size; it shows the whole slice.
        regions: What is marked.
        diameters: Lines on the slice, in its pixels.
        slice_shape: (H, W) of the slice.
    """
    for region in regions:
        _stroke(picture, outline(region, (picture.height, picture.width)))
    for line in diameters:
        _stroke(picture, _on_picture(line, slice_shape, (picture.height, picture.width)))


def outline(region: Region, shape: tuple[int, int]) -> Points:
    """The outline of a region on a picture of another size.

    The region's border between pixels is smoothed as the picture is enlarged, then followed by
    marching squares (Lorensen and Cline 1987, doi:10.1145/37402.37422, in two dimensions).

    Args:
        region: What is marked.
        shape: (height, width) of the picture that shows the whole slice.

    Returns:
        float64 (S, 2, 2): pieces of the outline, each from (row, column) to (row, column), where
        the centre of the picture's first pixel is (0, 0).
    """
    filled = Image.fromarray(region.mask().astype(np.float32))
    sized = filled.resize(shape[::-1], Image.Resampling.BILINEAR)
    inside = np.pad(np.asarray(sized, np.float64), 1)
    return _marching_squares(inside) - 1.0


def _marching_squares(values: NDArray[np.float64]) -> Points:
    """The line at one half through an array of [0, 1], as pieces; saddles are parted."""
    above = values >= _HALF
    cells = above[:-1, :-1] + above[:-1, 1:] * _TWO + above[1:, :-1] * _TWO**2
    cells = cells + above[1:, 1:] * _TWO**3
    rows, columns = np.nonzero((cells > 0) & (cells < _TWO**4 - 1))
    corners = [(0, 0), (0, 1), (1, 1), (1, 0)]
    crossed, points = [], []
    for (y0, x0), (y1, x1) in zip(corners, corners[1:] + corners[:1], strict=True):
        start, stop = values[rows + y0, columns + x0], values[rows + y1, columns + x1]
        crossed.append((start >= _HALF) != (stop >= _HALF))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.clip(np.nan_to_num((_HALF - start) / (stop - start)), 0, 1)
        points.append(
            np.column_stack([rows + y0 + share * (y1 - y0), columns + x0 + share * (x1 - x0)])
        )
    sides, ends = np.array(crossed), np.array(points)
    # A saddle crosses all four sides of its cell: one piece joins the first two, one the others.
    cell, side = np.nonzero(sides.T)
    return ends[side, cell].reshape(-1, 2, 2)


def _on_picture(line: Line, slice_shape: tuple[int, int], shape: tuple[int, int]) -> Points:
    """A line on the slice as one piece on a picture of another size."""
    scale = np.divide(shape, slice_shape)
    return ((np.array([line]) + _HALF) * scale) - _HALF


def _stroke(picture: Image.Image, pieces: Points) -> None:
    """Draw straight pieces: the dark casing first, then the bright line."""
    if not len(pieces):
        return
    box = _box_around(pieces, picture.size)
    for width, colour, opacity in (
        (CASING_WIDTH, CASING_COLOUR, CASING_OPACITY),
        (LINE_WIDTH, LINE_COLOUR, LINE_OPACITY),
    ):
        stencil = _stencil(pieces, box, width).point(lambda value, o=opacity: round(value * o))
        picture.paste(colour, box[:2], stencil)


def _box_around(pieces: Points, size: tuple[int, int]) -> Box:
    (top, left), (bottom, right) = pieces.min(axis=(0, 1)), pieces.max(axis=(0, 1))
    return (
        max(0, int(left) - MARGIN),
        max(0, int(top) - MARGIN),
        min(size[0], int(right) + MARGIN + 1),
        min(size[1], int(bottom) + MARGIN + 1),
    )


def _stencil(pieces: Points, box: Box, width: float) -> Image.Image:
    """How much of each pixel of a box lines cover: 0 to 255."""
    left, top, right, bottom = box
    fine = Image.new("L", ((right - left) * FINENESS, (bottom - top) * FINENESS))
    draw = ImageDraw.Draw(fine)
    # Counting starts at the centre of the first pixel, which is one of the fine ones too.
    placed = (pieces[..., ::-1] - (left, top)) * FINENESS + FINENESS // _TWO
    for start, stop in placed.tolist():
        draw.line((*start, *stop), fill=255, width=round(width * FINENESS))
    return fine.reduce(FINENESS)
