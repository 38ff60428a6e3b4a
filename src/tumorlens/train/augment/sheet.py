"""A picture of what augmentation does: each image, and beside it some of its changed forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch.nn import functional

from tumorlens.errors import RecipeError
from tumorlens.train.augment.apply import augment

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from tumorlens.train.augment.spec import AugmentRecipe

FORMATS = (".png", ".jpg", ".jpeg", ".webp")
GAP = 4
"""Pixels of white between two pictures."""


def contact_sheet(
    images: Tensor, recipe: AugmentRecipe, *, views: int = 7, seed: int = 0
) -> Tensor:
    """Each image in a row of its own: first as it is, then `views` changed forms of it.

    Args:
        images: uint8 or float32 (N, 1, H, W); floats in [0, 1].
        recipe: The ranges.
        views: Changed forms of each image.
        seed: Of the chance that changes them.

    Returns:
        uint8 (rows, columns) of one grey picture.
    """
    generator = torch.Generator().manual_seed(seed)
    plain = images / 255 if images.dtype == torch.uint8 else images
    changed = [augment(plain, recipe, generator) for _ in range(views)]
    cells = functional.pad(torch.stack([plain, *changed], dim=1), [0, GAP, 0, GAP], value=1.0)
    rows = cells.squeeze(2).permute(0, 2, 1, 3).flatten(0, 1).flatten(1)
    return (rows[:-GAP, :-GAP] * 255).round().byte()


def preview(
    images: Tensor, recipe: AugmentRecipe, path: Path, *, views: int = 7, seed: int = 0
) -> None:
    """Write the `contact_sheet` of some images as a picture, in the format of the path's ending.

    Raises:
        RecipeError: The path ends in none of the formats that can be written.
    """
    if path.suffix.lower() not in FORMATS:
        msg = f"preview {path}: write it to a file that ends in {' or '.join(FORMATS)}"
        raise RecipeError(msg)
    sheet = contact_sheet(images, recipe, views=views, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet.numpy()).save(path)
