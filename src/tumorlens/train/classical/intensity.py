"""Statistics of the intensities in the head, the brain and the spot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tumorlens.train.classical.histogram import one_hot
from tumorlens.train.classical.measure import Additive, entropy, in_cells

if TYPE_CHECKING:
    from torch import Tensor

    from tumorlens.train.classical.picture import Picture

BINS = 32
"""Of the histogram that entropy and percentiles are read from."""

PERCENTILES = (10, 50, 90)
MOMENTS = ("mean", "deviation", "skewness", "kurtosis", "entropy")
REGIONS = ("head", "brain", "spot")

_ORDERS = 5
"""Powers 0 to 4 of an intensity."""

_FLAT = 1e-4
"""A deviation below this is none: a quarter of the last digit of an 8-bit picture is more."""


class Intensity(Additive):
    """Mean, deviation, skewness, kurtosis, entropy and percentiles of each region.

    Of the spot's and the brain's means also the difference: how far the spot stands out.
    """

    def __init__(self) -> None:
        per_region = (*MOMENTS, *(f"p{p}" for p in PERCENTILES))
        names = [f"intensity_{region}_{name}" for region in REGIONS for name in per_region]
        self.names = (*names, "intensity_spot_above_brain")

    def sums(self, picture: Picture) -> Tensor:
        """(N, regions * (powers + bins), CELLS, CELLS)."""
        grey = picture.grey
        powers = torch.stack([(grey - 0.5) ** order for order in range(_ORDERS)], dim=1)
        bins = one_hot(torch.floor(grey * BINS).clamp_max(BINS - 1), BINS)
        both = torch.cat([powers, bins], dim=1)
        regions = (picture.head, picture.brain, picture.spot)
        return torch.cat([in_cells(both * region.unsqueeze(1)) for region in regions], dim=1)

    def describe(self, totals: Tensor) -> Tensor:
        """(B, S, 1) → (B, D)."""
        sums = totals.reshape(-1, len(REGIONS), _ORDERS + BINS)
        counts = sums[..., _ORDERS:]
        found = torch.cat(
            [moments(sums[..., :_ORDERS]), entropy(counts).unsqueeze(2), percentiles(counts)],
            dim=2,
        )
        above = found[:, 2:, 0] - found[:, 1:2, 0]
        return torch.cat([found.flatten(1), above], dim=1)


def moments(powers: Tensor) -> Tensor:
    """Mean, standard deviation, skewness and excess kurtosis of intensities.

    Args:
        powers: (..., 5), sums of the powers 0 to 4 of the intensities less one half.

    Returns:
        (..., 4); 0 for a region without pixels, or whose pixels are all alike.
    """
    count = powers[..., :1]
    first, second, third, fourth = (powers[..., 1:] / count.clamp_min(1)).unbind(-1)
    variance = (second - first**2).clamp_min(0)
    third_central = third - 3 * first * second + 2 * first**3
    fourth_central = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
    deviation = variance.sqrt()
    spread = deviation.clamp_min(_FLAT)
    varies = (deviation > _FLAT).to(powers.dtype)
    there = (count[..., 0] > 0).to(powers.dtype)
    return torch.stack(
        [
            (first + 0.5) * there,
            deviation,
            varies * third_central / spread**3,
            varies * (fourth_central / spread**4 - 3),
        ],
        dim=-1,
    )


def percentiles(counts: Tensor) -> Tensor:
    """`PERCENTILES` of intensities in [0, 1] from their histogram (..., BINS), linear in a bin."""
    share = counts / counts.sum(dim=-1, keepdim=True).clamp_min(1)
    below = share.cumsum(dim=-1) - share
    found = [
        ((p / 100 - below) / share.clamp_min(1e-9)).clamp(0, 1).sum(dim=-1) / BINS
        for p in PERCENTILES
    ]
    there = (counts.sum(dim=-1) > 0).to(counts.dtype)
    return torch.stack(found, dim=-1) * there.unsqueeze(-1)
