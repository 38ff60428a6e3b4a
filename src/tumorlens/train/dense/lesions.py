"""Lesions taken out of pictures and put into others, so that a collection tells nothing.

Every picture of one public collection has a tumor and no picture of another has; a network that
learns from both as they are learns which is which. Here each collection gets both: lesions are
replaced by what other heads show in the same place, and lesions, real or drawn, are put into
pictures that have none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Generator, Tensor

DONOR_SIDE = 56
"""Donors are compared at this size: anatomy counts, not texture."""

DONORS = 8
"""How many of the best donors are kept for each picture, for variety."""

RIM = 0.05
"""What is replaced reaches this share of the side beyond the mask, and the ring that a donor must
match as far again: masks are drawn tightly, and a lesion's rim and swelling lie outside them."""

HEAD_LEVEL = 0.08
"""Pixels brighter than this are head; training pictures are scaled to [0, 1]."""

ENOUGH = 20
"""Pixels that a mean and a spread are taken of, at least."""

STAYS_BRIGHT = 0.7
"""Share of the implanted lesions that are as bright or dark as they were."""

BRIGHT, RIMMED, SWOLLEN = 0.65, 0.4, 0.4
"""Shares of the drawn lesions that are brighter than their surroundings, have a bright rim around
a darker core, and have a halo of swelling."""

NEIGHBOURHOOD = 1.5
"""Pixels nearer than this, in units of a drawn lesion's radius, are its surroundings."""

PRESENT = 0.5
"""A mask is set where it is at least this."""


@dataclass(frozen=True, slots=True, eq=False)
class Donors:
    """For each picture, where to take lesion-free tissue from.

    Attributes:
        index: int64 (N, DONORS), numbers of pictures.
        mirrored: bool (N, DONORS), whether the donor is to be mirrored left to right.
    """

    index: Tensor
    mirrored: Tensor


def find_donors(pictures: Tensor, masks: Tensor) -> Donors:
    """Look for the pictures that would best fill the place of each picture's lesion.

    The best donor has no lesion in that place and looks most like the picture all around it;
    elsewhere the heads should be alike too, which counts a tenth. Mirrored pictures, the
    picture's own mirror image among them, are donors as well.

    Args:
        pictures: uint8 (N, 1, H, W).
        masks: uint8 (N, 1, H, W), 255 where there is lesion.
    """
    small = functional.interpolate(
        pictures.float() / 255, size=(DONOR_SIDE, DONOR_SIDE), mode="area"
    )
    lesion = functional.interpolate(masks.float() / 255, size=(DONOR_SIDE, DONOR_SIDE), mode="area")
    place = dilate(lesion, RIM)
    ring = (dilate(place, RIM) - place).clamp(0, 1)
    weight = (ring / ring.sum(dim=(2, 3), keepdim=True).clamp_min(1) + 0.1 / DONOR_SIDE**2).flatten(
        1
    )
    mean = small.mean(dim=(2, 3), keepdim=True)
    alike = ((small - mean) / small.std(dim=(2, 3), keepdim=True).clamp_min(1e-3)).flatten(1)
    errors = []
    for turned in (False, True):
        other = _mirror(alike, turned)
        error = (
            (weight * alike**2).sum(1, keepdim=True)
            - 2 * (weight * alike) @ other.T
            + weight @ (other**2).T
        )
        overlap = place.flatten(1) @ _mirror(lesion.flatten(1), turned).T
        error[overlap > PRESENT] = math.inf  # a donor with a lesion there is none
        if not turned:
            error.fill_diagonal_(math.inf)
        errors.append(error)
    best = torch.topk(torch.cat(errors, dim=1), DONORS, dim=1, largest=False).indices
    return Donors(best % len(pictures), best >= len(pictures))


def _mirror(flat: Tensor, turned: bool) -> Tensor:
    if not turned:
        return flat
    return flat.view(-1, DONOR_SIDE, DONOR_SIDE).flip(2).flatten(1)


def transplant(picture: Tensor, donor: Tensor, place: Tensor) -> Tensor:
    """Fill a place of a picture with a donor's tissue, matched to the picture around the place.

    Args:
        picture: float32 (1, H, W) in [0, 1].
        donor: Likewise.
        place: float32 (1, H, W) in [0, 1], 1 where the donor is to show.

    Returns:
        float32 (1, H, W).
    """
    hard = (place >= PRESENT).float()
    ring = (dilate(hard[None], RIM)[0] - hard) * (picture > HEAD_LEVEL) * (donor > HEAD_LEVEL)
    count = ring.sum()
    if count >= ENOUGH:
        here, there = (picture * ring).sum() / count, (donor * ring).sum() / count
        spread = [
            (((x - m) ** 2 * ring).sum() / count).sqrt()
            for x, m in ((picture, here), (donor, there))
        ]
        gain = (spread[0] / spread[1].clamp_min(1e-3)).clamp(0.5, 2.0)
        donor = (here + (donor - there) * gain).clamp(0, 1)
    alpha = soften(place)
    return picture * (1 - alpha) + donor * alpha


