"""Shape of the head and of the spot, from the sums that its pixels' coordinates give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn import functional

from tumorlens.train.classical.measure import Additive, in_cells, shifted

if TYPE_CHECKING:
    from torch import Tensor

    from tumorlens.train.classical.picture import Picture

POWERS = tuple((p, q) for p in range(4) for q in range(4 - p))
"""Of the column and the row, up to the third order."""

HU_DEGREES = (1, 2, 2, 2, 4, 3, 4)
"""Factors in each of Hu's moments; their root brings all seven to one scale."""

_TINY = 1e-12
_LEAST_HU = 1e-20
"""What rounding leaves of a moment that is 0."""

_CROSS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))

_CODES = 64
"""More than the weights of any pixel's neighbours sum to."""

_HEAD_NAMES = ("area", "major_axis", "minor_axis", "eccentricity", "upright", "circularity")
_SPOT_NAMES = (
    *("area", "major_axis", "minor_axis", "eccentricity", "upright", "oblique", "circularity"),
    *("perimeter", "aside", "below", "away"),
    *(f"hu{i + 1}" for i in range(len(HU_DEGREES))),
)

# What a pixel of the border adds to the perimeter, by the sum of its neighbours' weights
# (Benkrid & Crookes, 2000; the same as scikit-image's ``perimeter``).
_STEPS = (
    (1.0, (5, 7, 15, 17, 25, 27)),
    (math.sqrt(2), (21, 33)),
    ((1 + math.sqrt(2)) / 2, (13, 23)),
)


class Ellipse(NamedTuple):
    """A region as the ellipse of the same second moments; every part has the same shape.

    Lengths are in units of the picture's longer side.
    """

    area: Tensor
    column: Tensor
    row: Tensor
    major: Tensor
    minor: Tensor
    eccentricity: Tensor
    upright: Tensor
    oblique: Tensor
    hu: Tensor


class Shape(Additive):
    """Size, axes, direction, roundness, place and Hu's moments.

    Sizes and places of the spot are told in units of the head, those of the head in units of the
    picture. What lies to the left and to the right is not told apart.
    """

    def __init__(self, height: int, width: int) -> None:
        self.side = max(height, width)
        column = self._coordinates(width).view(1, 1, -1)
        row = self._coordinates(height).view(1, -1, 1)
        self.powers = torch.cat([column**p * row**q for p, q in POWERS])
        self.names = (
            *(f"shape_head_{name}" for name in _HEAD_NAMES),
            *(f"shape_spot_{name}" for name in _SPOT_NAMES),
        )

    def sums(self, picture: Picture) -> Tensor:
        """(N, 2 * (powers + 1), CELLS, CELLS), in areas."""
        regions = torch.stack([picture.head, picture.spot], dim=1)
        moments = regions.unsqueeze(2) * self.powers.to(regions.device)
        steps = border_steps(regions.flatten(0, 1).unsqueeze(1)).reshape_as(regions).unsqueeze(2)
        return in_cells(torch.cat([moments, steps], dim=2).flatten(1, 2)) / self.side**2

    def describe(self, totals: Tensor) -> Tensor:
        """(B, S, 1) → (B, D)."""
        both = totals.reshape(-1, 2, len(POWERS) + 1)
        found = ellipse(both)
        circularity = self._circularity(both)
        head, spot = (Ellipse(*(part[:, i] for part in found)) for i in range(2))
        unit = head.area.clamp_min(_TINY).sqrt()
        there = (spot.area > 0).to(totals.dtype)
        aside = (spot.column - head.column).abs() / unit * there
        below = (spot.row - head.row) / unit * there
        features = [
            head.area, head.major, head.minor, head.eccentricity, head.upright, circularity[:, 0],
            spot.area / unit.square(), spot.major / unit, spot.minor / unit, spot.eccentricity,
            spot.upright, spot.oblique, circularity[:, 1],
            both[:, 1, -1] * self.side / unit, aside, below,
            (aside.square() + below.square()).sqrt(),
        ]  # fmt: skip
        return torch.cat([torch.stack(features, dim=1), spot.hu], dim=1)

    def _coordinates(self, count: int) -> Tensor:
        """Where the middles of pixels lie along an axis, from the middle of the picture."""
        return (torch.arange(count) + 0.5 - count / 2) / self.side

    def _circularity(self, sums: Tensor) -> Tensor:
        """1 for a disk, less for anything else; at most 2, which only specks of pixels reach."""
        perimeter = sums[..., -1] * self.side
        round_ = 4 * math.pi * sums[..., 0] / perimeter.square().clamp_min(_TINY)
        return round_.clamp_max(2) * (perimeter > 0)


