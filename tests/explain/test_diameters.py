"""If these fail, the diameters that a lesion is followed by over time are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tumorlens.explain.diameters import convex_hull, diameters
from tumorlens.explain.regions import Region

blobs = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9))
spacings = st.tuples(*[st.sampled_from([0.25, 0.5, 1.0, 1.5, 3.0])] * 2)


def ellipse(long: float, short: float, degrees: float, spacing=(1.0, 1.0)) -> Region:
    """An ellipse of these half axes in mm, turned, on pixels of this spacing."""
    side = int(2.4 * long / min(spacing))
    down, right = np.indices((side, side)) - side / 2
    y, x = down * spacing[0], right * spacing[1]
    angle = np.radians(degrees)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return Region.of((along / long) ** 2 + (across / short) ** 2 <= 1)


def both(region: Region, spacing=None) -> tuple[float, float]:
    longest, perpendicular = diameters(region, spacing)
    scale = spacing or (1.0, 1.0)
    return longest.length(scale), perpendicular.length(scale)


@pytest.mark.parametrize("degrees", range(0, 180, 15))
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.5), (1.0, 0.4), (0.4, 1.0)])
def test_an_ellipse_has_its_axes_in_mm_whichever_way_it_lies(degrees, spacing):
    longest, perpendicular = both(ellipse(30, 18, degrees, spacing), spacing)
    pixel = max(spacing)
    assert longest == pytest.approx(60, abs=1.5 * pixel)
    assert perpendicular == pytest.approx(36, abs=1.5 * pixel)


@pytest.mark.parametrize("radius", [3, 10.3, 50, 120])
def test_a_disc_has_its_diameter_both_ways(radius):
    longest, perpendicular = both(ellipse(radius, radius, 0))
    assert longest == pytest.approx(2 * radius, abs=1.3)
    assert perpendicular == pytest.approx(2 * radius, abs=1.3)


def test_a_line_of_pixels_is_as_long_as_its_pixels():
    marked = np.zeros((9, 9), np.bool_)
    marked[4, 2:7] = True
    assert both(Region.of(marked)) == pytest.approx((5, 1))
    assert both(Region.of(marked.T), (2.0, 0.5)) == pytest.approx((10, 0.5))
    marked[:] = False
    marked[4, 4] = True
    assert both(Region.of(marked)) == pytest.approx((1, 1))


def test_lines_end_on_the_lesion_and_not_in_a_bay_of_it():
    # An L: its hull is much wider than any two of its points along the perpendicular.
    marked = np.zeros((60, 60), np.bool_)
    marked[5:55, 5:8] = True
    marked[52:55, 5:55] = True
    for line in diameters(Region.of(marked), None):
        for point in (line.start, line.stop):
            row, column = (round(value) for value in point)
            assert marked[row - 1 : row + 2, column - 1 : column + 2].any()


def test_a_ring_is_measured_across_its_hole():
    ring = ellipse(30, 30, 0).mask() & ~np.pad(ellipse(20, 20, 0).mask(), 12)
    assert both(Region.of(ring)) == pytest.approx((60, 60), abs=1.3)


@settings(deadline=None)
@given(blobs, spacings)
def test_no_pair_of_points_is_farther_apart(marked, spacing):
    assume(marked.any())
    region = Region.of(marked)
    longest, perpendicular = diameters(region, spacing)
    steps = np.array([(0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)])
    points = (np.argwhere(marked)[:, None] + steps).reshape(-1, 2) * spacing
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert longest.length(spacing) == pytest.approx(apart.max())
    one, other = (np.subtract(*np.multiply(line, spacing)) for line in (longest, perpendicular))
    assert one @ other == pytest.approx(0, abs=1e-6)
    # Of all pairs of these points that are at a right angle, none is longer.
    along = one / np.linalg.norm(one)
    gaps = points[:, None] - points[None]
    is_right = np.abs(gaps @ along) < 1e-9
    assert perpendicular.length(spacing) >= apart[is_right].max() - 1e-6


@settings(deadline=None)
@given(blobs, spacings)
def test_turning_and_mirroring_changes_nothing(marked, spacing):
    assume(marked.any())
    expected = both(Region.of(marked), spacing)
    turned = spacing[::-1]
    assert both(Region.of(np.rot90(marked)), turned) == pytest.approx(expected)
    assert both(Region.of(marked.T), turned) == pytest.approx(expected)
    assert both(Region.of(marked[::-1]), spacing) == pytest.approx(expected)


@settings(deadline=None)
@given(blobs, st.sampled_from([0.25, 0.5, 2.0, 3.0]))
def test_finer_pixels_only_change_the_unit(marked, factor):
    assume(marked.any())
    expected = [factor * length for length in both(Region.of(marked))]
    assert both(Region.of(marked), (factor, factor)) == pytest.approx(expected)


def test_the_hull_of_few_points_is_those_points():
    assert convex_hull(np.array([[1.0, 2.0]])).tolist() == [[1, 2]]
    square = np.array([[0, 0], [0, 2], [2, 0], [2, 2], [1, 1], [0, 1]], np.float64)
    assert sorted(map(tuple, convex_hull(square))) == [(0, 0), (0, 2), (2, 0), (2, 2)]
