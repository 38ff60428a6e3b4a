"""Texture from local binary patterns (Ojala et al., 2002)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from tumorlens.train.classical.histogram import one_hot
from tumorlens.train.classical.measure import Additive, in_cells, shifted

if TYPE_CHECKING:
    from torch import Tensor

    from tumorlens.train.classical.picture import Picture

_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
"""(down, across) of the neighbours, in their order around the pixel."""

PATTERNS = len(_AROUND) + 2
"""So many bright neighbours in a row, from none to all; the last one is every other pattern."""

REGIONS = ("head", "spot")

_MOST_CHANGES = 2
_DIAGONAL = math.sqrt(0.5)
"""A neighbour on a diagonal is so far down and across, and interpolated between four pixels."""

_ROUNDING = 1e-5
"""A neighbour that is darker by less is as bright: it is interpolated, and rounded."""


class BinaryPatterns(Additive):
    """The shares of the uniform, rotation-invariant patterns in the head and in the spot."""

    def __init__(self) -> None:
        self.names = tuple(f"lbp_{region}_{i}" for region in REGIONS for i in range(PATTERNS))

    def sums(self, picture: Picture) -> Tensor:
        """(N, regions * patterns, CELLS, CELLS)."""
        hot = one_hot(patterns(picture.grey), PATTERNS)
        regions = (picture.head, picture.spot)
        return torch.cat([in_cells(hot * region.unsqueeze(1)) for region in regions], dim=1)

    def describe(self, totals: Tensor) -> Tensor:
        """(B, S, 1) → (B, D)."""
        counts = totals.reshape(-1, len(REGIONS), PATTERNS)
        return (counts / counts.sum(dim=2, keepdim=True).clamp_min(1)).flatten(1)


def patterns(grey: Tensor) -> Tensor:
    """The pattern of each pixel of (N, H, W), with eight neighbours at a distance of one pixel.

    As scikit-image's ``local_binary_pattern(…, 8, 1, "uniform")``.
    """
    plane = grey.unsqueeze(1)
    around = dict(zip(_AROUND, shifted(plane, _AROUND), strict=True))
    bits = []
    for down, across in _AROUND:
        neighbour = around[down, across]
        if down and across:
            neighbour = (
                _DIAGONAL**2 * neighbour
                + _DIAGONAL * (1 - _DIAGONAL) * (around[down, 0] + around[0, across])
                + (1 - _DIAGONAL) ** 2 * plane
            )
        bits.append(neighbour - plane > -_ROUNDING)
    brighter = torch.cat(bits, dim=1).to(grey.dtype)
    changes = (brighter - brighter.roll(1, dims=1)).abs().sum(dim=1)
    return torch.where(changes <= _MOST_CHANGES, brighter.sum(dim=1), float(PATTERNS - 1))
