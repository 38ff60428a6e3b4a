"""Changes of grey levels that leave every pixel in its place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from tumorlens.train.augment.chance import normal, share, uniform, uniforms

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from tumorlens.train.augment.spec import AugmentRecipe

CURVE_PIECES = 8
"""Straight pieces of a random curve of grey levels: enough to change the order of contrasts."""

RIM = 5
"""Pixels of the square that takes half its width off the head before its greys are turned over."""


def change_greys(images: Tensor, recipe: AugmentRecipe, generator: Generator) -> Tensor:
    """Blur some of the images; then change gamma, curve, contrast about the mean, shift and gain.

    Returns:
        float32 (N, 1, H, W); it may leave [0, 1].
    """
    x = images
    if recipe.blur:
        x = torch.where(share(x, generator, recipe.blur), blurred(x), x)
    if recipe.gamma:
        limit = math.log1p(recipe.gamma)
        x = x.clamp_min(1e-6) ** uniform(x, generator, -limit, limit).exp()
    if recipe.histogram:
        x = _bent(x, recipe.histogram, generator)
    if recipe.contrast:
        factor = uniform(x, generator, 1 - recipe.contrast, 1 + recipe.contrast)
        mean = x.mean(dim=(2, 3), keepdim=True)
        x = mean + (x - mean) * factor
    if recipe.brightness:
        x = x + uniform(x, generator, -recipe.brightness, recipe.brightness)
    if recipe.gain:
        x = x * uniform(x, generator, 1 - recipe.gain, 1 + recipe.gain)
    return x


def invert(images: Tensor, outside: Tensor, wanted: float, generator: Generator) -> Tensor:
    """Turn the grey levels of some images over, from 0 to the brightest, where it is not outside.

    Args:
        images: float32 (N, 1, H, W).
        outside: bool (N, 1, H, W), True where there is no head.
        wanted: Share of the images.
        generator: Where chance comes from.
    """
    brightest = images.amax(dim=(2, 3), keepdim=True)
    # the rim of the head stays as it is: it is half air, and would become a white line
    near_outside = functional.max_pool2d(outside.float(), RIM, stride=1, padding=RIM // 2)
    inside = 1 - blurred(near_outside)
    turned = images + inside * (brightest - 2 * images)
    return torch.where(share(images, generator, wanted), turned, images)


def add_noise(images: Tensor, highest: float, generator: Generator) -> Tensor:
    """Add normal noise of a standard deviation up to `highest`, one an image."""
    deviation = uniform(images, generator, 0, highest)
    return images + normal(images, generator) * deviation


def blurred(images: Tensor) -> Tensor:
    """A 5x5 binomial blur: about what halving the resolution and enlarging again leaves."""
    count = len(images)
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=images.device).repeat(count, 1, 1, 1) / 16
    # as channels of one image, the batch takes a tenth of the time on a CPU
    padded = functional.pad(images, [2, 2, 2, 2], mode="replicate").transpose(0, 1)
    across = functional.conv2d(padded, row, groups=count)
    return functional.conv2d(across, row.transpose(2, 3), groups=count).transpose(0, 1)


def _bent(images: Tensor, bend: float, generator: Generator) -> Tensor:
    """Send grey levels through a random rising curve an image, from (0, 0) to (1, 1)."""
    slopes = (math.log1p(bend) * uniforms(images, generator, CURVE_PIECES)).exp()
    slopes = slopes / slopes.sum(dim=1, keepdim=True)
    # heights at the left ends of the pieces, as a product: a running sum on a GPU is not repeatable
    earlier = torch.ones(CURVE_PIECES, CURVE_PIECES, device=images.device).triu(1)
    heights = slopes @ earlier
    place = images.clamp(0, 1).flatten(1) * CURVE_PIECES
    piece = place.long().clamp_max(CURVE_PIECES - 1)
    bent = heights.gather(1, piece) + slopes.gather(1, piece) * (place - piece)
    return bent.view_as(images)
