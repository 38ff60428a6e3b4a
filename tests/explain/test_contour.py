"""If these fail, the outline that a reader sees is not where the mask ends, or cannot be seen."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tumorlens.explain.contour import LINE_COLOUR, draw_lesions, outline
from tumorlens.explain.diameters import Line
from tumorlens.explain.regions import Region


def disc(side: int, radius: float) -> Region:
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    return Region.of(rows**2 + columns**2 <= radius**2)


@pytest.mark.parametrize("factor", [1, 3, 0.5])
def test_the_outline_runs_along_the_border_at_any_size(factor):
    side, radius = 80, 20.0
    size = int(side * factor)
    pieces = outline(disc(side, radius), (size, size))
    middles = pieces.mean(axis=1) - (size - 1) / 2
    assert np.linalg.norm(middles, axis=1) == pytest.approx(radius * factor, abs=1.0 + 0.5 * factor)
    # Closed: every end of a piece is the end of another.
    ends, counts = np.unique(pieces.reshape(-1, 2).round(6), axis=0, return_counts=True)
    assert len(ends)
    assert (counts % 2 == 0).all()


def test_an_outline_at_the_edge_of_the_slice_is_closed():
    pieces = outline(Region.of(np.ones((10, 12), np.bool_)), (10, 12))
    _, counts = np.unique(pieces.reshape(-1, 2).round(6), axis=0, return_counts=True)
    assert (counts % 2 == 0).all()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_the_line_stands_out_on_any_tissue(grey):
    picture = Image.new("RGB", (120, 120), (grey, grey, grey))
    draw_lesions(picture, [disc(120, 40)], [Line((60.0, 20.0), (60.0, 99.0))], (120, 120))
    row = np.asarray(picture, int)[60]
    changed = np.flatnonzero(np.abs(row - grey).max(axis=1) > 40)
    assert changed.min() == pytest.approx(19, abs=2)
    assert changed.max() == pytest.approx(100, abs=2)
    near = np.asarray(picture, int)[58:63, 25:95]
    assert np.abs(near - LINE_COLOUR).max(axis=2).min(axis=0).max() < 40
    assert np.ptp(near.mean(axis=2), axis=0).min() > 60  # bright beside dark, everywhere


def test_nothing_marked_leaves_the_picture_alone():
    picture = Image.new("RGB", (30, 30), (9, 9, 9))
    draw_lesions(picture, [Region.empty((30, 30))], [], (30, 30))
    assert (np.asarray(picture) == 9).all()
