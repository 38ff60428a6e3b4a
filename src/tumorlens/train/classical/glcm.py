"""Texture from grey level co-occurrence matrices (Haralick et al., 1973)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from tumorlens.train.classical.histogram import one_hot
from tumorlens.train.classical.measure import (
    CELLS,
    Additive,
    cell_pixels,
    entropy,
    shifted,
)

if TYPE_CHECKING:
    from torch import Tensor

    from tumorlens.train.classical.picture import Picture
    from tumorlens.train.classical.spec import ClassicalSpec

ANGLES = (0, 45, 90, 135)
PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "entropy")
REGIONS = ("head", "spot")

_FLAT = 1e-6
"""A spread of levels below this is none: a region of one level, whose correlation is 1."""


class CoOccurrence(Additive):
    """How grey levels of the equalised slice stand beside one another, in the head and the spot.

    Of each property the mean and the range over four directions are kept, so that a turned head
    has the same texture. Both pixels of a pair lie in the region; the pair belongs to the place of
    the first one.
    """

    def __init__(self, spec: ClassicalSpec) -> None:
        self.levels = spec.levels
        self.distances = spec.distances
        self.names = tuple(
            f"glcm_{region}_{name}_d{distance}_{over}"
            for region in REGIONS
            for over in ("mean", "range")
            for distance in spec.distances
            for name in PROPERTIES
        )

    def sums(self, picture: Picture) -> Tensor:
        """(N, regions * distances * angles * levels², CELLS, CELLS)."""
        grey = torch.floor(picture.equal * self.levels).clamp_max(self.levels - 1)
        regions = torch.stack([picture.head, picture.spot], dim=1).flatten(0, 1)
        hot = one_hot(grey, self.levels).repeat_interleave(len(REGIONS), dim=0)
        pairs = self._pairs(hot * regions.unsqueeze(1))
        return pairs.reshape(-1, len(REGIONS) * pairs.shape[1], CELLS, CELLS)

    def describe(self, totals: Tensor) -> Tensor:
        """(B, S, 1) → (B, D)."""
        shape = (-1, len(REGIONS), len(self.distances), len(ANGLES), self.levels, self.levels)
        found = properties(totals.reshape(shape))
        mean = found.mean(dim=3)
        spread = found.amax(dim=3) - found.amin(dim=3)
        return torch.stack([mean, spread], dim=2).flatten(1)

    def _pairs(self, hot: Tensor) -> Tensor:
        first = cell_pixels(hot)
        offsets = [offset(distance, angle) for distance in self.distances for angle in ANGLES]
        seconds = cell_pixels(torch.cat(shifted(hot, offsets), dim=1))
        counts = torch.bmm(seconds, first.transpose(1, 2))
        places = counts.reshape(-1, CELLS, CELLS, counts.shape[1] * counts.shape[2])
        return places.permute(0, 3, 1, 2)


def offset(distance: int, angle: int) -> tuple[int, int]:
    """Rows and columns from the first pixel of a pair to the second, as scikit-image rounds it."""
    turn = math.radians(angle)
    return round(math.sin(turn) * distance), round(math.cos(turn) * distance)


def properties(counts: Tensor) -> Tensor:
    """The properties of co-occurrence matrices, as scikit-image's ``graycoprops``.

    Args:
        counts: (..., L, L), of ordered pairs; they are made symmetric and normalised here.

    Returns:
        (..., 6) in the order of `PROPERTIES`; 0 where there is no pair.
    """
    symmetric = counts + counts.transpose(-1, -2)
    share = symmetric / symmetric.sum(dim=(-1, -2), keepdim=True).clamp_min(1)
    index = torch.arange(counts.shape[-1], dtype=counts.dtype, device=counts.device)
    row, column = index.view(-1, 1), index.view(1, -1)
    gap = row - column

    def mean(of: Tensor) -> Tensor:
        return (share * of).sum(dim=(-1, -2))

    middle = mean(row + 0 * column)
    away = row - middle[..., None, None]
    across = column - middle[..., None, None]
    variance = (share * away.square()).sum(dim=(-1, -2))
    together = (share * away * across).sum(dim=(-1, -2))
    there = symmetric.sum(dim=(-1, -2)) > 0
    correlation = torch.where(
        variance > _FLAT, together / variance.clamp_min(_FLAT), there.to(share.dtype)
    )
    return torch.stack(
        [
            mean(gap.square()),
            mean(gap.abs()),
            mean(1 / (1 + gap.square())),
            share.square().sum(dim=(-1, -2)).sqrt(),
            correlation,
            entropy(symmetric.flatten(-2)),
        ],
        dim=-1,
    )
