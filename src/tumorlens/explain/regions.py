"""Marked pixels as runs along rows, and the lesions that they make up.

Runs take little room however large a slice is, so a whole volume of them can be held at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Some pixels of one slice, as runs: from `starts` to before `stops` in each of `rows`.

    Attributes:
        shape: (H, W) of the slice.
        rows: Row of each run, rising.
        starts: First column of each run.
        stops: One past its last column; a run neither touches nor overlaps another of its row.
    """

    shape: tuple[int, int]
    rows: Integers
    starts: Integers
    stops: Integers

    @classmethod
    def of(cls, marked: NDArray[np.bool_]) -> Region:
        """The pixels that are True in an array (H, W)."""
        height, width = marked.shape
        framed = np.zeros((height, width + 2), np.int8)
        framed[:, 1:-1] = marked
        edges = np.diff(framed, axis=1)
        rows, starts = np.nonzero(edges == 1)
        return cls((height, width), rows, starts, np.nonzero(edges == -1)[1])

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Region:
        """No pixel of a slice (H, W)."""
        none = np.zeros(0, np.intp)
        return cls(shape, none, none, none)

    @property
    def area(self) -> int:
        """How many pixels it holds."""
        return int((self.stops - self.starts).sum())

    def mask(self) -> NDArray[np.bool_]:
        """The pixels as an array (H, W)."""
        height, width = self.shape
        edges = np.zeros((height, width + 1), np.int8)
        edges[self.rows, self.starts] = 1
        edges[self.rows, self.stops] = -1
        marked: NDArray[np.bool_] = np.cumsum(edges, axis=1, dtype=np.int8)[:, :-1] > 0
        return marked

    def part(self, chosen: NDArray[Any]) -> Region:
        """Some of its runs, by a mask or by their numbers in rising order."""
        return Region(self.shape, self.rows[chosen], self.starts[chosen], self.stops[chosen])


def components(stack: Sequence[Region]) -> list[Integers]:
    """Which runs hang together, within slices and from each slice to the next.

    Pixels hang together that share a side, an edge or a corner (26 neighbours; 8 in one slice).

    Args:
        stack: Slices of one shape, in their order; one alone will do.

    Returns:
        For each slice the number of each run's component, from 0, the same through the stack.
    """
    if not stack:
        return []
    height, width = stack[0].shape
    counts = [len(region.rows) for region in stack]
    slices = np.repeat(np.arange(len(stack)), counts)
    # An empty line below each slice, and two empty columns, keep neighbours apart that are none.
    lines = slices * (height + 1) + np.concatenate([region.rows for region in stack])
    starts = np.concatenate([region.starts for region in stack])
    stops = np.concatenate([region.stops for region in stack])
    same_slice, next_slice = (1,), (height, height + 1, height + 2)
    pairs = [
        touching(lines, starts, stops, ahead, width + 2) for ahead in (*same_slice, *next_slice)
    ]
    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    labels = _joined(len(lines), first, second)
    return np.split(labels, np.cumsum(counts)[:-1])


def touching(
    lines: Integers, starts: Integers, stops: Integers, ahead: int, pitch: int
) -> tuple[Integers, Integers]:
    """All pairs of a run and one that touches it, corners counted, so many lines ahead.

    Args:
        lines: Line of each run, rising.
        starts: First column of each run.
        stops: One past its last.
        ahead: How many lines.
        pitch: At least two more than there are columns.
    """
    target = (lines + ahead) * pitch
    low = np.searchsorted(lines * pitch + stops, target + starts, "left")
    high = np.searchsorted(lines * pitch + starts, target + stops, "right")
    counts = np.maximum(high - low, 0)
    first = np.repeat(np.arange(len(lines)), counts)
    offsets = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    return first, np.repeat(low, counts) + offsets


def _joined(count: int, first: Integers, second: Integers) -> Integers:
    """Number the connected parts of a graph: each node takes the smallest label within reach."""
    labels = np.arange(count)
    while True:
        lowest = np.minimum(labels[first], labels[second])
        lower = labels.copy()
        for nodes in (first, second, labels[first], labels[second]):
            np.minimum.at(lower, nodes, lowest)
        lower = lower[lower]
        if np.array_equal(lower, labels):
            return np.unique(labels, return_inverse=True)[1]
        labels = lower
