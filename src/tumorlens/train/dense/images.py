"""Training pictures with what is known of their lesions: a mask, an empty mask, or only a label."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from tumorlens.data.index import NO_TUMOR, index
from tumorlens.errors import DatasetError
from tumorlens.model.prepare import place, resample
from tumorlens.scan import read
from tumorlens.train.dataset import LabelledImages, load_images

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import InputSpec
    from tumorlens.train.recipe import Recipe

    Progress = Callable[[int, int], None]

RESIZED_AT_ONCE = 256
"""Pictures that stand in memory as floats at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class MarkedImages:
    """Pictures and their masks.

    Attributes:
        images: The pictures, and the classes that they may be of.
        masks: uint8 (N, 1, H, W), 255 where there is lesion, placed as the pictures are.
        marked: bool (N,), whether the mask shows a lesion.
        free: bool (N,), whether there is no tumor, so that the empty mask is known.
        kinds: int64 (N,), the number of the kind among the positive classes, or -1.
    """

    images: LabelledImages
    masks: Tensor
    marked: Tensor
    free: Tensor
    kinds: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, folds: set[int]) -> MarkedImages:
        """Those of some folds."""
        kept = [i for i, entry in enumerate(self.images.entries) if entry.fold in folds]
        return MarkedImages(
            self.images.subset(folds),
            self.masks[kept],
            self.marked[kept],
            self.free[kept],
            self.kinds[kept],
        )

    def resized(self, scale: float) -> MarkedImages:
        """The same with both sides multiplied by a scale of at most 1, averaged over areas."""
        if scale == 1:
            return self
        height, width = (max(1, round(scale * side)) for side in self.masks.shape[-2:])
        images = replace(self.images, pixels=_resized(self.images.pixels, height, width))
        return replace(self, images=images, masks=_resized(self.masks, height, width))


def _resized(pixels: Tensor, height: int, width: int) -> Tensor:
    """uint8 (N, 1, H, W) → uint8 (N, 1, height, width)."""
    parts = [
        functional.interpolate(
            part.float(), size=(height, width), mode="bilinear", antialias=True, align_corners=False
        )
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
        for part in torch.split(pixels, RESIZED_AT_ONCE)
    ]
    return torch.cat(parts)


def load_marked(
    root: Path, entries: Sequence[Entry], recipe: Recipe, progress: Progress | None = None
) -> MarkedImages:
    """Read the pictures of a manifest, and the masks that the tables of their sets name.

    Raises:
        DatasetError: A label is none of the recipe's classes, or no picture has a mask.
        ScanError: An image or a mask cannot be read.
    """
    images = load_images(root, entries, recipe, progress)
    paths = mask_paths(root, {entry.source for entry in entries})
    masks = np.zeros((len(entries), 1, recipe.input.height, recipe.input.width), np.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        known = [number for number, entry in enumerate(entries) if entry.name in paths]
        names = [entries[number].name for number in known]
        planes = pool.map(lambda name: placed_mask(root / name, paths[name], recipe.input), names)
        for number, plane in zip(known, planes, strict=True):
            masks[number, 0] = np.rint(plane * 255)
    tensor = torch.from_numpy(masks)
    marked = tensor.flatten(1).amax(dim=1) > 127  # noqa: PLR2004 - half of 255
    if not marked.any():
        msg = (
            "none of the images has a mask; this recipe needs some, named in the mask column of a "
            "set's index.csv"
        )
        raise DatasetError(msg)
    free = torch.tensor([entry.label == NO_TUMOR for entry in entries])
    kinds = {name: number for number, name in enumerate(recipe.positive)}
    return MarkedImages(
        images,
        tensor,
        marked & ~free,
        free,
        torch.tensor([kinds.get(entry.label, -1) for entry in entries]),
    )


def mask_paths(root: Path, sources: set[str]) -> dict[str, Path]:
    """The masks of some sets, by the name that a manifest gives their image."""
    found = {}
    for source in sorted(sources):
        for sample in index(root / source):
            if sample.mask is not None:
                found[sample.path.relative_to(root).as_posix()] = sample.mask
    return found


def placed_mask(path: Path, mask: Path, spec: InputSpec) -> NDArray[np.float32]:
    """What is drawn on an image, placed as the network's input is.

    Args:
        path: The image.
        mask: What is drawn on it.
        spec: The network's input.

    Returns:
        float32 (H, W) in [0, 1].

    Raises:
        DatasetError: It is not of the image's size.
        ScanError: One of them cannot be read.
    """
    picture, drawn = next(read(path)).pixels, next(read(mask)).pixels
    if drawn.shape != picture.shape:
        msg = f"{mask}: its size {drawn.shape} is not that of {path.name}, {picture.shape}"
        raise DatasetError(msg)
    return resample((drawn > 0).astype(np.float32), place(picture, spec))
