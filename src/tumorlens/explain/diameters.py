"""The two diameters that a lesion is measured by, exact over all of its pixels.

RANO and RECIST 1.1 measure a lesion on a slice by its longest diameter and by the longest one at a
right angle to it (Wen et al. 2010, doi:10.1200/JCO.2009.26.3541; Eisenhauer et al. 2009,
doi:10.1016/j.ejca.2008.10.026). A pixel reaches half way to its neighbours, along the row and along
the column: so a line of n pixels is n long, and a disc is measured alike in every direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tumorlens.explain.regions import touching

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.explain.regions import Region

    Points = NDArray[np.float64]
    Numbers = NDArray[np.floating[Any]] | NDArray[np.intp]

# Diameters that differ by less than this share are the same but for rounding; of such, the one
# with the longer perpendicular is taken, so that turning a picture changes nothing.
SAME = 1e-9
_HALF = 0.5
# How many corners the search for the perpendicular tries first: on most lesions these are enough.
# Each further step tries twice as many, as long as it holds no more than so many numbers at once.
_FIRST_TRIED = 16
_AT_ONCE = 2**18


class Line(NamedTuple):
    """A straight line on a slice.

    Attributes:
        start: (row, column) of its one end, in pixels; whole numbers are centres of pixels.
        stop: Of its other end.
    """

    start: tuple[float, float]
    stop: tuple[float, float]

    def length(self, spacing: tuple[float, float] = (1.0, 1.0)) -> float:
        """Its length, in the unit of the (row, column) spacing."""
        ends = np.multiply((self.start, self.stop), spacing)
        return float(np.linalg.norm(ends[0] - ends[1]))


class Diameters(NamedTuple):
    """The longest diameter of a region, and the longest one at a right angle to it."""

    longest: Line
    perpendicular: Line


def diameters(region: Region, spacing: tuple[float, float] | None) -> Diameters:
    """Measure a region; both lines start and end on it, and may cross bays and holes.

    1. The longest diameter: the two points of the region that are farthest apart, in mm where the
       spacing is known. They are corners of its convex hull, so all pairs of these are compared.
    2. The longest perpendicular: the two points that are farthest apart along a line at a right
       angle to it.

    Args:
        region: At least one pixel.
        spacing: (row, column) distance of pixel centres in mm, or None where unknown: then pixels
            count as square.
    """
    scale = np.array(spacing or (1.0, 1.0))
    outlines = _outlines(region) * scale
    hull = convex_hull(outlines.reshape(-1, 2))
    away = np.linalg.norm(hull[:, None] - hull[None], axis=2)
    longest = np.argwhere(np.triu(away) >= away.max() * (1 - SAME))
    found = [(_across(outlines, hull, int(a), int(b)), hull[[a, b]]) for a, b in longest]
    across, along = max(found, key=lambda pair: np.linalg.norm(pair[0][1] - pair[0][0]))
    return Diameters(_line(along / scale), _line(across / scale))


def convex_hull(points: Points) -> Points:
    """The corners of the convex hull of some points (N, 2), in order around it.

    Andrew's monotone chain (Andrew 1979, doi:10.1016/0020-0190(79)90072-3).
    """
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    # Between the outermost points of a row nothing is a corner.
    starts = np.flatnonzero(np.append(np.True_, np.diff(ordered[:, 0]) > 0))
    ends = np.append(starts[1:], len(ordered)) - 1
    outermost = np.unique(ordered[np.append(starts, ends)], axis=0).tolist()
    if len(outermost) < 3:  # noqa: PLR2004  (a point, or a line)
        return np.array(outermost)
    chains = [_chain(outermost), _chain(outermost[::-1])]
    return np.array(chains[0][:-1] + chains[1][:-1])


def _chain(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """One side of the hull of points in the order of their coordinates."""
    chain: list[tuple[float, float]] = []
    for y, x in ordered:
        while len(chain) > 1:
            (ay, ax), (by, bx) = chain[-2:]
            if (by - ay) * (x - ax) - (bx - ax) * (y - ay) > 0:
                break
            chain.pop()
        chain.append((y, x))
    return chain


def _outlines(region: Region) -> Points:
    """The parts that make up a region, (P, 6, 2): the outline of each, in order around it.

    Each run reaches half a pixel beyond its centres, tapering upwards and downwards; where two
    runs lie one above the other, what is between them is filled.
    """
    rows, starts, stops = region.rows, region.starts, region.stops
    upper, lower = touching(rows, starts, stops, 1, region.shape[1] + 2)
    left = np.maximum(starts[upper], starts[lower])
    right = np.minimum(stops[upper], stops[lower])
    runs = _hexagons(rows, starts, stops - 1, taper=_HALF)
    links = _hexagons(rows[upper] + _HALF, left, right - 1, taper=0.0)
    return np.concatenate([runs, links[left < right]])


def _hexagons(middles: Numbers, left: Numbers, right: Numbers, *, taper: float) -> Points:
    """Shapes of one row's height around centres from `left` to `right`, (P, 6, 2).

    Half a pixel wider than these in the middle, and less so by the taper above and below.
    """
    reach = _HALF - taper
    corners = [
        (middles, left - _HALF),
        (middles - _HALF, left - reach),
        (middles - _HALF, right + reach),
        (middles, right + _HALF),
        (middles + _HALF, right + reach),
        (middles + _HALF, left - reach),
    ]
    return np.stack([np.column_stack(corner) for corner in corners], axis=1)


def _across(outlines: Points, hull: Points, first: int, second: int) -> Points:
    """The longest line at a right angle to the diameter between two corners of the hull.

    As a line moves along the diameter, the distance of its outermost points on the region grows
    and shrinks evenly between corners of the runs' outlines, so the largest is at one of these.
    The hull bounds it from above: corners are tried from the highest bound down, until no bound
    is left above what was found.
    """
    start, stop = hull[first], hull[second]
    along = (stop - start) / np.linalg.norm(stop - start)
    axes = np.column_stack([along, (-along[1], along[0])])
    runs = (outlines - start) @ axes
    places = np.unique(runs[..., 0])
    bounds = _widths((hull - start) @ axes, first, second, places)
    order = np.argsort(-bounds, kind="stable")
    best, found = -1.0, np.zeros((2, 2))
    at, step = 0, _FIRST_TRIED
    while at < len(order) and bounds[order[at]] > best:
        chunk = order[at : at + step]
        at, step = at + step, max(1, min(2 * step, _AT_ONCE // len(runs)))
        low, high = _reach(runs, places[chunk])
        widest = int((high - low).argmax())
        if high[widest] - low[widest] > best:
            best = float(high[widest] - low[widest])
            place = places[chunk[widest]]
            found = np.array([(place, low[widest]), (place, high[widest])])
    return np.asarray(start + found @ axes.T)


def _widths(hull: Points, first: int, second: int, places: Points) -> Points:
    """How wide a hull is at some places along the diameter between two of its corners."""
    # The ends of the diameter part the corners into two sides, along each of which the places
    # only grow.
    one = np.arange(first, second + 1)
    other = np.arange(second, first + len(hull) + 1)[::-1] % len(hull)
    sides = [np.interp(places, hull[side, 0], hull[side, 1]) for side in (one, other)]
    return np.asarray(np.abs(sides[0] - sides[1]))


def _reach(runs: Points, places: Points) -> tuple[Points, Points]:
    """The lowest and the highest point of any run at some places, each within reach of one."""
    low, high = np.full(len(places), np.inf), np.full(len(places), -np.inf)
    slack = SAME * max(1.0, float(np.abs(runs).max()))
    for corner in range(runs.shape[1]):
        (t0, s0), (t1, s1) = runs[:, corner].T, runs[:, (corner + 1) % runs.shape[1]].T
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (places[:, None] - t0) / (t1 - t0)
        share = np.clip(np.nan_to_num(share), 0.0, 1.0)
        is_met = np.abs(t0 + share * (t1 - t0) - places[:, None]) <= slack
        points = s0 + share * (s1 - s0)
        low = np.minimum(low, np.where(is_met, points, np.inf).min(axis=1))
        high = np.maximum(high, np.where(is_met, points, -np.inf).max(axis=1))
    return low, high


def _line(ends: Points) -> Line:
    (y0, x0), (y1, x1) = ends.tolist()
    return Line((y0, x0), (y1, x1))
