"""A training run: from a recipe and a folder of data to everything that an export needs.

A run's folder holds ``recipe.json``, ``manifest.csv``, a folder a fit (``select``, which chooses
the number of epochs on the validation fold, and ``refit``, where the recipe asks for it) with
checkpoints and curves, ``calibration.json``, ``novelty.npz`` and ``weights.pt``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from tumorlens.data import manifest
from tumorlens.data.split import split
from tumorlens.errors import DatasetError, RecipeError
from tumorlens.train.architectures.mobilenetv2 import Classifier
from tumorlens.train.calibrate import calibrate, fit_novelty, run_network
from tumorlens.train.curves import plot_curves
from tumorlens.train.dataset import load_images
from tumorlens.train.fit import fit, save_state
from tumorlens.train.keras_bridge import load_keras_weights
from tumorlens.train.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tumorlens.data.manifest import Entry
    from tumorlens.train.dataset import LabelledImages
    from tumorlens.train.fit import Epoch, Fitted, Step

DEVICES = ("auto", "cpu", "cuda")
SELECT, REFIT = "select", "refit"
"""The folders of a run's fits."""


@dataclass(frozen=True, slots=True)
class Run:
    """Where a run's files lie, and what it follows."""

    folder: Path
    recipe: Recipe

    @property
    def manifest(self) -> Path:
        """The images, with their folds."""
        return self.folder / "manifest.csv"

    @property
    def calibration(self) -> Path:
        """Temperature and thresholds."""
        return self.folder / "calibration.json"

    @property
    def novelty(self) -> Path:
        """The reference that novelty is measured from."""
        return self.folder / "novelty.npz"

    @property
    def weights(self) -> Path:
        """The network's final weights."""
        return self.folder / "weights.pt"

    @property
    def has_learnt(self) -> bool:
        """Whether anything was learnt in it that another start would throw away."""
        return (self.folder / SELECT / "last.pt").is_file()


class Watcher(Protocol):
    """Is told how far a run is."""

    def say(self, text: str) -> None:
        """Take note of an event."""

    def epoch(self, line: Epoch) -> None:
        """Take note of an epoch that has ended."""

    def counting(self, what: str) -> AbstractContextManager[Callable[[int, int], None]]:
        """Gives a function to call with (done, in all)."""

    def fitting(self, what: str) -> AbstractContextManager[Callable[[Step], None]]:
        """Gives a function to call after each step of a fit."""


def open_run(folder: Path) -> Run:
    """The run in a folder.

    Raises:
        RecipeError: The folder holds no run.
    """
    try:
        text = (folder / "recipe.json").read_text(encoding="utf-8")
        return Run(folder, Recipe.model_validate_json(text))
    except (OSError, ValueError) as error:
        msg = f"{folder}: no training run ({error}); name the --out folder of `tumorlens train`"
        raise RecipeError(msg) from error


def train(
    recipe: Recipe,
    root: Path,
    folder: Path,
    *,
    init: Path | None,
    device: torch.device,
    watcher: Watcher,
    entries: Sequence[Entry] | None = None,
) -> Run:
    """Carry out a recipe, or go on with one that was interrupted.

    1. Split the recipe's sets, or use the manifest that is given or that the run's folder has.
    2. Train on all folds but the test and the validation fold; the validation fold chooses the
       epoch.
    3. Fit temperature, thresholds and gates on the validation fold with that network.
    4. Where the recipe says ``refit``, train anew for that many epochs with the validation fold.

    The images of the test fold are never opened.

    Args:
        recipe: What to do.
        root: The folder that holds the recipe's sets.
        folder: Where the run is kept.
        init: A Keras weight file for the backbone, or None to start from chance.
        device: Where to compute.
        watcher: Is told of progress.
        entries: The manifest to train by, instead of one that is built from the recipe's sets.

    Raises:
        DatasetError, RecipeError, ModelError, ScanError: Naming what is wrong.
    """
    network = _network(recipe, init, device)  # a wrong weight file is told before hours of work
    if entries is not None:
        sources = tuple(dict.fromkeys(entry.source for entry in entries))
        data = recipe.data.model_copy(update={"sources": sources})
        recipe = recipe.model_copy(update={"data": data})
    run = _start(recipe, folder)
    if entries is not None:
        _keep(entries, run)
    entries = _entries(run, root, watcher)
    used = [e for e in entries if e.fold != recipe.data.test_fold]
    with watcher.counting("reading images") as count:
        images = load_images(root, used, recipe, count)
    held_out = images.subset({recipe.data.validation_fold})
    learnt = images.subset({e.fold for e in used} - {recipe.data.validation_fold})
    _check_sides(recipe, learnt, held_out)

    fitted = _fit(network, run, SELECT, learnt, held_out, recipe.fit.epochs, device, watcher)
    _calibrate(run, network, learnt, held_out, device)
    if recipe.fit.refit:
        network = _network(recipe, init, device)
        _fit(network, run, REFIT, images, None, fitted.best_epoch, device, watcher)
    final = run_network(network, images if recipe.fit.refit else learnt, device)
    reference = fit_novelty(final.features, images if recipe.fit.refit else learnt)
    np.savez(
        run.novelty,
        centres=reference.centres,
        directions=reference.directions,
        residual=reference.residual,
    )
    save_state(run.weights, network.state_dict())
    return run


