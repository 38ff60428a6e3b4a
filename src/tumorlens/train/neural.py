"""Training a network: everything between a recipe with a network and the files of an export.

Beside its recipe and manifest, a run has a folder a fit (``select``, which chooses the number of
epochs on the validation fold, and ``refit``, where the recipe asks for it) with checkpoints,
curves as CSV and PNG, and a log for TensorBoard; ``start.json``, ``network.txt``,
``calibration.json``, ``novelty.npz`` and ``weights.pt``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tumorlens.errors import DatasetError, RecipeError
from tumorlens.train.architectures.classifier import build
from tumorlens.train.architectures.summary import summary
from tumorlens.train.board import Board
from tumorlens.train.calibrate import calibrate, fit_novelty, run_network
from tumorlens.train.curves import plot_curves
from tumorlens.train.dataset import load_images
from tumorlens.train.features import compute_features
from tumorlens.train.fit import fit, save_state
from tumorlens.train.fit.optimize import check_precision
from tumorlens.train.keras.fill import load_keras_weights
from tumorlens.train.run import REFIT, SELECT, Run, Silent, begin
from tumorlens.train.workers import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tumorlens.data.manifest import Entry
    from tumorlens.train.architectures.classifier import Classifier
    from tumorlens.train.architectures.spec import NetworkSpec
    from tumorlens.train.calibrate import Calibration, NoveltyReference
    from tumorlens.train.dataset import Examples, LabelledImages
    from tumorlens.train.fit import Epoch, Fitted, Step
    from tumorlens.train.recipe import Recipe
    from tumorlens.train.run import Watcher
    from tumorlens.train.workers import Workers

    OnStep = Callable[[Step], None]
    OnEpoch = Callable[[Epoch], None]

MOST_LAYERS_SHOWN = 20
"""Layers that are listed on the screen; what is listed beyond that, nobody reads there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where and with whom a fit is computed, and who is told."""

    device: torch.device
    workers: Workers
    watcher: Watcher


def train_network(
    recipe: Recipe,
    root: Path,
    folder: Path,
    *,
    init: Path | None,
    device: torch.device,
    watcher: Watcher,
    entries: Sequence[Entry] | None = None,
) -> Run:
    """Carry out a recipe with a network, or go on where a killed run stopped.

    1. Split, and read the images of all folds but the test fold.
    2. Where the feature extractor is frozen, compute its features once.
    3. Train on all folds but the test and the validation fold; the validation fold chooses the
       epoch.
    4. Fit temperature, thresholds and gates on the validation fold with that network.
    5. Where the recipe says ``refit``, train anew for that many epochs with the validation fold.

    The arguments are those of `tumorlens.train.run.train`.
    """
    check_precision(recipe.fit, device)
    check_start(recipe, init)  # a wrong weight file is told before hours of work
    with joined(device) as workers:
        place = Place(device, workers, watcher if workers.is_first else Silent())
        with workers.first_goes_first():
            run, found = begin(recipe, root, folder, place.watcher, entries)
            if workers.is_first:
                note_start(run, init)
        if is_finished(run):
            place.watcher.say(f"{folder}: this run is finished")
            return run
        _carry_out(run, read_images(run, root, found, place.watcher), init, place)
        workers.wait()
    return run


def read_images(run: Run, root: Path, entries: Sequence[Entry], watcher: Watcher) -> LabelledImages:
    """The images of all folds but the test fold, which stays closed.

    Raises:
        DatasetError: A label is none of the classes.
        ScanError: An image cannot be read.
    """
    used = [e for e in entries if e.fold != run.recipe.data.test_fold]
    with watcher.counting("reading images") as count:
        return load_images(root, used, run.recipe, count)


def start_network(recipe: Recipe, init: Path | None, device: torch.device) -> Classifier:
    """The network of a recipe before it has learnt, from a weight file or by the recipe's seed.

    Raises:
        RecipeError: The network contradicts itself or the input's size.
        ModelError: The weight file is missing, or of something else.
    """
    torch.manual_seed(recipe.seed)
    network = build(spec_of(recipe), len(recipe.classes), recipe.input)
    if init is not None:
        load_keras_weights(network.backbone, init)
    # channels_last makes the depthwise convolutions three times as fast on a CPU
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def examples_of(run: Run, images: LabelledImages, network: Classifier, place: Place) -> Examples:
    """What the network learns from: the images, or the features of a frozen extractor."""
    if not (network.frozen_extractor() and run.recipe.fit.views):
        return images.near(place.device)
    with place.watcher.counting("computing features") as count:
        return compute_features(
            network,
            images,
            run.recipe,
            run.features,
            device=place.device,
            workers=place.workers,
            progress=count,
        )


def sides(recipe: Recipe, examples: Examples) -> tuple[Examples, Examples]:
    """What is learnt from, and what is held out to choose the epoch.

    Raises:
        DatasetError: One of the two lacks a class.
    """
    validation = recipe.data.validation_fold
    held_out = examples.subset({validation})
    learnt = examples.subset({e.fold for e in examples.entries} - {validation})
    for side, part in (("training", learnt), ("validation", held_out)):
        missing = [
            name for number, name in enumerate(recipe.classes) if not part.allowed[:, number].any()
        ]
        if missing:
            msg = (
                f"the {side} folds hold no image of {', '.join(missing)}; add images of them, "
                "or set data.validation_fold to a fold that has some"
            )
            raise DatasetError(msg)
    return learnt, held_out


def spec_of(recipe: Recipe) -> NetworkSpec:
    """The recipe's network.

    Raises:
        RecipeError: It has none.
    """
    if recipe.network is None:
        msg = f"recipe {recipe.name}: trains no network"
        raise RecipeError(msg)
    return recipe.network


def _carry_out(run: Run, images: LabelledImages, init: Path | None, place: Place) -> None:
    recipe = run.recipe
    sides(recipe, images)  # a class that is missing is told before features are computed
    network = start_network(recipe, init, place.device)
    place.watcher.say(f"classes: {', '.join(recipe.classes)}")
    _tell_network(run, network, init, place)
    examples = examples_of(run, images, network, place)
    learnt, held_out = sides(recipe, examples)
    fitted = _fit(network, run, SELECT, learnt, held_out, recipe.fit.epochs, place)
    _calibrate(run, network, learnt, held_out, place)
    final = learnt
    if recipe.fit.refit:
        network, final = start_network(recipe, init, place.device), examples
        _fit(network, run, REFIT, examples, None, fitted.best_epoch, place)
    outputs = run_network(network, final, place.device, place.workers)
    if place.workers.is_first:
        reference = fit_novelty(outputs.features, final)
        keep_novelty(run, reference)
        save_state(run.weights, network.state_dict())
        shutil.rmtree(run.features, ignore_errors=True)  # large, and of no more use


def _tell_network(run: Run, network: Classifier, init: Path | None, place: Place) -> None:
    """Say how large the network is; a deep one has too many layers to list but in a file."""
    found = summary(network)
    place.watcher.say(f"weights: start from {init.name if init else 'chance'}")
    place.watcher.say(str(found) if len(found.layers) <= MOST_LAYERS_SHOWN else found.line)
    if place.workers.is_first:
        run.network.write_text(f"{found}\n", encoding="utf-8")


def _fit(
    network: Classifier,
    run: Run,
    name: str,
    training: Examples,
    validation: Examples | None,
    epochs: int,
    place: Place,
) -> Fitted:
    watcher = place.watcher
    beside = f" in {place.workers.count} processes" if place.workers.count > 1 else ""
    watcher.say(f"{name}: {len(training)} images, {epochs} epochs on {place.device}{beside}")
    folder = run.folder / name
    with watched(folder, name, place) as (on_step, on_epoch):
        fitted = fit(
            network,
            run.recipe,
            training,
            validation,
            folder,
            epochs=epochs,
            device=place.device,
            on_step=on_step,
            on_epoch=on_epoch,
            workers=place.workers,
        )
    if place.workers.is_first:
        plot_curves(fitted.curves, fitted.best_epoch, folder / "curves.png")
    return fitted


@contextmanager
def watched(folder: Path, name: str, place: Place) -> Iterator[tuple[OnStep, OnEpoch]]:
    """What a fit calls after each step and each epoch: the watcher, and TensorBoard's log."""
    board = Board(folder / "tensorboard", place)

    def on_epoch(line: Epoch) -> None:
        place.watcher.epoch(line)
        board.write(line)

    with place.watcher.fitting(name) as on_step:
        yield on_step, on_epoch
    board.close()


