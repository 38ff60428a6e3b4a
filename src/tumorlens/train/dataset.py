"""Training images in memory, prepared exactly as they will be when a model answers."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from tumorlens.data.index import TUMOR
from tumorlens.errors import DatasetError
from tumorlens.model.prepare import prepare
from tumorlens.scan import read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import InputSpec
    from tumorlens.train.recipe import Recipe

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """Images and what is known of their class.

    Attributes:
        pixels: uint8 (N, 1, H, W): the network's input in 255ths, which is what 8-bit files hold.
        allowed: bool (N, C): the classes that an image may be of; exactly one where the kind is
            known, every tumor class where it is only known that there is a tumor.
        entries: The manifest's lines, in the same order.
    """

    pixels: Tensor
    allowed: Tensor
    entries: tuple[Entry, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def subset(self, folds: set[int]) -> LabelledImages:
        """The images of some folds."""
        kept = [i for i, entry in enumerate(self.entries) if entry.fold in folds]
        return LabelledImages(
            self.pixels[kept], self.allowed[kept], tuple(self.entries[i] for i in kept)
        )

    def balanced_weights(self) -> Tensor:
        """How often to draw each image: by the inverse square root of its label's share.

        A full balance would show the few tumor-free pictures so often that they are learnt by
        heart; none at all would let the many gliomas decide.
        """
        labels = [entry.label for entry in self.entries]
        counts = {label: labels.count(label) for label in set(labels)}
        return torch.tensor([counts[label] ** -0.5 for label in labels], dtype=torch.float64)


def load_images(
    root: Path, entries: Sequence[Entry], recipe: Recipe, progress: Progress | None = None
) -> LabelledImages:
    """Read and prepare the images of a manifest, on all cores.

    Raises:
        DatasetError: A label is none of the recipe's classes.
        ScanError: An image cannot be read.
    """
    allowed = torch.tensor([_allowed(entry, recipe) for entry in entries])
    pixels = np.empty((len(entries), 1, recipe.input.height, recipe.input.width), np.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        planes = pool.map(lambda entry: _plane(root / entry.name, recipe.input), entries)
        for number, plane in enumerate(planes):
            pixels[number, 0] = plane
            if progress:
                progress(number + 1, len(entries))
    return LabelledImages(torch.from_numpy(pixels), allowed, tuple(entries))


def _plane(path: Path, spec: InputSpec) -> NDArray[np.uint8]:
    plane = prepare(next(read(path)).pixels, spec).tensor[0]
    rounded: NDArray[np.uint8] = np.rint(plane * 255).astype(np.uint8)
    return rounded


def _allowed(entry: Entry, recipe: Recipe) -> list[bool]:
    if entry.label in recipe.classes:
        return [name == entry.label for name in recipe.classes]
    if entry.label == TUMOR or (recipe.task == "binary" and entry.label != "no_tumor"):
        return [name in recipe.positive for name in recipe.classes]
    msg = (
        f"{entry.name}: label {entry.label!r} is none of the recipe's classes "
        f"({', '.join(recipe.classes)}); set classes to those of your folders"
    )
    raise DatasetError(msg)