def border_steps(mask: Tensor) -> Tensor:
    """What each pixel adds to the perimeter of a region, in pixels: (N, 1, H, W)."""
    inner = torch.stack(shifted(mask, _CROSS)).amin(dim=0)
    border = mask - inner
    weights = torch.tensor([[10.0, 2.0, 10.0], [2.0, 1.0, 2.0], [10.0, 2.0, 10.0]])
    around = functional.conv2d(border, weights.to(mask.device).view(1, 1, 3, 3), padding=1)
    table = torch.zeros(_CODES)
    for length, codes in _STEPS:
        table[list(codes)] = length
    return table.to(mask.device)[torch.round(around).long()]


def ellipse(sums: Tensor) -> Ellipse:
    """Position and shape from sums of the powers of coordinates.

    Args:
        sums: (..., powers and more); the order of `POWERS`, in areas.
    """
    raw = {power: sums[..., i] for i, power in enumerate(POWERS)}
    area = raw[0, 0]
    some = area.clamp_min(_TINY)
    column, row = raw[1, 0] / some, raw[0, 1] / some
    central = _central(raw, column, row)
    there = (area > 0).to(sums.dtype)
    across = central[2, 0].clamp_min(0) / some
    down = central[0, 2].clamp_min(0) / some
    slanted = central[1, 1] / some
    middle = ((across + down) / 2).clamp_min(_TINY)
    half = (((across - down) / 2).square() + slanted.square()).sqrt()
    large, small = middle + half, (middle - half).clamp_min(0)
    return Ellipse(
        area=area,
        column=column,
        row=row,
        major=4 * large.sqrt() * there,
        minor=4 * small.sqrt() * there,
        eccentricity=(1 - small / large).clamp_min(0).sqrt() * there,
        upright=(down - across) / (2 * middle) * there,
        oblique=slanted.abs() / middle * there,
        hu=_hu(central, some) * there.unsqueeze(-1),
    )


def _central(raw: dict[tuple[int, int], Tensor], x: Tensor, y: Tensor) -> dict[Any, Tensor]:
    """Moments of the second and third order about the centre (x, y)."""
    xx, yy, xy = raw[2, 0], raw[0, 2], raw[1, 1]
    first_x, first_y = raw[1, 0], raw[0, 1]
    return {
        (2, 0): xx - x * first_x,
        (0, 2): yy - y * first_y,
        (1, 1): xy - x * first_y,
        (3, 0): raw[3, 0] - 3 * x * xx + 2 * x**2 * first_x,
        (0, 3): raw[0, 3] - 3 * y * yy + 2 * y**2 * first_y,
        (2, 1): raw[2, 1] - 2 * x * xy - y * xx + 2 * x**2 * first_y,
        (1, 2): raw[1, 2] - 2 * y * xy - x * yy + 2 * y**2 * first_x,
    }


def _hu(central: dict[Any, Tensor], area: Tensor) -> Tensor:
    """The seven moments that no turn, scale or mirror changes (Hu, 1962), as roots: (..., 7)."""
    eta = {(p, q): central[p, q] / area ** (1 + (p + q) / 2) for p, q in central}
    n20, n02, n11 = eta[2, 0], eta[0, 2], eta[1, 1]
    n30, n03, n21, n12 = eta[3, 0], eta[0, 3], eta[2, 1], eta[1, 2]
    a, b = n30 + n12, n21 + n03
    c, d = n30 - 3 * n12, 3 * n21 - n03
    seven = [
        n20 + n02,
        (n20 - n02) ** 2 + 4 * n11**2,
        c**2 + d**2,
        a**2 + b**2,
        c * a * (a**2 - 3 * b**2) + d * b * (3 * a**2 - b**2),
        (n20 - n02) * (a**2 - b**2) + 4 * n11 * a * b,
        d * a * (a**2 - 3 * b**2) - c * b * (3 * a**2 - b**2),
    ]
    values = torch.stack(seven, dim=-1)
    degrees = torch.tensor(HU_DEGREES, dtype=values.dtype, device=values.device)
    roots = values.sign() * values.abs().clamp_min(_LEAST_HU) ** (1 / degrees)
    # Only the seventh tells a shape from its mirror image, by its sign.
    return torch.cat([roots[..., :-1], roots[..., -1:].abs()], dim=-1)
