"""A batch of training images, each changed in its own way, alone or together with its mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tumorlens.train.augment.artefacts import add_artefacts
from tumorlens.train.augment.geometry import draw_placement
from tumorlens.train.augment.intensity import add_noise, change_greys, invert
from tumorlens.train.augment.surroundings import draw_frame, lift_background, outside_head

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from tumorlens.train.augment.geometry import Interpolation, Placement
    from tumorlens.train.augment.spec import AugmentRecipe
    from tumorlens.train.augment.surroundings import Frame


def augment(images: Tensor, recipe: AugmentRecipe, generator: Generator) -> Tensor:
    """Change each image of a batch in its own way.

    1. Rotate, scale, shear, crop, shift, mirror and bend, in one resampling.
    2. Bias field, resolution, k-space and Rician noise, as a scanner makes them.
    3. Blur some of the images; gamma, curve, contrast, brightness, inversion, noise.
    4. Grey surroundings and painted borders.

    Args:
        images: float32 (N, 1, H, W) in [0, 1], on any device.
        recipe: The ranges.
        generator: Where chance comes from; the same state gives the same images.

    Returns:
        float32 (N, 1, H, W) in [0, 1].
    """
    return _change(images, recipe, generator).images


def augment_pairs(
    images: Tensor,
    masks: Tensor,
    recipe: AugmentRecipe,
    generator: Generator,
    *,
    interpolation: Interpolation = "bilinear",
) -> tuple[Tensor, Tensor]:
    """Change each image as `augment` does, and move its mask in the same way.

    The values of a mask stay what they are, but that it is 0 where a painted border covers the
    image.

    Args:
        images: float32 (N, 1, H, W) in [0, 1], on any device.
        masks: float32 (N, K, H, W), beside the images.
        recipe: The ranges.
        generator: Where chance comes from; the same state gives the images of `augment`.
        interpolation: Of the masks: ``nearest`` leaves a mask of 0 and 1 of 0 and 1.

    Returns:
        The images, float32 (N, 1, H, W) in [0, 1], and the masks, float32 (N, K, H, W).
    """
    change = _change(images, recipe, generator)
    moved = change.placement.apply(masks, interpolation)
    return change.images, moved if change.frame is None else change.frame.hide(moved)


@dataclass(frozen=True, slots=True, eq=False)
class _Changed:
    """The images, and what was drawn that their masks follow."""

    images: Tensor
    placement: Placement
    frame: Frame | None


def _change(images: Tensor, recipe: AugmentRecipe, generator: Generator) -> _Changed:
    placement = draw_placement(images, recipe, generator)
    x = placement.apply(images)
    outside = outside_head(x) if recipe.invert or recipe.background else None
    x = add_artefacts(x, recipe, generator)
    x = change_greys(x, recipe, generator)
    if outside is not None and recipe.invert:
        x = invert(x, outside, recipe.invert, generator)
    if recipe.noise:
        x = add_noise(x, recipe.noise, generator)
    if outside is not None and recipe.background:
        x = lift_background(x, outside, recipe, generator)
    frame = draw_frame(x, recipe, generator) if recipe.frame else None
    x = x if frame is None else frame.paint(x)
    return _Changed(x.clamp(0, 1), placement, frame)
