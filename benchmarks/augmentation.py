"""How long it takes to change a batch of training images, beside MONAI and kornia.

    python benchmarks/augmentation.py

Prints a Markdown table: median milliseconds for a batch of 32 slices of 224 x 224, each changed in
its own way, on two threads of a CPU. MONAI's transforms take one image at a time. Libraries that
are not installed are left out.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from tumorlens.train.augment import AugmentRecipe, augment

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH, SIDE, THREADS, REPEATS = 32, 224, 2, 9

GEOMETRY = {"rotation": 15.0, "scale": 0.1, "translate": 0.05}
OURS: dict[str, dict[str, float]] = {
    "rotation, scale, shift": GEOMETRY,
    "elastic bend": {"elastic": 0.05},
    "bias field": {"bias_field": 0.5},
    "Gibbs ringing": {"gibbs": 0.5},
    "k-space spikes": {"spikes": 0.1},
    "Rician noise": {"rician": 0.05},
    "low resolution": {"low_resolution": 0.5},
    "grey-level curve": {"histogram": 1.0},
}
EVERYTHING = {
    **{name: value for ranges in OURS.values() for name, value in ranges.items()},
    "zoom": 0.1, "shear": 5.0, "crop": 0.1, "gamma": 0.4, "contrast": 0.2, "brightness": 0.1,
    "gain": 0.2, "invert": 0.2, "blur": 0.2, "noise": 0.03, "ghosting": 0.5, "background": 0.3,
    "frame": 0.05,
}  # fmt: skip


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(THREADS)
    warnings.simplefilter("ignore")
    images = torch.rand(BATCH, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    peers = [named(images) for named in (monai_changes, kornia_changes)]
    print(f"{platform.machine()}, {THREADS} threads of {os.cpu_count()} cores, {BATCH} images\n")
    print("| change | TumorLens | MONAI | kornia |\n| --- | --- | --- | --- |")
    for name, ranges in OURS.items():
        cells = [milliseconds(ours(images, ranges))]
        cells += [milliseconds(peer[name]) if name in peer else "" for peer in peers]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(f"| everything at once | {milliseconds(ours(images, EVERYTHING))} | | |")


def ours(images: torch.Tensor, ranges: dict[str, float]) -> Callable[[], object]:
    """Our change of a batch; every image is given its artefacts."""
    recipe = AugmentRecipe.model_validate({**ranges, "artefact_share": 1})
    chance = torch.Generator().manual_seed(1)
    return lambda: augment(images, recipe, chance)


def monai_changes(images: torch.Tensor) -> dict[str, Callable[[], object]]:
    """MONAI's changes of the same name, image by image."""
    if find_spec("monai") is None:
        return {}
    transforms: Any = import_module("monai.transforms")

    def each(transform: Callable[[torch.Tensor], object]) -> Callable[[], object]:
        return lambda: [transform(image) for image in images]

    return {
        "rotation, scale, shift": each(
            transforms.RandAffine(
                prob=1, rotate_range=0.26, scale_range=0.1, translate_range=SIDE * 0.05
            )
        ),
        "elastic bend": each(
            transforms.Rand2DElastic(spacing=(45, 45), magnitude_range=(0, 11), prob=1)
        ),
        "bias field": each(transforms.RandBiasField(prob=1)),
        "Gibbs ringing": each(transforms.RandGibbsNoise(prob=1)),
        "k-space spikes": each(transforms.RandKSpaceSpikeNoise(prob=1)),
        "Rician noise": each(transforms.RandRicianNoise(prob=1)),
        "grey-level curve": each(transforms.RandHistogramShift(prob=1)),
    }


def kornia_changes(images: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Kornia's changes of the same name, batch by batch."""
    if find_spec("kornia") is None:
        return {}
    augmentation: Any = import_module("kornia.augmentation")
    affine = augmentation.RandomAffine(15, (0.05, 0.05), (0.9, 1.1), p=1)
    elastic = augmentation.RandomElasticTransform(p=1)
    return {
        "rotation, scale, shift": lambda: affine(images),
        "elastic bend": lambda: elastic(images),
    }


def milliseconds(change: Callable[[], object]) -> str:
    """Median time of a change, after one that is not counted."""
    change()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        change()
        times.append(time.perf_counter() - start)
    return f"{1000 * statistics.median(times):.0f} ms"


if __name__ == "__main__":
    main()