def place_of(mask: Tensor) -> Tensor:
    """The place that a lesion's removal changes: its mask (1, H, W) and a rim."""
    return dilate(mask[None], RIM)[0]


def move(picture: Tensor, mask: Tensor, target: tuple[float, float], chance: Generator) -> Tensor:
    """Turn, scale, mirror and shift a picture and its mask so that the lesion lies at a target.

    Args:
        picture: float32 (1, H, W).
        mask: Of its lesion, likewise.
        target: Where the lesion's centre is to lie, (row, column) in [-1, 1].
        chance: Where the turn and the scale come from.

    Returns:
        float32 (2, H, W): picture and mask.
    """
    rows, columns = _centre(mask)
    angle = _between(chance, -math.pi, math.pi)
    scale = math.exp(_between(chance, -0.5, 0.5))
    sign = _sign(0.5, chance)
    a, b = math.cos(angle) / scale, math.sin(angle) / scale
    matrix = torch.tensor([[a * sign, -b, 0.0], [b * sign, a, 0.0]])
    shifted = matrix[:, :2] @ torch.tensor([target[1], target[0]])
    matrix[:, 2] = torch.tensor([columns, rows]) - shifted
    both = torch.cat([picture, mask])[None]
    grid = functional.affine_grid(matrix[None], list(both.shape), align_corners=False)
    return functional.grid_sample(both, grid, align_corners=False)[0]


def implant(host: Tensor, lesion: Tensor, mask: Tensor, chance: Generator) -> tuple[Tensor, Tensor]:
    """Put another picture's lesion into a host, as bright against its surroundings as it was.

    Three lesions in ten are turned from bright to dark or back: on another sequence they would be.

    Args:
        host: float32 (1, H, W) in [0, 1].
        lesion: The picture that holds the lesion, moved to its new place, likewise.
        mask: Of the lesion, moved too, float32 (1, H, W) in [0, 1].
        chance: Where contrast and sign come from.

    Returns:
        The picture and the mask of what was put in, which ends where the head ends.
    """
    mask = mask * within_head(host)
    hard = (mask >= PRESENT).float()
    ring = (dilate(hard[None], RIM)[0] - hard).clamp(0, 1)
    there = _mean(lesion, ring * (lesion > HEAD_LEVEL))
    here = _mean(host, (ring + hard) * (host > HEAD_LEVEL))
    unit = _spread(host) / _spread(lesion).clamp_min(1e-2)
    contrast = _sign(STAYS_BRIGHT, chance) * unit * _between(chance, 0.7, 1.6)
    painted = (here + (lesion - there) * contrast).clamp(0, 1)
    alpha = soften(mask, passes=1)
    return host * (1 - alpha) + painted * alpha, mask


