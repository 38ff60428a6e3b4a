"""Training images in memory, prepared exactly as they will be when a model answers."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
import torch

from tumorlens.data.index import NO_TUMOR, TUMOR
from tumorlens.errors import DatasetError
from tumorlens.model.prepare import prepare
from tumorlens.scan import read
from tumorlens.train.augment import augment
from tumorlens.train.fit.spec import Balance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Generator, Tensor

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import InputSpec
    from tumorlens.train.architectures.classifier import Classifier
    from tumorlens.train.augment.spec import AugmentRecipe
    from tumorlens.train.recipe import Recipe

    Progress = Callable[[int, int], None]

_EXPONENTS = {Balance.NONE: 0.0, Balance.INVERSE_ROOT: -0.5, Balance.BALANCED: -1.0}

RESIDENT_SHARE = 0.25
"""Images that take less than this share of a GPU's free memory are kept in it."""


class Examples(Protocol):
    """What can be learnt from: images, or features of them that were computed before.

    Attributes:
        allowed: bool (N, C): the classes that an image may be of; exactly one where the kind is
            known, every tumor class where it is only known that there is a tumor.
        entries: The manifest's lines, in the same order.
    """

    @property
    def allowed(self) -> Tensor:
        """Which classes each may be of."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The manifest's lines."""

    def __len__(self) -> int: ...

    def subset(self, folds: set[int]) -> Self:
        """Those of some folds."""

    def changed(
        self, chosen: Tensor, epoch: int, ranges: AugmentRecipe, chance: Generator
    ) -> Tensor:
        """Some of them to learn from, each changed in its own way, on the device of `chance`."""

    def unchanged(self, chosen: Tensor, device: torch.device) -> Tensor:
        """Some of them as they are."""

    def features(self, network: Classifier, given: Tensor) -> Tensor:
        """The features (N, F, h, w) of what `changed` or `unchanged` gave."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """Images and what is known of their class; `Examples`.

    Attributes:
        pixels: uint8 (N, 1, H, W): the network's input in 255ths, which is what 8-bit files hold.
        allowed: As of `Examples`.
        entries: As of `Examples`.
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

    def near(self, device: torch.device) -> LabelledImages:
        """The same, kept in the memory of a GPU where there is room, so that it never waits."""
        if device.type != "cuda":
            return self
        free, _ = torch.cuda.mem_get_info(device)
        if self.pixels.nbytes > RESIDENT_SHARE * free:
            return self
        return replace(self, pixels=self.pixels.to(device))

    def changed(
        self,
        chosen: Tensor,
        epoch: int,  # noqa: ARG002 - chance is fresh in each
        ranges: AugmentRecipe,
        chance: Generator,
    ) -> Tensor:
        """Some of them, augmented on the device of `chance`: float32 (n, 1, H, W) in [0, 1]."""
        images = augment(self.unchanged(chosen, chance.device), ranges, chance)
        return images.contiguous(memory_format=torch.channels_last)

    def unchanged(self, chosen: Tensor, device: torch.device) -> Tensor:
        """Some of them as they are: float32 (n, 1, H, W) in [0, 1]."""
        pixels = self.pixels[chosen.to(self.pixels.device)]
        if pixels.device != device:
            # From pinned memory the copy goes on while the device computes the step before.
            pixels = pixels.pin_memory().to(device, non_blocking=True)
        return pixels.float() / 255

    def features(self, network: Classifier, given: Tensor) -> Tensor:
        """The features (n, F, h, w) of some of them."""
        return network.features(given)


def label_weights(examples: Examples, balance: Balance) -> Tensor:
    """A weight an image, by how rare its label is, float64 (N,); only their ratios mean anything.

    The sampler draws by it, or the loss counts by it. The inverse square root is half the way: a
    full balance would show few tumor-free pictures so often that they are learnt by heart; none
    at all would let many gliomas decide.
    """
    labels = [entry.label for entry in examples.entries]
    counts = Counter(labels)
    exponent = _EXPONENTS[balance]
    return torch.tensor([counts[label] ** exponent for label in labels], dtype=torch.float64)


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
    if entry.label == TUMOR or (recipe.task == "binary" and entry.label != NO_TUMOR):
        return [name in recipe.positive for name in recipe.classes]
    msg = (
        f"{entry.name}: label {entry.label!r} is none of the recipe's classes "
        f"({', '.join(recipe.classes)}); set classes to those of your folders"
    )
    raise DatasetError(msg)
