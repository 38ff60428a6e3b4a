"""Carrying out a recipe with a classical pipeline.

Beside its recipe and manifest, a run has ``trials.csv`` (each classifier that was tried, and how
often it was right on the validation fold), ``features.csv`` (each feature, and how far it alone
separates the classes), ``classifier.onnx``, ``classical.npz``, ``calibration.json`` and
``novelty.npz``.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from tumorlens.errors import RecipeError
from tumorlens.train.calibrate import Outputs, calibrate, fit_novelty
from tumorlens.train.classical.decide import fit_logits, to_scorer
from tumorlens.train.classical.features import FeatureExtractor
from tumorlens.train.classical.learn import Table, best_of, learn_again, separation, try_all
from tumorlens.train.classical.pipeline import Scale, is_finished, save
from tumorlens.train.neural import read_images, sides
from tumorlens.train.run import begin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from tumorlens.data.manifest import Entry
    from tumorlens.train.classical.learn import Trial
    from tumorlens.train.classical.spec import ClassicalSpec
    from tumorlens.train.dataset import LabelledImages
    from tumorlens.train.recipe import Recipe
    from tumorlens.train.run import Run, Watcher

BATCH = 8
"""Slices that are measured at a time: their co-occurrences fit a processor's cache better."""


def train_classical(
    recipe: Recipe,
    root: Path,
    folder: Path,
    *,
    init: Path | None,
    watcher: Watcher,
    entries: Sequence[Entry] | None = None,
) -> Run:
    """Carry out a recipe with a classical pipeline.

    1. Split, read and measure the images of all folds but the test fold.
    2. Fit every classifier that the recipe names on the training folds; the validation fold
       chooses one.
    3. Fit what its scores mean, temperature, thresholds and gates on the validation fold.
    4. Where the recipe says ``refit``, fit the chosen one once more with the validation fold.

    Images of which it is only known that there is a tumor teach a recipe with kinds nothing, and
    are left out.

    Args:
        recipe: What to do; it has a classical pipeline.
        root: The folder that holds the recipe's sets.
        folder: Where the run is kept.
        init: None; there is no network that weights could be for.
        watcher: Is told of progress.
        entries: The manifest to train by, instead of one that is built from the recipe's sets.

    Raises:
        DatasetError, RecipeError, ModelError, ScanError: Naming what is wrong.
    """
    spec = _spec(recipe)
    if init is not None:
        msg = (
            f"--init {init}: recipe {recipe.name} has no network to put weights into; leave it out"
        )
        raise RecipeError(msg)
    FeatureExtractor(spec, recipe.input)  # an input of a wrong size is told before any work
    run, found = begin(recipe, root, folder, watcher, entries)
    if is_finished(run):
        watcher.say(f"{folder}: this run is finished")
        return run
    images = only_of_known_kind(read_images(run, root, found, watcher), watcher)
    sides(run.recipe, images)  # a class that is missing is told before features are measured
    extractor = FeatureExtractor(spec, run.recipe.input)
    watcher.say(f"classes: {', '.join(run.recipe.classes)}; {len(extractor.names)} features")
    features = measure(extractor, images.pixels, watcher)
    _learn(run, images, features, extractor.names, watcher)
    return run


@torch.inference_mode()
def measure(extractor: FeatureExtractor, pixels: Tensor, watcher: Watcher) -> NDArray[np.float32]:
    """The features of images: uint8 (N, 1, H, W) → float32 (N, D)."""
    found = []
    with watcher.counting("measuring images") as count:
        for batch in torch.split(pixels, BATCH):
            found.append(extractor(batch.float() / 255))
            count(sum(map(len, found)), len(pixels))
    result: NDArray[np.float32] = torch.cat(found).numpy()
    return result


def _learn(
    run: Run,
    images: LabelledImages,
    features: NDArray[np.float32],
    names: Sequence[str],
    watcher: Watcher,
) -> None:
    recipe, spec = run.recipe, _spec(run.recipe)
    is_held_out = np.array([e.fold == recipe.data.validation_fold for e in images.entries])
    truth = images.allowed.numpy().argmax(axis=1)
    scale = Scale.of(features[~is_held_out])
    _write_features(run.folder / "features.csv", names, features[~is_held_out], truth[~is_held_out])
    scaled = scale(features)
    learnt = Table(scaled[~is_held_out], truth[~is_held_out])
    held_out = Table(scaled[is_held_out], truth[is_held_out])

    trials = []
    with watcher.counting("trying classifiers") as count:
        for trial in try_all(spec, learnt, held_out, recipe.seed):
            trials.append(trial)
            count(len(trials), len(trials))
    best = best_of(trials)
    _write_trials(run.folder / "trials.csv", trials)
    watcher.say(
        f"chosen: {best.settings}; of {len(held_out.truth)} held-out images it called "
        f"{best.accuracy:.1%} right (balanced over the classes {best.balanced_accuracy:.1%})"
    )
    scorer = to_scorer(best.classifier, held_out)
    scores = scorer.scores(held_out.features)
    logits = fit_logits(scores, held_out.truth)

    training, validation = sides(recipe, images)
    reference = fit_novelty(learnt.features, training)
    novelty = reference.distance(held_out.features)
    outputs = Outputs(held_out.features, logits(scores))
    calibration = calibrate(outputs, validation, recipe, novelty)
    text = json.dumps(calibration.model_dump(mode="json"), indent=2)
    run.calibration.write_text(text + "\n", encoding="utf-8")
    if spec.refit:
        everything = learnt + held_out
        scorer = to_scorer(learn_again(best, everything), everything)
    np.savez(
        run.novelty,
        centres=reference.centres,
        directions=reference.directions,
        residual=reference.residual,
    )
    save(run, scorer, logits, scale)


def only_of_known_kind(images: LabelledImages, watcher: Watcher) -> LabelledImages:
    """The images whose class is known; says how many are left out."""
    known = (images.allowed.sum(dim=1) == 1).nonzero().flatten()
    left_out = len(images) - len(known)
    if not left_out:
        return images
    watcher.say(f"{left_out} images of a tumor of unknown kind are left out: they teach no class")
    entries = tuple(images.entries[i] for i in known.tolist())
    return replace(
        images, pixels=images.pixels[known], allowed=images.allowed[known], entries=entries
    )


def _spec(recipe: Recipe) -> ClassicalSpec:
    if recipe.classical is None:
        msg = f"recipe {recipe.name}: has no classical pipeline"
        raise RecipeError(msg)
    return recipe.classical


def _write_trials(path: Path, trials: Sequence[Trial]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["settings", "balanced_accuracy", "accuracy"])
        for trial in trials:
            writer.writerow(
                [trial.settings, f"{trial.balanced_accuracy:.4f}", f"{trial.accuracy:.4f}"]
            )


def _write_features(
    path: Path,
    names: Sequence[str],
    features: NDArray[np.float32],
    truth: NDArray[np.int64],
) -> None:
    rows = zip(
        names,
        features.mean(axis=0),
        features.std(axis=0),
        separation(Table(features, truth)),
        strict=True,
    )
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["feature", "mean", "deviation", "f_value"])
        for name, *numbers in sorted(rows, key=lambda row: -row[3]):
            writer.writerow([name, *(f"{number:.6g}" for number in numbers)])