def draw_lesion(
    host: Tensor, target: tuple[float, float], chance: Generator
) -> tuple[Tensor, Tensor]:
    """Draw a lesion of made-up shape and texture into a picture.

    1. Outline: an ellipse with a rough edge.
    2. Inside: brighter or darker than its surroundings, with coarse texture; in four of ten a
       brighter rim around a darker core, as an enhancing tumor with necrosis has.
    3. In four of ten a halo of swelling around it.

    Args:
        host: float32 (1, H, W) in [0, 1].
        target: The lesion's centre, (row, column) in [-1, 1].
        chance: Where everything else comes from.

    Returns:
        The picture and the lesion's mask, float32 (1, H, W) each.
    """
    side = host.shape[-1]
    axis = torch.linspace(-1, 1, side)
    y, x = axis[:, None] - target[0], axis[None, :] - target[1]
    angle = _between(chance, 0, math.pi)
    radius = math.exp(_between(chance, math.log(0.045), math.log(0.30)))
    longer = math.exp(_between(chance, 0, 0.5))
    u = (x * math.cos(angle) + y * math.sin(angle)) / (radius * longer)
    v = (y * math.cos(angle) - x * math.sin(angle)) / (radius / longer)
    # Added, not multiplied: a rough edge must not become islands far away.
    rough = _noise(side, 10, chance) * 0.18 + _noise(side, 24, chance) * 0.08
    distance = (u**2 + v**2).sqrt() + rough
    inside = ((1 - distance) / 0.08).clamp(0, 1)[None] * within_head(host)
    spread = _spread(host)
    base = _sign(BRIGHT, chance) * _between(chance, 0.6, 2.2) * spread
    texture = _noise(side, 16, chance)[None] * spread * _between(chance, 0.1, 0.6)
    if _between(chance, 0, 1) < RIMMED:
        width = _between(chance, 0.12, 0.35)
        rim = (1 - ((distance - 1 + width) / width).abs()).clamp(0, 1)[None]
        core = _between(chance, -1.5, 0.3) * spread
        value = core + (base.abs() - core) * rim
    else:
        value = base
    around = _mean(host, (distance < NEIGHBOURHOOD)[None] * (host > HEAD_LEVEL))
    picture = host
    if _between(chance, 0, 1) < SWOLLEN:
        reach = _between(chance, 1.2, 1.9)
        halo = ((reach - distance) / 0.3).clamp(0, 1)[None] * within_head(host)
        swelling = _sign(0.5, chance) * _between(chance, 0.3, 1.0) * spread
        picture = (picture + halo * swelling).clamp(0, 1)
    kept = _between(chance, 0.0, 0.5)  # some of the tissue shows through
    painted = ((1 - kept) * around + kept * host + value + texture).clamp(0, 1)
    alpha = soften(inside, passes=1)
    return picture * (1 - alpha) + painted * alpha, inside


def spot_in_head(picture: Tensor, chance: Generator) -> tuple[float, float]:
    """A random place well inside the head, as (row, column) in [-1, 1]."""
    small = functional.interpolate(picture[None], size=(32, 32), mode="area")
    head = (functional.avg_pool2d(small, 5, 1, 2, count_include_pad=True) > HEAD_LEVEL).float()
    inner = -functional.max_pool2d(-head, 9, 1, 4)
    weight = inner.flatten() if inner.sum() > 0 else head.flatten() + 1e-6
    chosen = int(torch.multinomial(weight, 1, generator=chance))
    row, column = divmod(chosen, 32)
    return (row + 0.5) / 16 - 1, (column + 0.5) / 16 - 1


def within_head(picture: Tensor) -> Tensor:
    """1 inside the head, dark parts of it included, and 0 in the air around; (1, H, W)."""
    small = functional.interpolate(picture[None], size=(DONOR_SIDE, DONOR_SIDE), mode="area")
    head = functional.max_pool2d((small > HEAD_LEVEL).float(), 9, 1, 4)
    closed = -functional.max_pool2d(-head, 11, 1, 5)
    return functional.interpolate(closed, size=picture.shape[-2:], mode="bilinear")[0]


def dilate(mask: Tensor, share: float) -> Tensor:
    """Widen a mask (N, 1, H, W) by a share of its side, as a square would."""
    reach = max(1, round(share * mask.shape[-1]))
    across = functional.max_pool2d(mask, (1, 2 * reach + 1), 1, (0, reach))
    return functional.max_pool2d(across, (2 * reach + 1, 1), 1, (reach, 0))


def soften(mask: Tensor, passes: int = 2) -> Tensor:
    """Soften the edge of a mask (1, H, W)."""
    soft = mask[None]
    for _ in range(passes):
        soft = functional.avg_pool2d(soft, 5, 1, 2, count_include_pad=False)
    return soft[0]


def _centre(mask: Tensor) -> tuple[float, float]:
    axis = torch.linspace(-1, 1, mask.shape[-1])
    total = mask.sum().clamp_min(1e-6)
    return float((mask[0].sum(1) * axis).sum() / total), float(
        (mask[0].sum(0) * axis).sum() / total
    )


def _mean(picture: Tensor, where: Tensor) -> Tensor:
    return (picture * where).sum() / where.sum().clamp_min(1)


def _spread(picture: Tensor) -> Tensor:
    """The standard deviation of brightness within the head."""
    head = picture > HEAD_LEVEL
    return picture[head].std() if int(head.sum()) >= ENOUGH else torch.tensor(0.1)


def _noise(side: int, cells: int, chance: Generator) -> Tensor:
    """Smooth noise with standard deviation about 1, (side, side)."""
    coarse = torch.randn(1, 1, cells, cells, generator=chance)
    return functional.interpolate(coarse, size=(side, side), mode="bicubic")[0, 0]


def _between(chance: Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=chance))


def _sign(share: float, chance: Generator) -> float:
    """1 in a share of the cases, else -1."""
    return 1.0 if _between(chance, 0, 1) < share else -1.0
