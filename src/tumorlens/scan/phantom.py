"""Drawn heads: axial T1-like slices with and without a drawn tumor, for tests and first tries.

They have the layers, the folds and the faults of a picture from a scanner, and no patient. What
is measured on them says that the software works, and nothing about real scans.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.float64]
    Region = NDArray[np.bool_]

SMALLEST_SIZE = 32

# Grey levels of the tissues on a T1-weighted slice after contrast, as shares of the brightest.
_AIR, _FLUID, _BONE, _MARROW, _SCALP = 0.0, 0.14, 0.05, 0.34, 0.72
_GREY_MATTER, _WHITE_MATTER, _DEEP_NUCLEI = 0.39, 0.56, 0.45
_ENHANCING, _NECROSIS, _OEDEMA, _MENINGIOMA, _PITUITARY = 0.95, 0.2, 0.43, 0.9, 0.84

# The layers of the head as shares of the way from its centre to the skin.
_SKIN, _OUTER_TABLE, _MARROW_OUTSIDE, _MARROW_INSIDE, _INNER_TABLE, _BRAIN = (
    1.0, 0.94, 0.925, 0.895, 0.875, 0.855,
)  # fmt: skip


_HALF = 0.5  # a pixel belongs to what covers half of it


class DrawnTumor(StrEnum):
    """The tumors that can be drawn, each as it looks at its typical place."""

    GLIOMA = "glioma"
    MENINGIOMA = "meningioma"
    PITUITARY = "pituitary"


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """A drawn slice.

    Attributes:
        pixels: float32 (H, W) in [0, 1], anterior up.
        mask: bool (H, W), where the tumor is; all False without one.
    """

    pixels: NDArray[np.float32]
    mask: NDArray[np.bool_]


def draw_phantom(seed: int, *, tumor: str | None = None, size: int = 256) -> Phantom:
    """Draw one axial head slice.

    The same seed gives the same head with and without a tumor, so that pairs can be compared.

    Args:
        seed: Chooses the head, the tumor's place and shape, and the noise.
        tumor: ``glioma``, ``meningioma``, ``pituitary``, or None for a slice without one.
        size: Rows and columns, at least 32.

    Raises:
        ValueError: An unknown tumor, a negative seed or too small a size.
    """
    if size < SMALLEST_SIZE:
        msg = f"size must be at least {SMALLEST_SIZE}, got {size}"
        raise ValueError(msg)
    kind = DrawnTumor(tumor) if tumor is not None else None
    head_random, tumor_random, noise_random = (
        np.random.default_rng([seed, part]) for part in range(3)
    )
    head = _Head.draw(head_random, size)
    picture, mask = head.picture, np.zeros((size, size), dtype=np.bool_)
    match kind:
        case DrawnTumor.GLIOMA:
            picture, mask = _with_glioma(tumor_random, head)
        case DrawnTumor.MENINGIOMA:
            picture, mask = _with_meningioma(tumor_random, head)
        case DrawnTumor.PITUITARY:
            picture, mask = _with_pituitary(tumor_random, head)
    return Phantom(_acquire(noise_random, picture), mask)


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    """A head before tumor and noise, and the coordinates that tumors are placed by.

    Attributes:
        across: x, from -1 at the left of the image to 1.
        down: y, from -1 at the top (anterior) to 1.
        depth: Share of the way from the centre of the head (0) to the skin (1).
        picture: Grey levels.
    """

    across: Field
    down: Field
    depth: Field
    picture: Field

    @classmethod
    def draw(cls, random: np.random.Generator, size: int) -> _Head:
        """Draw scalp, skull, brain, folds and ventricles."""
        axis = (np.arange(size) + 0.5) / size * 2.0 - 1.0
        down, across = np.meshgrid(axis, axis, indexing="ij")
        across, down = _moved(random, across, down)
        depth = _depth(random, across, down)
        brain = _brain(random, across, down, depth)
        picture = _layered(depth, brain)
        return cls(across, down, depth, picture)


def _moved(random: np.random.Generator, across: Field, down: Field) -> tuple[Field, Field]:
    """Coordinates in a head that lies a little off the centre and a little turned."""
    angle = random.normal(0.0, 0.05)
    across, down = across - random.normal(0.0, 0.015), down - random.normal(0.0, 0.015)
    return (
        across * np.cos(angle) + down * np.sin(angle),
        down * np.cos(angle) - across * np.sin(angle),
    )


def _depth(random: np.random.Generator, across: Field, down: Field) -> Field:
    width, height = random.uniform(0.66, 0.74), random.uniform(0.82, 0.9)
    angle = np.arctan2(across / width, -down / height)  # 0 points to the nose
    # Heads are narrower at the brow than at the back, and never quite even.
    shape = 1.0 - 0.035 * np.cos(angle) + _wobble(random, angle, 0.008)
    return np.hypot(across / width, down / height) / shape


def _wobble(random: np.random.Generator, angle: Field, strength: float) -> Field:
    waves = [
        random.normal(0.0, strength / order) * np.cos(order * angle + random.uniform(0, 2 * np.pi))
        for order in range(2, 7)
    ]
    return np.asarray(np.sum(waves, axis=0))


def _layered(depth: Field, brain: Field) -> Field:
    edges = (_SKIN, _OUTER_TABLE, _MARROW_OUTSIDE, _MARROW_INSIDE, _INNER_TABLE)
    picture = np.full(depth.shape, _AIR)
    for edge, grey in zip(edges, (_SCALP, _BONE, _MARROW, _BONE, _FLUID), strict=True):
        picture = _over(picture, grey, _inside(depth, edge, 0.008))
    return _over(picture, brain, _inside(depth, _BRAIN, 0.01))


def _brain(random: np.random.Generator, across: Field, down: Field, depth: Field) -> Field:
    size = depth.shape[0]
    # Sulci follow the zero lines of a smooth field that is finer near the surface, with cortex
    # on both sides, and end some way into the brain.
    folds = _smooth_noise(random, size, 0.016) + 0.7 * _smooth_noise(random, size, 0.03)
    reach = np.clip((depth - 0.42) / 0.3 + 0.25 * _smooth_noise(random, size, 0.05), 0.0, 1.0)
    rim = np.clip((depth - 0.79) / 0.03, 0.0, 1.0)
    cortex = np.maximum(np.exp(-((folds / 0.62) ** 4)) * np.clip(reach * 2.0, 0.0, 1.0), rim)
    sulcus = np.exp(-((folds / 0.24) ** 2)) * reach**2
    brain = np.full(depth.shape, _WHITE_MATTER) + 0.008 * _smooth_noise(random, size, 0.02)
    brain = _over(brain, _GREY_MATTER, cortex)
    brain = _over(brain, _DEEP_NUCLEI, _nuclei(random, across, down))
    brain = _over(brain, _FLUID, 0.9 * np.clip(sulcus * 1.3 - 0.25, 0.0, 1.0))
    fissure, beside = _fissure(random, across, down)
    brain = _over(_over(brain, _GREY_MATTER, beside), _FLUID, fissure)
    return _over(brain, _FLUID, _ventricles(random, across, down))


def _nuclei(random: np.random.Generator, across: Field, down: Field) -> Field:
    place, tilt = random.uniform(0.21, 0.24), random.uniform(0.3, 0.5)
    return np.maximum(
        _ellipse(across, down, (place, -0.02), (0.075, 0.17), tilt),
        _ellipse(across, down, (-place, -0.02), (0.075, 0.17), -tilt),
    )


def _fissure(random: np.random.Generator, across: Field, down: Field) -> tuple[Field, Field]:
    """The cleft between the hemispheres, in front of and behind the ventricles, and its cortex."""
    line = 0.012 * np.sin(down * random.uniform(3, 6) + random.uniform(0, 6))
    away = np.abs(across - line)
    ends = np.clip((np.abs(down + 0.02) - 0.3) / 0.05, 0.0, 1.0)
    return 0.9 * np.exp(-((away / 0.014) ** 2)) * ends, np.exp(-((away / 0.045) ** 4)) * ends


def _ventricles(random: np.random.Generator, across: Field, down: Field) -> Field:
    """Two horns in front and two behind, bent away from the midline, and the slit between."""
    width, length = random.uniform(0.028, 0.05), random.uniform(0.13, 0.17)
    spread, bend = random.uniform(0.07, 0.09), random.uniform(0.9, 1.3)
    horns = []
    for side in (-1.0, 1.0):
        for middle, lean, shift in ((-0.17, 0.35, 0.0), (0.2, -0.55, 0.045)):
            bent = across - side * bend * (down - middle) ** 2
            centre = (side * (spread + shift), middle)
            horns.append(_ellipse(bent, down, centre, (width, length), side * lean))
    third = _ellipse(across, down, (0.0, 0.04), (0.014, 0.09), 0.0)
    return np.asarray(np.max([*horns, third], axis=0))


def _with_glioma(random: np.random.Generator, head: _Head) -> tuple[Field, Region]:
    """An irregular ring that takes up contrast around a dark core, with oedema about it."""
    side = random.choice((-1.0, 1.0))
    centre = (side * random.uniform(0.22, 0.36), random.uniform(-0.38, 0.38))
    radius = random.uniform(0.13, 0.22)
    away = _blob(random, head, centre, radius, 0.16)
    inside_brain = _inside(head.depth, 0.83, 0.01)
    oedema = np.clip(1.6 - 0.85 * away, 0.0, 1.0) * (0.8 + 0.2 * _noise_like(random, head))
    picture = _over(head.picture, _OEDEMA, 0.9 * np.clip(oedema, 0, 1) * inside_brain)
    picture = _over(picture, _ENHANCING, _inside(away, 1.0, 0.06) * inside_brain)
    ring = random.uniform(0.58, 0.72) + 0.08 * _noise_like(random, head)
    picture = _over(picture, _NECROSIS, _inside(away / ring, 1.0, 0.08) * inside_brain)
    return picture, (away < 1.0) & (inside_brain > _HALF)


def _with_meningioma(random: np.random.Generator, head: _Head) -> tuple[Field, Region]:
    """A smooth, evenly bright mass that sits on the dura, with a tail along it."""
    side, turn = random.choice((-1.0, 1.0)), random.uniform(0.35, 2.5)
    centre = _at_depth(head, 0.74, side * turn)
    radius = random.uniform(0.12, 0.2)
    away = _blob(random, head, centre, radius, 0.05)
    inside_skull = _inside(head.depth, _INNER_TABLE, 0.008)
    rim = np.clip(1.35 - away, 0.0, 1.0) * 0.5
    picture = _over(head.picture, _FLUID, rim * _inside(head.depth, _BRAIN, 0.01))
    body = _inside(away, 1.0, 0.05) * inside_skull
    tail = _inside(away, 1.7, 0.3) * np.exp(-(((head.depth - 0.862) / 0.01) ** 2))
    picture = _over(picture, _MENINGIOMA, np.maximum(body, tail))
    return picture, (away < 1.0) & (inside_skull > _HALF)


def _with_pituitary(random: np.random.Generator, head: _Head) -> tuple[Field, Region]:
    """A round bright mass in the midline, low in the head, in the dark cistern around it."""
    centre = (random.normal(0.0, 0.012), random.uniform(0.0, 0.1))
    radius = random.uniform(0.085, 0.14)
    away = _blob(random, head, centre, radius, 0.05)
    picture = _over(head.picture, _WHITE_MATTER * 0.9, _inside(away, 3.2, 0.8))
    picture = _over(picture, _FLUID, _inside(away, 1.45, 0.1))
    picture = _over(picture, _PITUITARY, _inside(away, 1.0, 0.07))
    return picture, away < 1.0


def _blob(
    random: np.random.Generator,
    head: _Head,
    centre: tuple[float, float],
    radius: float,
    unevenness: float,
) -> Field:
    """Distance from a centre, 1 on the border of a roundish shape of that radius."""
    across, down = head.across - centre[0], head.down - centre[1]
    border = 1.0 + _wobble(random, np.arctan2(down, across), unevenness)
    return np.hypot(across, down) / (radius * np.maximum(border, 0.4))


def _at_depth(head: _Head, depth: float, angle: float) -> tuple[float, float]:
    """The place at that depth in a direction (0 is anterior, radians clockwise)."""
    off = np.abs(np.arctan2(head.across, -head.down) - angle)
    far = np.abs(head.depth - depth) + 2.0 * np.minimum(off, 2 * np.pi - off)
    at = np.unravel_index(np.argmin(far), far.shape)
    return float(head.across[at]), float(head.down[at])


def _acquire(random: np.random.Generator, picture: Field) -> NDArray[np.float32]:
    """What a scanner adds: blur of the pixel size, uneven coil sensitivity, Rician noise."""
    size = picture.shape[0]
    picture = _blurred(picture, 0.6 / size)
    picture *= np.exp(0.06 * _smooth_noise(random, size, 0.35))
    level = random.uniform(0.012, 0.025)
    noise = random.normal(0.0, level, (2, size, size))
    picture = np.hypot(picture + noise[0], noise[1])
    return np.clip(picture, 0.0, 1.0).astype(np.float32)


def _noise_like(random: np.random.Generator, head: _Head) -> Field:
    return _smooth_noise(random, head.depth.shape[0], 0.03)


def _smooth_noise(random: np.random.Generator, size: int, scale: float) -> Field:
    """Noise of mean 0 and deviation 1 whose grains are about `scale` of the picture wide.

    Drawn on a grid of its own, so that a seed gives the same head at every size.
    """
    grid = 128
    field = _blurred(random.normal(size=(grid, grid)), scale)
    field = (field - field.mean()) / field.std()
    at = np.clip((np.arange(size) + 0.5) / size * grid - 0.5, 0, grid - 1)
    low = np.minimum(at.astype(np.intp), grid - 2)
    part = at - low
    rows = field[low] * (1 - part)[:, None] + field[low + 1] * part[:, None]
    return np.asarray(rows[:, low] * (1 - part) + rows[:, low + 1] * part)


def _blurred(picture: Field, sigma: float) -> Field:
    """Gaussian blur; `sigma` is a share of the picture's width."""
    size = picture.shape[0]
    down, across = np.fft.fftfreq(size)[:, None] * size, np.fft.rfftfreq(size)[None] * size
    kernel = np.exp(-2.0 * (np.pi * sigma) ** 2 * (down**2 + across**2))
    return np.asarray(np.fft.irfft2(np.fft.rfft2(picture) * kernel, s=picture.shape))


def _ellipse(
    across: Field,
    down: Field,
    centre: tuple[float, float],
    radii: tuple[float, float],
    angle: float,
) -> Field:
    """1 inside an ellipse, 0 outside, with a soft edge."""
    x, y = across - centre[0], down - centre[1]
    turned_x = x * np.cos(angle) + y * np.sin(angle)
    turned_y = y * np.cos(angle) - x * np.sin(angle)
    return _inside(np.hypot(turned_x / radii[0], turned_y / radii[1]), 1.0, 0.1)


def _inside(distance: Field, edge: float, softness: float) -> Field:
    """1 where the distance is below the edge, 0 above, linear between."""
    return np.clip((edge - distance) / softness + 0.5, 0.0, 1.0)


def _over(below: Field, grey: Field | float, share: Field) -> Field:
    return below + (grey - below) * share
