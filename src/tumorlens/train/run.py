"""A training run: from a recipe and a folder of data to everything that an export needs.

A run's folder holds ``recipe.json``, ``manifest.csv``, and what its method adds; a network adds
what `tumorlens.train.neural` tells of.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from tumorlens.data import manifest
from tumorlens.data.split import split
from tumorlens.errors import DatasetError, RecipeError
from tumorlens.train.folders import make_folder, set_folders
from tumorlens.train.memory import keep_freed_memory
from tumorlens.train.recipe import Recipe
from tumorlens.train.workers import local_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tumorlens.data.manifest import Entry
    from tumorlens.train.fit import Epoch, Step

DEVICES = ("auto", "cpu", "cuda")
SELECT, REFIT = "select", "refit"
"""The folders of a run's fits."""

LINES_DRAWN = 8
"""Training images whose changes are drawn: what fits a screen."""


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
    def start(self) -> Path:
        """What the weights began from."""
        return self.folder / "start.json"

    @property
    def network(self) -> Path:
        """The network's layers, for a reader."""
        return self.folder / "network.txt"

    @property
    def features(self) -> Path:
        """The folder of a frozen extractor's features, while they are needed."""
        return self.folder / "features"

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
    def time(self) -> Path:
        """How long the run took, all its sessions together."""
        return self.folder / "time.json"

    @property
    def seconds(self) -> float | None:
        """How long the run took, from reading images to the last weights; None if not known."""
        try:
            return float(json.loads(self.time.read_text(encoding="utf-8"))["seconds"])
        except (OSError, ValueError, LookupError, TypeError):
            return None

    @property
    def classifier(self) -> Path:
        """What a classical pipeline decides by."""
        return self.folder / "classifier.onnx"

    @property
    def has_learnt(self) -> bool:
        """Whether anything was learnt in it that another start would throw away."""
        learnt = (self.weights, self.classifier, self.folder / SELECT / "last.pt")
        return any(file.is_file() for file in learnt)


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


