"""What all features have in common: they are made of sums over places of the slice.

Sums of places can be added, and a place can be left out again without looking at the picture a
second time. That is what a heatmap of a pipeline without gradients is made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from tumorlens.train.classical.picture import Picture

CELLS = 8
"""Places along each side of a slice."""


class Measure(Protocol):
    """A family of features."""

    names: tuple[str, ...]

    def sums(self, picture: Picture) -> Tensor:
        """What is added up in each place: (N, S, CELLS, CELLS)."""

    def describe(self, totals: Tensor) -> Tensor:
        """The features of sums over places: (B, S, K) → (B, D); finite whatever the sums are.

        K is 1 where the order of the places does not matter, else one a place.
        """

    def total(self, sums: Tensor, kept: Tensor) -> Tensor:
        """Sums over the places that are kept.

        Args:
            sums: (N, S, places).
            kept: (M, places), 1 for a place that counts and 0 for one that is left out.

        Returns:
            (N, M, S, K).
        """


class Additive:
    """A family whose places are added up."""

    def total(self, sums: Tensor, kept: Tensor) -> Tensor:
        """(N, S, places), (M, places) → (N, M, S, 1); see `Measure.total`."""
        return (sums @ kept.T).transpose(1, 2).unsqueeze(3)


def in_cells(values: Tensor) -> Tensor:
    """The sum of (N, C, H, W) in each place: (N, C, CELLS, CELLS)."""
    rows, columns = values.shape[2] // CELLS, values.shape[3] // CELLS
    return functional.avg_pool2d(values, (rows, columns)) * (rows * columns)


def cell_pixels(values: Tensor) -> Tensor:
    """The pixels of (N, C, H, W) by place: (N * CELLS * CELLS, C, pixels of a place)."""
    channels, height, width = values.shape[1:]
    rows, columns = height // CELLS, width // CELLS
    split = values.reshape(-1, channels, CELLS, rows, CELLS, columns)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, rows * columns)


def shifted(values: Tensor, offsets: Sequence[tuple[int, int]]) -> list[Tensor]:
    """(N, C, H, W) looked at from elsewhere.

    Args:
        values: What is looked at.
        offsets: (down, across) each.

    Returns:
        For each offset (N, C, H, W) whose pixel (y, x) is that at (y + down, x + across) of
        `values`, and 0 where that is beyond the frame.
    """
    height, width = values.shape[2:]
    reach = max(abs(step) for offset in offsets for step in offset)
    padded = functional.pad(values, [reach] * 4)
    return [
        padded[:, :, reach + y : reach + y + height, reach + x : reach + x + width]
        for y, x in offsets
    ]


def entropy(counts: Tensor) -> Tensor:
    """Shannon entropy in bits of counts along the last dimension; 0 where there are none."""
    share = counts / counts.sum(dim=-1, keepdim=True).clamp_min(1)
    return -(share * torch.log2(share.clamp_min(1e-12))).sum(dim=-1)
