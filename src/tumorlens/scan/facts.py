"""What a picture looks like, in numbers that need no network: is it shaped and lit like a head?

A network answers any picture, and a picture of something else can lie near its training data by
chance. These facts look at what a reader sees first: an even dark ground, one rounded head on it
that is much the same left and right, and tissue of several greys with folds in it. They are taken
on a copy of `SIDE` pixels along its longer side, so that they mean the same at every resolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tumorlens.scan.quality import sharpness_of, writing_share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.float64]
    Region = NDArray[np.bool_]

SIDE = 96
# Brightness is judged between two percentiles: the extremes belong to letters and dead pixels.
_DARK, _BRIGHT = 1.0, 99.0
# Above this share of that range a pixel is foreground; noise in air stays below.
_FOREGROUND = 0.12
_FRAME_SHARE, _CORNER_SHARE = 0.04, 0.1
# Neighbours that differ by less than this share of the range are one even grey.
_EVEN_STEP = 0.02
_WHITE = 0.97
_GREY_BINS = 32
_FEWEST_PIXELS = 8
_SMALLEST = 1e-6
# Rings of the ellipse that fits the silhouette: skin and skull, what lies inside them, the middle.
_RIM, _RING, _CORE = (0.88, np.inf), (0.7, 0.88), (0.0, 0.45)
_FINE_RADIUS, _MIDDLE_RADIUS, _COARSE_RADIUS = 1, 3, 7
# A box blur of this radius takes out noise before two sides are compared.
_SIDES_RADIUS = 2


class Fact(StrEnum):
    """What is measured of a picture; `WORDS` of the gate says each to a reader."""

    FOREGROUND = "foreground"
    FILLED = "filled"
    ROUND = "round"
    LENGTH = "length"
    OFF_CENTRE = "off_centre"
    FRAME = "frame"
    CORNERS = "corners"
    SYMMETRY = "symmetry"
    DARK_GREY = "dark_grey"
    MIDDLE_GREY = "middle_grey"
    BRIGHT_GREY = "bright_grey"
    GREYS = "greys"
    EVEN = "even"
    EDGES = "edges"
    FINE = "fine"
    MIDDLE = "middle"
    COARSE = "coarse"
    RIM = "rim"
    RING = "ring"
    CORE = "core"
    WHITE = "white"
    TEXT = "text"
    SHARPNESS = "sharpness"


FACTS = tuple(Fact)


def facts_of(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """The facts of a picture, in the order of `FACTS`.

    Shares are given as their square roots, and what is bounded above as a logarithm of what is
    missing, so that each fact spreads about evenly around its mean over brain MRI.

    Args:
        pixels: float32 (H, W), finite, values in [0, 1].

    Returns:
        float64 (F,), finite.
    """
    small = _small(pixels)
    low, high = np.percentile(small, (_DARK, _BRIGHT))
    picture = np.clip((small - low) / max(high - low, _SMALLEST), 0.0, 1.0)
    head = _Silhouette.of(picture)
    found = {
        **_shape(head),
        **_surroundings(picture),
        **_greys(picture, head),
        **_texture(picture, head),
        Fact.SYMMETRY: _symmetry(picture, head),
        Fact.TEXT: float(np.sqrt(writing_share(pixels))),
        Fact.SHARPNESS: sharpness_of(pixels),
    }
    return np.array([found[fact] for fact in FACTS])


@dataclass(frozen=True, slots=True, eq=False)
class _Silhouette:
    """What lies between the outermost foreground pixels of both its row and its column.

    Attributes:
        foreground: Pixels that are brighter than the ground, bool (h, w).
        filled: The silhouette, bool (h, w); the whole picture where there is too little of one.
        radius: Distance from its centre in units of the ellipse with its second moments, (h, w).
        lengths: The two half axes of that ellipse, in pixels, the shorter first.
        centre: Its (row, column).
    """

    foreground: Region
    filled: Region
    radius: Picture
    lengths: tuple[float, float]
    centre: tuple[float, float]

    @classmethod
    def of(cls, picture: Picture) -> _Silhouette:
        foreground = _blurred(picture, _FINE_RADIUS) > _FOREGROUND
        filled = _between(foreground, 0) & _between(foreground, 1)
        if np.count_nonzero(filled) < _FEWEST_PIXELS:
            filled = np.ones_like(foreground)
        rows, columns = np.nonzero(filled)
        places = np.stack([rows, columns]).astype(np.float64)
        centre = places.mean(axis=1)
        values, vectors = np.linalg.eigh(np.cov(places) + _SMALLEST * np.eye(2))
        grid = np.moveaxis(np.mgrid[: picture.shape[0], : picture.shape[1]], 0, -1) - centre
        # A filled ellipse with half axis a spreads with variance a² / 4 along it.
        axes = 2 * np.sqrt(np.maximum(values, _SMALLEST))
        radius = np.sqrt((((grid @ vectors) / axes) ** 2).sum(axis=-1))
        return cls(
            foreground,
            filled,
            radius,
            (float(axes[0]), float(axes[1])),
            (float(centre[0]), float(centre[1])),
        )


def _small(pixels: NDArray[np.float32]) -> Picture:
    height, width = pixels.shape
    scale = SIDE / max(height, width)
    size = (max(_FEWEST_PIXELS, round(width * scale)), max(_FEWEST_PIXELS, round(height * scale)))
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    return np.asarray(image.resize(size, how), np.float64)


def _shape(head: _Silhouette) -> dict[Fact, float]:
    ellipse = head.radius <= 1
    overlap = np.count_nonzero(head.filled & ellipse) / np.count_nonzero(head.filled | ellipse)
    inside = np.count_nonzero(head.foreground & head.filled) / np.count_nonzero(head.filled)
    height, width = head.filled.shape
    away = np.hypot(
        (head.centre[0] - (height - 1) / 2) / height, (head.centre[1] - (width - 1) / 2) / width
    )
    return {
        Fact.FOREGROUND: float(np.sqrt(head.foreground.mean())),
        Fact.FILLED: _missing(inside),
        Fact.ROUND: _missing(overlap),
        Fact.LENGTH: float(np.log(head.lengths[1] / head.lengths[0])),
        Fact.OFF_CENTRE: float(np.sqrt(away)),
    }


def _missing(share: float) -> float:
    """How near a share is to 1, as a number that goes on rising there."""
    return float(-np.log(1.02 - share))


def _surroundings(picture: Picture) -> dict[Fact, float]:
    shorter = min(picture.shape)
    wide = max(1, round(_FRAME_SHARE * shorter))
    outer = np.ones(picture.shape, np.bool_)
    outer[wide:-wide, wide:-wide] = False
    side = max(2, round(_CORNER_SHARE * shorter))
    ends = (slice(0, side), slice(-side, None))
    corners = [picture[down, across].mean() for down in ends for across in ends]
    return {
        Fact.FRAME: float(np.sqrt(picture[outer].mean())),
        Fact.CORNERS: float(np.sqrt(np.mean(corners))),
    }


def _greys(picture: Picture, head: _Silhouette) -> dict[Fact, float]:
    inside = picture[head.filled]
    dark, middle, bright = np.percentile(inside, (10, 50, 90))
    shares = np.histogram(inside, _GREY_BINS, (0.0, 1.0))[0] / inside.size
    present = shares[shares > 0]
    mean = inside.mean() + _SMALLEST

    def ring(limits: tuple[float, float]) -> float:
        chosen = head.filled & (head.radius > limits[0]) & (head.radius <= limits[1])
        return float(picture[chosen].mean() / mean) if chosen.any() else 0.0

    return {
        Fact.DARK_GREY: float(dark),
        Fact.MIDDLE_GREY: float(middle),
        Fact.BRIGHT_GREY: float(bright),
        Fact.GREYS: float(-(present * np.log(present)).sum()),
        Fact.RIM: ring(_RIM),
        Fact.RING: ring(_RING),
        Fact.CORE: ring(_CORE),
        Fact.WHITE: float(np.sqrt((inside > _WHITE).mean())),
    }


def _texture(picture: Picture, head: _Silhouette) -> dict[Fact, float]:
    chosen = head.filled
    down, across = np.abs(np.diff(picture, axis=0)), np.abs(np.diff(picture, axis=1))
    even = (down[:, :-1] < _EVEN_STEP) & (across[:-1] < _EVEN_STEP)
    within = chosen[:-1, :-1]
    slopes = np.hypot(*np.gradient(picture))
    fine, middle, coarse = (
        _blurred(picture, radius) for radius in (_FINE_RADIUS, _MIDDLE_RADIUS, _COARSE_RADIUS)
    )
    spread = picture[chosen].std() + 1e-3

    def detail(difference: Picture) -> float:
        return float(np.log(difference[chosen].std() / spread + 1e-3))

    return {
        Fact.EVEN: float(even[within].mean()) if within.any() else 1.0,
        Fact.EDGES: float(slopes[chosen].mean()),
        Fact.FINE: detail(picture - fine),
        Fact.MIDDLE: detail(fine - middle),
        Fact.COARSE: detail(middle - coarse),
    }


def _symmetry(picture: Picture, head: _Silhouette) -> float:
    """The correlation of the head with its mirror image, left to right or top to bottom.

    Whichever is higher: a slice may lie on its side, and a sagittal one has no such axis at all.
    """
    rows, columns = np.nonzero(head.filled)
    box = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    box = _blurred(box, _SIDES_RADIUS)
    return max(_correlation(box, box[:, ::-1]), _correlation(box, box[::-1]))


def _correlation(one: Picture, other: Picture) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / max(np.sqrt((one**2).sum() * (other**2).sum()), _SMALLEST))


def _between(foreground: Region, axis: int) -> Region:
    """Pixels with foreground, or the pixel itself, on both sides along an axis."""
    before = np.maximum.accumulate(foreground, axis=axis)
    after = np.flip(np.maximum.accumulate(np.flip(foreground, axis), axis=axis), axis)
    result: Region = before & after
    return result


def _blurred(picture: Picture, radius: int) -> Picture:
    """The mean over a square of 2 x radius + 1 pixels; the border is repeated outwards."""
    width = 2 * radius + 1
    for _ in ("down", "across"):
        sums = np.cumsum(np.pad(picture, ((radius + 1, radius), (0, 0)), mode="edge"), axis=0)
        picture = ((sums[width:] - sums[:-width]) / width).T
    return picture
