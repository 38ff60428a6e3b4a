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

POINTS = 8
PATTERNS = POINTS + 2
"""So many bright neighbours in a row, from none to all; the last one is every other pattern."""

REGIONS = ("head", "spot")

_MOST_CHANGES = 2
_DIAGONAL = math.sqrt(0.5)

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
    bits = []
    for number in range(POINTS):
        turn = 2 * math.pi * number / POINTS
        neighbour = _at(plane, -math.sin(turn), math.cos(turn))
        bits.append((neighbour - plane > -_ROUNDING).to(grey.dtype))
    around = torch.cat(bits, dim=1)
    changes = (around - around.roll(1, dims=1)).abs().sum(dim=1)
    return torch.where(changes <= _MOST_CHANGES, around.sum(dim=1), float(PATTERNS - 1))


def _at(plane: Tensor, down: float, across: float) -> Tensor:
    """The plane at a distance of one pixel from each pixel; interpolated on the diagonals."""
    rows, columns = round(down), round(across)
    if min(abs(down), abs(across)) < 1 - _DIAGONAL:
        return shifted(plane, rows, columns)
    far, near = _DIAGONAL, 1 - _DIAGONAL
    return (
        far * far * shifted(plane, rows, columns)
        + far * near * (shifted(plane, rows, 0) + shifted(plane, 0, columns))
        + near * near * plane
    )
