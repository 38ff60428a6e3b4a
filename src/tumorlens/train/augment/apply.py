"""Changes to training images that a scanner, a reader or an export could have made."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from tumorlens.train.augment.spec import AugmentRecipe


def augment(images: Tensor, recipe: AugmentRecipe, generator: Generator) -> Tensor:
    """Change each image of a batch in its own way.

    1. Rotate, scale, shift and mirror, in one resampling; what comes in from outside is black.
    2. Blur some of the images.
    3. Change gamma, then contrast about the mean, then brightness.
    4. Add noise.

    Args:
        images: float32 (N, 1, H, W) in [0, 1].
        recipe: The ranges.
        generator: Where chance comes from; the same state gives the same images.

    Returns:
        float32 (N, 1, H, W) in [0, 1].
    """
    x = _warp(images, recipe, generator)
    if recipe.blur:
        chosen = _uniform(images, generator, 0, 1) < recipe.blur
        x = torch.where(chosen, _blurred(x), x)
    if recipe.gamma:
        limit = math.log1p(recipe.gamma)
        x = x.clamp_min(1e-6) ** _uniform(images, generator, -limit, limit).exp()
    if recipe.contrast:
        factor = _uniform(images, generator, 1 - recipe.contrast, 1 + recipe.contrast)
        mean = x.mean(dim=(2, 3), keepdim=True)
        x = mean + (x - mean) * factor
    if recipe.brightness:
        x = x + _uniform(images, generator, -recipe.brightness, recipe.brightness)
    if recipe.noise:
        deviation = _uniform(images, generator, 0, recipe.noise)
        noise = torch.randn(x.shape, generator=generator, device=x.device)
        x = x + noise * deviation
    return x.clamp(0, 1)


def _warp(images: Tensor, recipe: AugmentRecipe, generator: Generator) -> Tensor:
    limit = math.radians(recipe.rotation)
    angle = _uniform(images, generator, -limit, limit).flatten()
    scale = _uniform(images, generator, 1 - recipe.scale, 1 + recipe.scale).flatten()
    shift_x, shift_y = (
        # affine_grid counts from -1 to 1 over a side, so a share of the side is twice as much
        _uniform(images, generator, -2 * recipe.translate, 2 * recipe.translate).flatten()
        for _ in range(2)
    )
    mirrored = _uniform(images, generator, 0, 1).flatten() < (0.5 if recipe.flip else 0.0)
    sign = 1.0 - 2.0 * mirrored.float()
    cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
    matrix = torch.stack(
        [
            torch.stack([cosine * sign, -sine, shift_x], dim=1),
            torch.stack([sine * sign, cosine, shift_y], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", align_corners=False)


def _blurred(images: Tensor) -> Tensor:
    """A 5x5 binomial blur: about what halving the resolution and enlarging again leaves."""
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=images.device) / 16
    padded = functional.pad(images, [2, 2, 2, 2], mode="replicate")
    across = functional.conv2d(padded, row.view(1, 1, 1, 5))
    return functional.conv2d(across, row.view(1, 1, 5, 1))


def _uniform(images: Tensor, generator: Generator, low: float, high: float) -> Tensor:
    """One number an image, uniform in [low, high), of shape (N, 1, 1, 1)."""
    shape = (len(images), 1, 1, 1)
    unit = torch.rand(shape, generator=generator, device=images.device)
    return low + (high - low) * unit
