"""Where the pixels of a changed image come from: turned, resized, shifted, mirrored and bent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from tumorlens.train.augment.chance import share, uniform, uniforms
from tumorlens.train.augment.spec import Fill

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from tumorlens.train.augment.spec import AugmentRecipe

Interpolation = Literal["bilinear", "nearest"]

BEND_POINTS = 5
"""Control points of an elastic bend along each axis: anatomy bends over lobes, not over gyri."""

_PADDING = {Fill.BLACK: "zeros", Fill.NEAREST: "border", Fill.REFLECT: "reflection"}


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where each pixel of the new images is taken from.

    Attributes:
        grid: float32 (N, H, W, 2), x and y from -1 at the first edge to 1 at the last; None where
            every pixel stays where it is.
        fill: What comes in from outside.
    """

    grid: Tensor | None
    fill: Fill

    def apply(self, images: Tensor, interpolation: Interpolation = "bilinear") -> Tensor:
        """The images as they look from there, float32 (N, K, H, W)."""
        if self.grid is None:
            return images
        return functional.grid_sample(
            images, self.grid, interpolation, _PADDING[self.fill], align_corners=False
        )


def draw_placement(images: Tensor, recipe: AugmentRecipe, generator: Generator) -> Placement:
    """Draw a placement an image of the batch, all changes joined in one.

    A point of the new image is mirrored, moved by crop and zoom, sheared, turned, scaled, shifted
    and bent, in this order, to where it comes from. With equal angles and factors that is the
    matrix of Keras' ``apply_affine_transform``, but that the shift is along the sides of the
    frame and not along the turned axes.
    """
    if not _moves(recipe):
        return Placement(None, recipe.fill)
    linear, offset = _affine(images, recipe, generator)
    grid = functional.affine_grid(
        torch.cat([linear, offset], dim=2), list(images.shape), align_corners=False
    )
    if recipe.elastic:
        grid = grid + _bend(images, recipe.elastic, generator)
    return Placement(grid, recipe.fill)


def _moves(recipe: AugmentRecipe) -> bool:
    ranges = (
        recipe.rotation, recipe.scale, recipe.zoom, recipe.translate, recipe.shear, recipe.crop,
        recipe.elastic,
    )  # fmt: skip
    return recipe.flip or recipe.flip_vertical or any(ranges)


def _affine(images: Tensor, recipe: AugmentRecipe, generator: Generator) -> tuple[Tensor, Tensor]:
    """The matrix (N, 2, 2) and the offset (N, 2, 1), from new to old in [-1, 1] coordinates."""
    limit = math.radians(recipe.rotation)
    angle = uniform(images, generator, -limit, limit).flatten()
    scale = uniform(images, generator, 1 - recipe.scale, 1 + recipe.scale).flatten()
    # the coordinates count from -1 to 1 over a side, so a share of the side is twice as much
    shifts = [
        uniform(images, generator, -2 * recipe.translate, 2 * recipe.translate).flatten()
        for _ in range(2)
    ]
    mirrored = share(images, generator, 0.5 if recipe.flip else 0.0).flatten()

    cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
    linear = _matrix(cosine, -sine, sine, cosine)
    offset = torch.stack(shifts, dim=1).unsqueeze(2)
    if recipe.shear:
        linear = linear @ _shear(images, recipe.shear, generator)
    if recipe.zoom:
        factors = 1 + recipe.zoom * uniforms(images, generator, 2)
        linear = linear * factors.unsqueeze(1)
    linear = _in_pixels(linear, *images.shape[2:])
    if recipe.crop:
        kept = 1 - uniform(images, generator, 0, recipe.crop).view(-1, 1, 1)
        place = uniforms(images, generator, 2).unsqueeze(2) * (1 - kept)
        offset = offset + linear @ place
        linear = linear * kept
    upset = share(images, generator, 0.5).flatten() if recipe.flip_vertical else ~mirrored & False
    signs = 1.0 - 2.0 * torch.stack([mirrored, upset], dim=1).float()
    return linear * signs.unsqueeze(1), offset


def _shear(images: Tensor, degrees: float, generator: Generator) -> Tensor:
    """Keras' shear, which leaves the rows level and leans the columns."""
    limit = math.radians(degrees)
    angle = uniform(images, generator, -limit, limit).flatten()
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    return _matrix(one, -angle.sin(), zero, angle.cos())


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    return torch.stack([torch.stack([a, b], dim=1), torch.stack([c, d], dim=1)], dim=1)


def _in_pixels(linear: Tensor, height: int, width: int) -> Tensor:
    """Keep angles true where the frame is not square: [-1, 1] is not equally long along its sides.

    Without it a turned head would be sheared.
    """
    aspect = linear.new_tensor([[1.0, height / width], [width / height, 1.0]])
    return linear * aspect


def _bend(images: Tensor, furthest: float, generator: Generator) -> Tensor:
    """A smooth displacement of every pixel, (N, H, W, 2), in [-1, 1] coordinates."""
    points = uniforms(images, generator, 2 * BEND_POINTS**2)
    coarse = points.view(-1, 2, BEND_POINTS, BEND_POINTS)
    down, across = (_between_points(size).to(images.device) for size in images.shape[2:])
    smooth = down @ coarse @ across.T
    length = smooth.square().sum(dim=1, keepdim=True).amax(dim=(2, 3), keepdim=True).sqrt()
    moved: Tensor = smooth / length * uniform(images, generator, 0, 2 * furthest)
    return moved.permute(0, 2, 3, 1)


def _between_points(size: int) -> Tensor:
    """(size, BEND_POINTS): cubic interpolation along one axis, as a matrix, for speed."""
    points = torch.eye(BEND_POINTS).view(1, BEND_POINTS, BEND_POINTS, 1)
    rows = functional.interpolate(points, [size, 1], mode="bicubic", align_corners=False)
    return rows.view(BEND_POINTS, size).T
