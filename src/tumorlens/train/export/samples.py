"""Images of a model's own manifest: some that it learnt from, and those that it has never seen."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data import manifest as manifests
from tumorlens.errors import DatasetError
from tumorlens.model.load import available_cores
from tumorlens.model.prepare import prepare
from tumorlens.scan import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import InputSpec, ModelMetadata

    Progress = Callable[[int, int], None]

CALIBRATION_IMAGES = 128
"""Ranges no longer change with more: with 64 and with 256 the same images are answered alike."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The two sides of a model's manifest.

    Attributes:
        root: The folder that the names are relative to.
        learnt: Some of the images that it learnt from, drawn by chance, checked.
        held_out: Its test fold, checked.
    """

    root: Path
    learnt: tuple[Entry, ...]
    held_out: tuple[Entry, ...]

    def images(self, spec: InputSpec) -> NDArray[np.float32]:
        """Those that it learnt from, as it takes them: (N, channels, H, W) in [0, 1].

        Raises:
            ScanError: One cannot be read.
        """
        with ThreadPoolExecutor(available_cores()) as pool:
            return np.stack(
                list(
                    pool.map(
                        lambda entry: (
                            prepare(next(read(self.root / entry.name)).pixels, spec).tensor
                        ),
                        self.learnt,
                    )
                )
            )


def find_samples(
    metadata: ModelMetadata, root: Path, manifest: Path | None, progress: Progress | None = None
) -> Samples:
    """The images of a model's manifest, once it is proven which side each stands on.

    Args:
        metadata: Of the model.
        root: The folder that holds its sets.
        manifest: The manifest of its training run, or None to build it again.
        progress: Called with (images compared, images in all).

    Raises:
        DatasetError: The manifest is another one, or files are missing or changed.
        RecipeError: The model file does not say how it was trained.
    """
    from tumorlens.evaluate.holdout import sides

    found = sides(metadata, root, manifest, progress)
    if not found.training:
        msg = (
            f"{root}: holds no image that {metadata.name} is known to have learnt from, and "
            "calibration needs some; name a set with Training and Testing folders with --data, or "
            "a manifest of `tumorlens data split` with --manifest"
        )
        raise DatasetError(msg)
    learnt = list(found.training)
    random.Random(0).shuffle(learnt)  # noqa: S311 - a draw, not a secret
    chosen = tuple(learnt[:CALIBRATION_IMAGES])
    root = getattr(found, "root", root)
    manifests.verify(chosen, root)
    return Samples(root, chosen, tuple(found.held_out))
