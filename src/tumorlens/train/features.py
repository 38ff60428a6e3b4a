"""The features of a frozen extractor, computed once and learnt from again and again.

Of each image some augmented views are drawn in advance; an epoch learns from one of them. So an
epoch costs as little as the head, and the extractor runs as often as there are views.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from tumorlens.train.augment.spec import AugmentRecipe
from tumorlens.train.fit.checkpoint import map_state, save_state
from tumorlens.train.fit.loop import SEEDS_APART, at_a_time, computed_in
from tumorlens.train.fit.spec import Precision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Generator, Tensor

    from tumorlens.data.manifest import Entry
    from tumorlens.train.architectures.classifier import Classifier
    from tumorlens.train.dataset import LabelledImages
    from tumorlens.train.recipe import Recipe
    from tumorlens.train.workers import Workers

    Progress = Callable[[int, int], None]

VIEW_SEED = 50_021
"""Keeps the chances of views apart from those of epochs, of which there are never so many."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFeatures:
    """Features of images and what is known of their class; `tumorlens.train.dataset.Examples`.

    Attributes:
        plain: Features of the images as they are, float32 (M, F, h, w).
        views: Features of the augmented views, each (M, F, h, w).
        rows: Which of the M images these are, int64 (N,).
        allowed: As of `Examples`.
        entries: As of `Examples`.
    """

    plain: Tensor
    views: tuple[Tensor, ...]
    rows: Tensor
    allowed: Tensor
    entries: tuple[Entry, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def subset(self, folds: set[int]) -> LabelledFeatures:
        """The features of the images of some folds."""
        kept = [i for i, entry in enumerate(self.entries) if entry.fold in folds]
        return replace(
            self,
            rows=self.rows[kept],
            allowed=self.allowed[kept],
            entries=tuple(self.entries[i] for i in kept),
        )

    def changed(
        self,
        chosen: Tensor,
        epoch: int,
        ranges: AugmentRecipe,  # noqa: ARG002 - the views were drawn by it
        chance: Generator,
    ) -> Tensor:
        """The features of some of them in the view of an epoch, float32 (n, F, h, w)."""
        view = self.views[(epoch - 1) % len(self.views)]
        return _moved(view[self.rows[chosen]], chance.device)

    def unchanged(self, chosen: Tensor, device: torch.device) -> Tensor:
        """The features of some of them as they are, float32 (n, F, h, w)."""
        return _moved(self.plain[self.rows[chosen]], device)

    def features(self, network: Classifier, given: Tensor) -> Tensor:  # noqa: ARG002
        """The features themselves."""
        return given


def compute_features(
    network: Classifier,
    images: LabelledImages,
    recipe: Recipe,
    folder: Path,
    *,
    device: torch.device,
    workers: Workers,
    progress: Progress,
) -> LabelledFeatures:
    """Compute the features of some images and of their views, or take what is there.

    What decides later (validation, temperature, novelty) comes from the images as they are, in 32
    bits; the views are computed in the recipe's precision.

    Args:
        network: With a frozen extractor, on `device`.
        images: All that are learnt from or validated on.
        recipe: How many views (no more than epochs), and how they are changed.
        folder: Where the features are kept, a file a view, so that a killed run goes on.
        device: Where the network lives.
        workers: The processes that share the work, a view each.
        progress: Called with (images done, images in all), over all views.

    Raises:
        ModelCorrupt: A file of features is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Without any change all views would be the image itself; an epoch learns from one of them.
    most = min(recipe.fit.views, recipe.fit.epochs)
    count = 0 if recipe.augment == AugmentRecipe() else most
    files = [folder / f"view-{number:03}.pt" for number in range(count + 1)]
    network.eval()
    for number, file in enumerate(files):
        if number % workers.count == workers.rank and not file.is_file():
            told = partial(_tell, progress, number, len(files), len(images))
            features = _view(network, images, recipe, number, device, told)
            save_state(file, {"features": features})
    workers.wait()
    plain, *views = (map_state(file)["features"] for file in files)
    return LabelledFeatures(
        plain=plain,
        views=tuple(views) or (plain,),
        rows=torch.arange(len(images)),
        allowed=images.allowed,
        entries=images.entries,
    )


def _tell(progress: Progress, view: int, views: int, images: int, done: int) -> None:
    progress(view * images + done, views * images)


@torch.inference_mode()
def _view(
    network: Classifier,
    images: LabelledImages,
    recipe: Recipe,
    number: int,
    device: torch.device,
    progress: Callable[[int], None],
) -> Tensor:
    """The features of one view; number 0 is the images as they are."""
    seed = (recipe.seed * SEEDS_APART + number) * VIEW_SEED
    chance = torch.Generator(device).manual_seed(seed)
    precision = recipe.fit.precision if number else Precision.FP32
    parts = []
    for chosen in torch.split(torch.arange(len(images)), at_a_time(device)):
        given = (
            images.changed(chosen, number, recipe.augment, chance)
            if number
            else images.unchanged(chosen, device)
        )
        with computed_in(precision, device):
            features = network.features(given.contiguous(memory_format=torch.channels_last))
        parts.append(_kept(network, features, precision).cpu())
        progress(int(chosen[-1]) + 1)
    return torch.cat(parts)


def _kept(network: Classifier, features: Tensor, precision: Precision) -> Tensor:
    """What of the features (n, F, h, w) the head sees: their mean where it takes no more.

    Whole maps are large, and are kept in 16 bits where they were computed in 16 bits.
    """
    if network.spec.pooling == "average":
        return features.float().mean(dim=(2, 3), keepdim=True)
    return features.float() if precision is Precision.FP32 else features


def _moved(features: Tensor, device: torch.device) -> Tensor:
    if features.device == device:
        return features.float()
    return features.pin_memory().to(device, non_blocking=True).float()
