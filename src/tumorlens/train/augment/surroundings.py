"""What stands around the head: empty background and borders, which differ between collections.

A network can tell collections apart by them alone, so training has to make them worthless.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from tumorlens.train.augment.artefacts import smooth_field
from tumorlens.train.augment.chance import share, strength, uniform, uniforms
from tumorlens.train.augment.intensity import blurred

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from tumorlens.train.augment.spec import AugmentRecipe

ROWS, COLUMNS = 2, 3
"""Axes of a batch."""

DARK = 0.1
"""Share of the brightest grey below which a blurred pixel may be air: noise stays below it."""


def outside_head(images: Tensor) -> Tensor:
    """Where there is no head: dark all the way to the frame along a row or a column.

    Dark places inside the head, such as ventricles on T1, are not counted.

    Args:
        images: float32 (N, 1, H, W), not negative.

    Returns:
        bool (N, 1, H, W).
    """
    smooth = blurred(images)
    bright = smooth > DARK * smooth.amax(dim=(2, 3), keepdim=True)
    return ~(_between(bright, ROWS) & _between(bright, COLUMNS))


def _between(bright: Tensor, axis: int) -> Tensor:
    """What has something bright before it and after it, or is bright, along an axis."""
    size = bright.shape[axis]
    place = torch.arange(size, device=bright.device).view((-1, 1) if axis == ROWS else (1, -1))
    first = torch.where(bright, place, size).amin(axis, keepdim=True)
    last = torch.where(bright, place, -1).amax(axis, keepdim=True)
    return (first <= place) & (place <= last)


def lift_background(
    images: Tensor, outside: Tensor, recipe: AugmentRecipe, generator: Generator
) -> Tensor:
    """Lift what is outside of the head to a random, slowly drifting grey in some of the images."""
    level = strength(images, generator, recipe.background, recipe.artefact_share)
    drift = (1 + smooth_field(images, generator)) / 2
    return images + blurred(outside.float()) * level * drift


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A painted border.

    Attributes:
        covered: bool (N, 1, H, W), True where it covers the image.
        level: Its grey, (N, 1, 1, 1).
    """

    covered: Tensor
    level: Tensor

    def paint(self, images: Tensor) -> Tensor:
        """The images with their borders."""
        return torch.where(self.covered, self.level, images)

    def hide(self, masks: Tensor) -> Tensor:
        """The masks without what the borders cover."""
        return masks * ~self.covered


def draw_frame(images: Tensor, recipe: AugmentRecipe, generator: Generator) -> Frame:
    """Draw a border for some of the images, its width on each of the four sides by itself."""
    chosen = share(images, generator, recipe.artefact_share)
    level = uniform(images, generator, 0, 1)
    widths = recipe.frame * (1 + uniforms(images, generator, 4)) / 2
    left, right, top, bottom = widths.view(-1, 4, 1, 1, 1).unbind(1)
    height, width = images.shape[2:]
    y = ((torch.arange(height, device=images.device) + 0.5) / height).view(-1, 1)
    x = ((torch.arange(width, device=images.device) + 0.5) / width).view(1, -1)
    covered = (x < left) | (x > 1 - right) | (y < top) | (y > 1 - bottom)
    return Frame(covered & chosen, level)