def keep_calibration(run: Run, found: Calibration) -> None:
    """Write what was fitted on the validation fold."""
    text = json.dumps(found.model_dump(mode="json"), indent=2)
    run.calibration.write_text(text + "\n", encoding="utf-8")


def keep_novelty(run: Run, reference: NoveltyReference) -> None:
    """Write what novelty is measured against."""
    np.savez(
        run.novelty,
        centres=reference.centres,
        directions=reference.directions,
        residual=reference.residual,
    )


def _calibrate(
    run: Run, network: Classifier, learnt: Examples, held_out: Examples, place: Place
) -> None:
    known = run_network(network, learnt, place.device, place.workers)
    answered = run_network(network, held_out, place.device, place.workers)
    if not place.workers.is_first:
        return
    novelty = fit_novelty(known.features, learnt).distance(answered.features)
    found = calibrate(answered, held_out, run.recipe, novelty)
    keep_calibration(run, found)


def check_start(recipe: Recipe, init: Path | None) -> Classifier:
    """Build the network once and fill it, before anything is read or written.

    Raises:
        RecipeError: It cannot be built, or is frozen without weights.
        ModelError: The weight file is missing, or of something else.
    """
    spec = spec_of(recipe)
    if init is None and spec.trainable != "all":
        msg = (
            f"recipe {recipe.name}: its feature extractor is frozen, and would stay as chance made "
            "it; name its weights with --init FILE.h5, or train all of it with "
            "--set network.trainable=all"
        )
        raise RecipeError(msg)
    classes = recipe.classes or ("", "")
    named = recipe.model_copy(update={"classes": classes})
    return start_network(named, init, torch.device("cpu"))


def note_start(run: Run, init: Path | None) -> None:
    """Write what the weights began from, or check that the run in the folder began from the same.

    Raises:
        RecipeError: It began from something else.
    """
    digest = hashlib.sha256(init.read_bytes()).hexdigest() if init else None
    if run.has_learnt and run.start.is_file():
        if _began_from(run).get("sha256") != digest:
            msg = (
                f"{run.folder}: holds a run that began from {_began_from(run).get('weights')}; "
                "choose another --out, or the same --init to go on with it"
            )
            raise RecipeError(msg)
        return
    # What a start that failed left behind was computed with its weights.
    shutil.rmtree(run.features, ignore_errors=True)
    note = {"weights": init.name if init else "chance", "sha256": digest}
    run.start.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


def _began_from(run: Run) -> dict[str, Any]:
    try:
        note: dict[str, Any] = json.loads(run.start.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return note


def is_finished(run: Run) -> bool:
    """Whether there is nothing left to do in a run."""
    return all(file.is_file() for file in (run.calibration, run.novelty, run.weights))
