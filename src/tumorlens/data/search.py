"""Every pair of thumbnails that correlates, over the eight flips and rotations, and fast.

Comparing all pairs in all eight turns is the work of nearly all of an audit's time, and nearly all
of it is spent on pairs that have nothing in common. So each thumbnail also gets a `descriptor`, a
short vector that no flip or rotation changes, made so that the product of two descriptors is never
below the correlation of the two thumbnails in any turn. Pairs whose product is too low are left
out unseen; the others are compared exactly. Nothing above the threshold is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Progress = Callable[[int, int], None]

FREQUENCIES = 24
"""Cosine frequencies along each axis that a descriptor keeps: with so many, about half of the
pairs of head slices that pass are copies, and comparing descriptors still takes little time."""

CROWDED = 0.05
"""Where more than this share of all pairs may correlate, comparing all of them at once, by matrix
products, is faster than picking them out."""

ROUNDING = 1e-4
"""How far 32-bit sums may put a product below what it is."""

TURNS = 8
"""Turn t is: mirrored left to right if t >= 4, then rotated clockwise by t % 4 quarter turns."""

_PRODUCTS_AT_ONCE = 2**22
_PAIRS_AT_ONCE = 4096
_MATCHES_AT_ONCE = 2**16
_THUMBNAILS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Some pairs of thumbnails that correlate, one element a pair.

    Attributes:
        first: intp (n,), index of the first thumbnail.
        second: intp (n,), index of the second, larger than that of the first.
        correlation: float32 (n,), the best over the turns.
        turn: uint8 (n,), how the second must be turned to lie on the first; see `TURNS`.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    correlation: NDArray[np.float32]
    turn: NDArray[np.uint8]


def search(
    thumbnails: NDArray[np.floating],
    threshold: float,
    progress: Progress | None = None,
) -> Iterator[Matches]:
    """Every pair that correlates at least so much in some turn, each once, a part at a time.

    Args:
        thumbnails: (N, side ** 2), each a square picture with its mean taken out, of norm 1 (or
            0, which matches nothing).
        threshold: The least correlation.
        progress: Called with (thumbnails compared, N).
    """
    described = descriptors(thumbnails)
    count = len(thumbnails)
    rows = max(1, _PRODUCTS_AT_ONCE // max(count, 1))
    for start in range(0, count, rows):
        product = described[start : start + rows] @ described[start:].T
        first, second = np.nonzero(product >= threshold - ROUNDING)
        if len(first) > CROWDED * product.size:
            yield from _all_compared(thumbnails, start, start + rows, threshold)
        else:
            is_pair = first < second
            first, second = first[is_pair] + start, second[is_pair] + start
            for part in range(0, len(first), _PAIRS_AT_ONCE):
                chosen = slice(part, part + _PAIRS_AT_ONCE)
                yield _confirmed(thumbnails, first[chosen], second[chosen], threshold)
        if progress:
            progress(min(start + rows, count), count)


def descriptors(thumbnails: NDArray[np.floating]) -> NDArray[np.float32]:
    """A vector for each thumbnail that no flip or rotation changes, float32 (N, d).

    In the cosine transform of a square picture a flip changes the signs of the odd frequencies,
    and a rotation by a quarter swaps frequency (i, j) with (j, i) besides. So these are unchanged:
    the size of (i, i); the sizes of (i, j) + (j, i) and (i, j) - (j, i) where i + j is even; the
    length of the two together where it is odd. Each is the length of the picture's part in one of
    several spaces that are at right angles and that the turns map to themselves; with the length of
    what is left, these lengths form a vector of the picture's own norm, and by Cauchy and Schwarz
    the product of two such vectors is at least that of the pictures in any turn.
    """
    side = round(thumbnails.shape[1] ** 0.5)
    kept = min(FREQUENCIES, side)
    basis = _cosines(side)[:kept]
    parts = [
        _lengths(basis @ part.reshape(-1, side, side).astype(np.float32) @ basis.T, part)
        for part in np.array_split(thumbnails, -(-len(thumbnails) // _THUMBNAILS_AT_ONCE) or 1)
    ]
    return np.concatenate(parts)


def _lengths(waves: NDArray[np.float32], thumbnails: NDArray[np.floating]) -> NDArray[np.float32]:
    kept = waves.shape[1]
    above, below = np.triu_indices(kept, 1)
    is_even = (above + below) % 2 == 0
    one, other = waves[:, above, below], waves[:, below, above]
    sums, differences = one[:, is_even] + other[:, is_even], one[:, is_even] - other[:, is_even]
    rest = np.square(thumbnails, dtype=np.float32).sum(axis=1) - np.square(waves).sum(axis=(1, 2))
    return np.hstack(
        [
            np.abs(np.diagonal(waves, axis1=1, axis2=2)),
            np.abs(sums) * np.float32(0.5**0.5),
            np.abs(differences) * np.float32(0.5**0.5),
            np.hypot(one[:, ~is_even], other[:, ~is_even]),
            np.sqrt(np.maximum(rest, 0.0))[:, None],
        ]
    )


def _cosines(side: int) -> NDArray[np.float32]:
    """The orthonormal cosine transform (DCT-II), a frequency a row."""
    frequency, place = np.mgrid[:side, :side]
    waves = np.cos(np.pi * frequency * (2 * place + 1) / (2 * side)) * (2 / side) ** 0.5
    waves[0] *= 0.5**0.5
    basis: NDArray[np.float32] = waves.astype(np.float32)
    return basis


def _confirmed(
    thumbnails: NDArray[np.floating],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    threshold: float,
) -> Matches:
    """Those of the pairs that do correlate, with their best turn."""
    side = round(thumbnails.shape[1] ** 0.5)
    ones = thumbnails[first].astype(np.float32, copy=False).reshape(-1, side, side)
    others = thumbnails[second].astype(np.float32, copy=False).reshape(-1, side, side)
    products = np.stack([np.einsum("nij,nij->n", ones, turned(others, t)) for t in range(TURNS)])
    turn = products.argmax(axis=0)
    best = products[turn, np.arange(len(first))]
    kept = best >= threshold
    return Matches(first[kept], second[kept], best[kept], turn[kept].astype(np.uint8))


def _all_compared(
    thumbnails: NDArray[np.floating], start: int, stop: int, threshold: float
) -> Iterator[Matches]:
    """The pairs of some thumbnails with all later ones that do correlate, with their best turn."""
    side = round(thumbnails.shape[1] ** 0.5)
    ones = thumbnails[start:stop].astype(np.float32, copy=False)
    for place in range(start, len(thumbnails), _THUMBNAILS_AT_ONCE):
        others = thumbnails[place : place + _THUMBNAILS_AT_ONCE].astype(np.float32, copy=False)
        best = np.full((len(ones), len(others)), -np.inf, np.float32)
        turns = np.zeros(best.shape, np.uint8)
        for turn in range(TURNS):
            moved = turned(others.reshape(-1, side, side), turn).reshape(others.shape)
            product = ones @ moved.T
            is_better = product > best
            best[is_better], turns[is_better] = product[is_better], turn
        first, second = np.nonzero(best >= threshold)
        is_pair = first + start < second + place
        first, second = first[is_pair], second[is_pair]
        for part in range(0, len(first), _MATCHES_AT_ONCE):
            at = (first[part : part + _MATCHES_AT_ONCE], second[part : part + _MATCHES_AT_ONCE])
            yield Matches(at[0] + start, at[1] + place, best[at], turns[at])


def turned(pictures: NDArray[np.float32], turn: int) -> NDArray[np.float32]:
    """A view of square pictures (N, side, side) under a turn; see `TURNS`."""
    flipped = pictures[:, :, ::-1] if turn >= TURNS // 2 else pictures
    view: NDArray[np.float32] = np.rot90(flipped, -(turn % 4), axes=(1, 2))
    return view