def choose_device(name: str) -> torch.device:
    """``auto`` (CUDA if there is one), ``cpu`` or ``cuda``.

    Raises:
        RecipeError: ``cuda`` where there is none, or another name.
    """
    if name not in DEVICES:
        msg = f"--device {name}: is none of {', '.join(DEVICES)}"
        raise RecipeError(msg)
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        msg = "--device cuda: no CUDA device is available here; use --device cpu or auto"
        raise RecipeError(msg)
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def _start(recipe: Recipe, folder: Path) -> Run:
    """Write the recipe into a new run, or check that the run in the folder follows the same.

    A run that failed before it learnt anything is begun anew.
    """
    run, file = Run(folder, recipe), folder / "recipe.json"
    if file.is_file():
        found = open_run(folder)
        if found.recipe == recipe:
            return found
        if found.has_learnt:
            msg = (
                f"{folder}: holds a run of another recipe or with other settings; "
                "choose another --out, or the same settings to go on with it"
            )
            raise RecipeError(msg)
        run.manifest.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return run


def _keep(entries: Sequence[Entry], run: Run) -> None:
    """Put the manifest that was given into the run, unless that learns by another already."""
    if not (run.has_learnt and run.manifest.is_file()):
        manifest.write(entries, run.manifest)
    elif set(manifest.load(run.manifest)) != set(entries):
        msg = (
            f"{run.folder}: holds a run by another manifest; choose another --out, or the same "
            "--manifest (or none) to go on with it"
        )
        raise RecipeError(msg)


def _entries(run: Run, root: Path, watcher: Watcher) -> list[Entry]:
    if not run.manifest.is_file():
        with watcher.counting("comparing images") as count:
            folders = [root / name for name in run.recipe.data.sources]
            found = split(folders, seed=run.recipe.seed, progress=count)
        for note in found.notes:
            watcher.say(note)
        manifest.write(found.entries, run.manifest)
    entries = manifest.load(run.manifest)
    manifest.verify(entries, root)
    return entries


def _check_sides(recipe: Recipe, learnt: LabelledImages, held_out: LabelledImages) -> None:
    for side, images in (("training", learnt), ("validation", held_out)):
        missing = [
            name
            for number, name in enumerate(recipe.classes)
            if not images.allowed[:, number].any()
        ]
        if missing:
            msg = (
                f"the {side} folds hold no image of {', '.join(missing)}; add images of them, "
                "or set data.validation_fold to a fold that has some"
            )
            raise DatasetError(msg)


def _network(recipe: Recipe, init: Path | None, device: torch.device) -> Classifier:
    torch.manual_seed(recipe.seed)
    network = Classifier(len(recipe.classes), dropout=recipe.network.dropout if recipe.network else 0.0)
    if init is not None:
        load_keras_weights(network.backbone, init)
    # channels_last makes the depthwise convolutions three times as fast on a CPU
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _fit(
    network: Classifier,
    run: Run,
    name: str,
    training: LabelledImages,
    validation: LabelledImages | None,
    epochs: int,
    device: torch.device,
    watcher: Watcher,
) -> Fitted:
    watcher.say(f"{name}: {len(training)} images, {epochs} epochs on {device}")
    with watcher.fitting(name) as on_step:
        fitted = fit(
            network,
            run.recipe,
            training,
            validation,
            run.folder / name,
            epochs=epochs,
            device=device,
            on_step=on_step,
            on_epoch=watcher.epoch,
        )
    plot_curves(fitted.curves, fitted.best_epoch, run.folder / name / "curves.png")
    return fitted


def _calibrate(
    run: Run,
    network: Classifier,
    learnt: LabelledImages,
    held_out: LabelledImages,
    device: torch.device,
) -> None:
    reference = fit_novelty(run_network(network, learnt, device).features, learnt)
    answers = run_network(network, held_out, device)
    novelty = reference.distance(answers.features)
    found = calibrate(answers, held_out, run.recipe, novelty)
    text = json.dumps(found.model_dump(mode="json"), indent=2)
    run.calibration.write_text(text + "\n", encoding="utf-8")
