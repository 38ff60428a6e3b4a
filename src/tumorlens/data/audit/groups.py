"""Connected groups of pictures, over all sets and within each, grown a few joins at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Groups:
    """Which pictures belong together, as far as is known.

    Within a set only the joins between its own pictures count: what else is audited with it does
    not change how many groups it has.
    """

    def __init__(self, by_set: NDArray[np.int64]) -> None:
        """Begin with every picture alone.

        Args:
            by_set: (pictures, sets), how many images of each picture stand in each set.
        """
        self._stands = by_set > 0
        count, sets = by_set.shape
        self._all: NDArray[np.intp] = np.arange(count)
        self._within: list[NDArray[np.intp]] = [np.arange(count) for _ in range(sets)]

    @property
    def labels(self) -> NDArray[np.intp]:
        """The group of each picture, over all sets, intp (pictures,), from 0."""
        return np.unique(self._all, return_inverse=True)[1]

    def join(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> None:
        """Join pictures, pair by pair."""
        if not len(first):
            return
        self._all = _joined(self._all, first, second)
        for number, stands in enumerate(self._stands.T):
            both = stands[first] & stands[second]
            if both.any():
                self._within[number] = _joined(self._within[number], first[both], second[both])

    def count(self) -> int:
        """How many groups there are over all sets."""
        return len(np.unique(self._all))

    def count_within(self, set_number: int) -> int:
        """How many groups there are in one set."""
        return len(np.unique(self._within[set_number][self._stands[:, set_number]]))


def _joined(
    labels: NDArray[np.intp], first: NDArray[np.intp], second: NDArray[np.intp]
) -> NDArray[np.intp]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = (labels[first], labels[second])
    shape = (len(labels), len(labels))
    edges = coo_array((np.ones(len(first), np.int8), ends), shape=shape)
    _, numbers = connected_components(edges, directed=False)
    joined: NDArray[np.intp] = numbers[labels].astype(np.intp)
    return joined
