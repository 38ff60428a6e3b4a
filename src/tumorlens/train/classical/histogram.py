"""Histograms of 256 levels, and what is read from them: ranks, Otsu's threshold, k-means.

Everything here is a tensor operation with fixed shapes, so that it can be part of a model file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = 256
"""What 8-bit pictures hold; deeper ones lose nothing that these features could tell."""

_HALF = 16
"""A level is two digits to this base: two tables of 16 columns take an eighth of one of 256."""

KMEANS_STEPS = 25
"""Lloyd's steps; in hundreds of slices of the public sets no centre moved after the twentieth."""


def to_levels(values: Tensor) -> Tensor:
    """Values in [0, 1] → whole numbers from 0 to 255, as float32 of the same shape."""
    return torch.round(values.clamp(0, 1) * (LEVELS - 1))


def one_hot(levels: Tensor, count: int) -> Tensor:
    """(N, H, W) of whole numbers below `count` → (N, count, H, W) of zeros and ones."""
    numbers = torch.arange(count, dtype=levels.dtype, device=levels.device)
    return (levels.unsqueeze(1) == numbers.view(1, -1, 1, 1)).to(levels.dtype)


def histogram(levels: Tensor, region: Tensor) -> Tensor:
    """How often each level occurs within a region.

    Args:
        levels: (N, H, W), whole numbers from 0 to 255.
        region: (N, H, W), 1 inside and 0 outside.

    Returns:
        (N, 256), exact counts.
    """
    high = torch.floor(levels / _HALF)
    low = levels - high * _HALF
    rows = (one_hot(high, _HALF) * region.unsqueeze(1)).flatten(2)
    columns = one_hot(low, _HALF).flatten(2)
    return torch.bmm(rows, columns.transpose(1, 2)).flatten(1)


def ranks(counts: Tensor) -> Tensor:
    """The share of pixels at or below each level, which is what equalisation maps it to: (N, 256).

    As scikit-image's ``equalize_hist``; 0 throughout where nothing was counted.
    """
    below = counts.cumsum(dim=1)
    return below / below[:, -1:].clamp_min(1)


def otsu(counts: Tensor) -> Tensor:
    """The level that separates dark from bright best: (N, 256) → (N,).

    The between-class variance is largest when levels above it are called bright (Otsu, 1979).
    """
    levels = torch.arange(LEVELS, dtype=counts.dtype, device=counts.device)
    dark = counts.cumsum(dim=1)
    moment = (counts * levels).cumsum(dim=1)
    bright = dark[:, -1:] - dark
    dark_mean = moment / dark.clamp_min(1)
    bright_mean = (moment[:, -1:] - moment) / bright.clamp_min(1)
    between = dark * bright * (dark_mean - bright_mean).square()
    return between.argmax(dim=1).to(counts.dtype)


def kmeans(counts: Tensor, clusters: int) -> Tensor:
    """The centres that k-means finds for the counted levels, in rising order.

    Lloyd's algorithm (1982) on the histogram, which is the same as on the pixels, from the
    quantiles in the middle of equal shares. A cluster that loses all its pixels keeps its centre.

    Args:
        counts: (N, 256).
        clusters: How many.

    Returns:
        (N, clusters), in levels.
    """
    levels = torch.arange(LEVELS, dtype=counts.dtype, device=counts.device)
    middles = (torch.arange(clusters, dtype=counts.dtype, device=counts.device) + 0.5) / clusters
    cumulated = ranks(counts).unsqueeze(1)
    centres = (cumulated < middles.view(1, -1, 1)).sum(dim=2).to(counts.dtype)
    centres = centres.clamp_max(LEVELS - 1)
    # Pixels and the sum of their levels, for any choice of levels, in one product.
    worth = torch.stack([counts, counts * levels], dim=2)
    numbers = torch.arange(clusters, device=counts.device).view(1, -1, 1)
    for _ in range(KMEANS_STEPS):
        nearest = (levels.view(1, 1, -1) - centres.unsqueeze(2)).abs().argmin(dim=1, keepdim=True)
        found = torch.bmm((nearest == numbers).to(counts.dtype), worth)
        size = found[:, :, 0]
        centres = torch.where(size > 0, found[:, :, 1] / size.clamp_min(1), centres)
    return centres
