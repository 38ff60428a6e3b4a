"""Outlines from histograms of oriented gradients (Dalal & Triggs, 2005)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from tumorlens.train.classical.histogram import one_hot
from tumorlens.train.classical.measure import CELLS, in_cells

if TYPE_CHECKING:
    from torch import Tensor

    from tumorlens.train.classical.picture import Picture

DIRECTIONS = 9
"""Of a line, over half a turn."""

BLOCK = 2
"""Places a side that are brought to one contrast together."""

_CEILING = 0.2
"""No direction counts for more of a block: the second half of Dalal and Triggs' L2-Hys."""

_EPSILON = 1e-5


class Gradients:
    """The directions of edges in each place, by blocks of neighbouring places."""

    def __init__(self) -> None:
        blocks = range(CELLS - BLOCK + 1)
        self.names = tuple(
            f"hog_{row}_{column}_{part}"
            for row in blocks
            for column in blocks
            for part in range(BLOCK * BLOCK * DIRECTIONS)
        )

    def sums(self, picture: Picture) -> Tensor:
        """(N, directions, CELLS, CELLS), per pixel."""
        down, across = gradient(picture.equal)
        strength = (down.square() + across.square()).sqrt()
        turn = torch.atan2(down, across) / math.pi
        line = torch.floor((turn - torch.floor(turn)) * DIRECTIONS).clamp_max(DIRECTIONS - 1)
        pixels = (picture.equal.shape[1] // CELLS) * (picture.equal.shape[2] // CELLS)
        return in_cells(one_hot(line, DIRECTIONS) * strength.unsqueeze(1)) / pixels

    def total(self, sums: Tensor, kept: Tensor) -> Tensor:
        """(N, S, places), (M, places) → (N, M, S, places): each place stays by itself."""
        return sums.unsqueeze(1) * kept.view(1, kept.shape[0], 1, kept.shape[1])

    def describe(self, totals: Tensor) -> Tensor:
        """(B, directions, places) → (B, D)."""
        grid = totals.reshape(-1, DIRECTIONS, CELLS, CELLS)
        last = CELLS - BLOCK + 1
        around = [
            grid[:, :, y : y + last, x : x + last] for y in range(BLOCK) for x in range(BLOCK)
        ]
        blocks = torch.cat(around, dim=1).permute(0, 2, 3, 1)
        capped = _unit(blocks).clamp_max(_CEILING)
        return _unit(capped).flatten(1)


def gradient(plane: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences of (N, H, W) down and across; 0 on the frame."""
    down = functional.pad(plane[:, 2:] - plane[:, :-2], [0, 0, 1, 1])
    across = functional.pad(plane[:, :, 2:] - plane[:, :, :-2], [1, 1])
    return down, across


def _unit(blocks: Tensor) -> Tensor:
    length = blocks.square().sum(dim=3, keepdim=True).sqrt()
    return blocks / length.clamp_min(_EPSILON)
