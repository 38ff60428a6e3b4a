"""How often the segmentation of classical-svm finds the tumor, and what its features cost.

python benchmarks/classical.py --data sets/

Every eighth slice of Cheng's set is segmented without its mask, and compared with it: how often
most of the spot that the pipeline would measure lies in the tumor, and the Dice overlap of the two.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from tumorlens.data.index import index
from tumorlens.evaluate.tables import table
from tumorlens.model.prepare import place, resample
from tumorlens.scan import read
from tumorlens.train.classical.features import FeatureExtractor
from tumorlens.train.classical.picture import look
from tumorlens.train.classical.spec import ClassicalSpec, Segmentation
from tumorlens.train.recipe import load_recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.data.index import Sample
    from tumorlens.train.recipe import Recipe

EVERY = 8
"""One slice of so many is looked at: neighbours show nearly the same."""

BATCH = 8
HALF = 0.5


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds cheng/")
    torch.set_num_threads(1)
    recipe = load_recipe("classical-svm")
    samples = index(parser.parse_args().data / "cheng")[::EVERY]
    pairs = [_prepared(sample, recipe) for sample in samples]
    images = torch.from_numpy(np.stack([image for image, _ in pairs]))[:, None]
    masks = np.stack([mask for _, mask in pairs]) > HALF
    kinds = np.array([sample.label for sample in samples])
    print(_segmentation(images, masks, kinds))
    print(_cost(images[: 4 * BATCH], recipe))


def _prepared(sample: Sample, recipe: Recipe) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A slice and its mask, as the pipeline would look at them."""
    pixels = next(read(sample.path)).pixels
    placement = place(pixels, recipe.input)
    if sample.mask is None:
        message = f"{sample.path}: has no mask"
        raise SystemExit(message)
    mask = next(read(sample.mask)).pixels
    return resample(pixels, placement), resample(mask, placement)


@torch.inference_mode()
def _segmentation(images: torch.Tensor, masks: NDArray[np.bool_], kinds: NDArray[np.str_]) -> str:
    rows = []
    for way in Segmentation:
        spec = ClassicalSpec(segmentation=way)
        spots = np.concatenate(
            [look(part, spec).spot.numpy() > 0 for part in torch.split(images, BATCH)]
        )
        both = (spots & masks).sum(axis=(1, 2))
        spot, tumor = spots.sum(axis=(1, 2)), masks.sum(axis=(1, 2))
        found = both > HALF * np.maximum(spot, 1)
        dice = 2 * both / np.maximum(spot + tumor, 1)
        for kind in ("all", *np.unique(kinds)):
            of = np.full(len(kinds), fill_value=True) if kind == "all" else kinds == kind
            rows.append(
                (
                    str(way),
                    str(kind),
                    str(of.sum()),
                    f"{found[of].mean():.2f}",
                    f"{dice[of].mean():.2f}",
                )
            )
    return table(("segmentation", "tumor", "slices", "most of the spot is tumor", "Dice"), rows)


@torch.inference_mode()
def _cost(images: torch.Tensor, recipe: Recipe) -> str:
    extractor = FeatureExtractor(recipe.classical or ClassicalSpec(), recipe.input)
    rows = []
    for name, act in (
        ("the features of a slice", extractor),
        ("the same, and without each place", extractor.with_places_left_out),
    ):
        act(images[:BATCH])
        started = time.process_time()
        for part in torch.split(images, BATCH):
            act(part)
        each = (time.process_time() - started) / len(images)
        rows.append((name, f"{1000 * each:.0f}"))
    return table(("measuring", "ms of one core"), rows)


if __name__ == "__main__":
    main()
