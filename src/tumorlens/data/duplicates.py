"""Which images are the same picture, or neighbours of it, however flipped or rotated.

Ordinary image hashes tie unrelated heads together (the background is black) and do not see
mirrors. So images are compared by the normalised correlation of a thumbnail of the head, cropped
of its background, over the eight flips and rotations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.search import search
from tumorlens.model.format import CropPolicy, InputSpec, ResizePolicy
from tumorlens.model.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SAME = 0.985
"""Correlation from which two pictures are the same one, re-encoded or resized."""

NEAR = 0.95
"""Correlation from which two pictures are neighbouring slices or close copies."""

THUMBNAIL = 48
"""Side of the thumbnail: enough to tell neighbouring slices apart, small enough to keep those of
a large set in memory."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images, by index (first < second), and their correlation in [-1, 1]."""

    first: int
    second: int
    correlation: float


def thumbnail(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture (H, W) in [0, 1] as a unit vector of its head, (`THUMBNAIL` ** 2,).

    The mean is taken out, so that the product of two such vectors is their correlation. A blank
    picture gives zeros, which correlate with nothing.
    """
    spec = InputSpec(
        height=THUMBNAIL,
        width=THUMBNAIL,
        crop=CropPolicy.FOREGROUND,
        resize=ResizePolicy.STRETCH,
    )
    head = prepare(pixels, spec).tensor[0]
    centred = (head - head.mean()).ravel()
    norm = float(np.linalg.norm(centred))
    unit: NDArray[np.float32] = (centred / norm if norm > 0 else centred).astype(np.float32)
    return unit


def find_pairs(thumbnails: NDArray[np.float32], threshold: float = NEAR) -> list[Pair]:
    """Every pair of images that correlates at least so much, over the eight flips and rotations.

    Args:
        thumbnails: Shape (N, `THUMBNAIL` ** 2), from `thumbnail`.
        threshold: The least correlation of a pair that is given.

    Returns:
        The pairs, by first and second index; each pair once, with its best correlation.
    """
    pairs = [
        Pair(int(first), int(second), float(correlation))
        for found in search(thumbnails, threshold)
        for first, second, correlation in zip(
            found.first, found.second, found.correlation, strict=True
        )
    ]
    return sorted(pairs, key=lambda pair: (pair.first, pair.second))


def group(count: int, pairs: Sequence[Pair], threshold: float = NEAR) -> list[int]:
    """The connected groups of `count` images: for each image the number of its group, from 0."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    joined = [(pair.first, pair.second) for pair in pairs if pair.correlation >= threshold]
    rows, columns = np.array(joined, dtype=np.intp).reshape(-1, 2).T
    edges = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(count, count))
    _, numbers = connected_components(edges, directed=False)
    return [int(number) for number in numbers]