class Silent:
    """A `Watcher` that tells nobody: for all processes of a run but the first."""

    def say(self, text: str) -> None:
        """Take note of nothing."""

    def epoch(self, line: Epoch) -> None:
        """Take note of nothing."""

    @contextmanager
    def counting(self, what: str) -> Iterator[Callable[[int, int], None]]:  # noqa: ARG002
        """Gives a function that does nothing."""
        yield lambda _done, _total: None

    @contextmanager
    def fitting(self, what: str) -> Iterator[Callable[[Step], None]]:  # noqa: ARG002
        """Gives a function that does nothing."""
        yield lambda _step: None


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

    The images of the test fold are never opened.

    Args:
        recipe: What to do.
        root: The folder that holds the recipe's sets.
        folder: Where the run is kept.
        init: A Keras weight file for a network's extractor, or None to start from chance.
        device: Where to compute.
        watcher: Is told of progress.
        entries: The manifest to train by, instead of one that is built from the recipe's sets.

    Raises:
        DatasetError, RecipeError, ModelError, ScanError: Naming what is wrong.
    """
    keep_freed_memory()
    with _timed(Run(folder, recipe)):
        return _carry_out(recipe, root, folder, init, device, watcher, entries)


def _carry_out(
    recipe: Recipe,
    root: Path,
    folder: Path,
    init: Path | None,
    device: torch.device,
    watcher: Watcher,
    entries: Sequence[Entry] | None,
) -> Run:
    """The method that a recipe names."""
    # The methods are imported when they are needed: each brings libraries of its own.
    if recipe.classical is not None:
        from tumorlens.train.classical.run import train_classical

        return train_classical(recipe, root, folder, init=init, watcher=watcher, entries=entries)
    if recipe.dense is not None:
        from tumorlens.train.dense.train import train_dense

        return train_dense(
            recipe, root, folder, init=init, device=device, watcher=watcher, entries=entries
        )
    from tumorlens.train.neural import train_network

    return train_network(
        recipe, root, folder, init=init, device=device, watcher=watcher, entries=entries
    )


@contextmanager
def _timed(run: Run) -> Iterator[None]:
    """Add what is done inside to the time of a run; a session that is killed adds nothing."""
    started = time.perf_counter()
    try:
        yield
    finally:
        if run.folder.is_dir() and local_rank() == 0:
            seconds = run.seconds or 0.0
            seconds = round(seconds + time.perf_counter() - started, 1)
            text = json.dumps({"seconds": seconds}) + "\n"
            run.time.write_text(text, encoding="utf-8")


def begin(
    recipe: Recipe,
    root: Path,
    folder: Path,
    watcher: Watcher,
    entries: Sequence[Entry] | None = None,
) -> tuple[Run, list[Entry]]:
    """Make a run's folder, or open it: the first step of every method.

    1. Write the recipe, or check that the run in the folder follows the same.
    2. Split the recipe's sets, or use the manifest that is given or that the run's folder has.
    3. Name the classes by the labels, where the recipe leaves that to the data.

    Returns:
        The run, whose recipe names its classes, and the manifest, the test fold included.

    Raises:
        DatasetError, RecipeError: Naming what is wrong.
    """
    if entries is not None:
        sources = tuple(dict.fromkeys(entry.source for entry in entries))
        data = recipe.data.model_copy(update={"sources": sources})
        recipe = recipe.model_copy(update={"data": data})
    run = _start(recipe, folder)
    if entries is not None:
        _keep(entries, run)
    found = _entries(run, root, watcher)
    named = _named(recipe, found)
    if named != run.recipe:
        run = Run(folder, named)
        _write_recipe(run)
    return run, found


def draw_changes(
    recipe: Recipe,
    root: Path,
    folder: Path,
    target: Path,
    *,
    watcher: Watcher,
    entries: Sequence[Entry] | None = None,
) -> None:
    """Draw some training images and what augmentation makes of them, label by label.

    Args:
        recipe: Whose changes are drawn.
        root: The folder that holds the recipe's sets.
        folder: Where the run is kept, which is begun by this.
        target: The picture to write.
        watcher: Is told of progress.
        entries: The manifest to train by, instead of one that is built from the recipe's sets.

    Raises:
        DatasetError, RecipeError, ScanError: Naming what is wrong.
    """
    from tumorlens.train.augment import preview
    from tumorlens.train.dataset import load_images

    run, found = begin(recipe, root, folder, watcher, entries)
    sides = {run.recipe.data.test_fold, run.recipe.data.validation_fold}
    learnt = [entry for entry in found if entry.fold not in sides]
    of_label: dict[str, list[Entry]] = {}
    for entry in learnt:
        of_label.setdefault(entry.label, []).append(entry)
    each = -(-LINES_DRAWN // len(of_label)) if of_label else 0
    chosen = [entry for label in sorted(of_label) for entry in of_label[label][:each]]
    if not chosen:
        msg = "the training folds hold no image"
        raise DatasetError(msg)
    images = load_images(root, chosen[:LINES_DRAWN], run.recipe)
    preview(images.pixels.float() / 255, run.recipe.augment, target, seed=run.recipe.seed)


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
    if not available or name == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", local_rank() % torch.cuda.device_count())


def _start(recipe: Recipe, folder: Path) -> Run:
    """Write the recipe into a new run, or check that the run in the folder follows the same.

    A run that failed before it learnt anything is begun anew.
    """
    run, file = Run(folder, recipe), folder / "recipe.json"
    if file.is_file():
        found = open_run(folder)
        if found.recipe == recipe or _is_named_by(found, recipe):
            return found
        if found.has_learnt:
            msg = (
                f"{folder}: holds a run of another recipe or with other settings; "
                "choose another --out, or the same settings to go on with it"
            )
            raise RecipeError(msg)
        run.manifest.unlink(missing_ok=True)
    make_folder(folder)
    _write_recipe(run)
    return run


def _is_named_by(found: Run, asked: Recipe) -> bool:
    """Whether a run follows the recipe that is asked for, with the classes of its manifest."""
    if asked.classes or not found.manifest.is_file():
        return False
    return _named(asked, manifest.load(found.manifest)) == found.recipe


def _named(recipe: Recipe, entries: Sequence[Entry]) -> Recipe:
    """The recipe with the classes of the images that are learnt from."""
    return recipe.for_labels(e.label for e in entries if e.fold != recipe.data.test_fold)


def _write_recipe(run: Run) -> None:
    text = run.recipe.model_dump_json(indent=2) + "\n"
    (run.folder / "recipe.json").write_text(text, encoding="utf-8")


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
        data = run.recipe.data
        with watcher.counting("comparing images") as count:
            folders = set_folders(root, data.sources)
            found = split(folders, by=data.split, seed=run.recipe.seed, progress=count)
        for note in found.notes:
            watcher.say(note)
        manifest.write(found.entries, run.manifest)
    entries = manifest.load(run.manifest)
    # the test fold stays closed, whatever has become of its files
    manifest.verify([e for e in entries if e.fold != run.recipe.data.test_fold], root)
    return entries
