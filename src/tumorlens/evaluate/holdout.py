"""A model file on images that it has never seen: the test fold of the run that made it."""

from __future__ import annotations

import csv
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from tumorlens.data import manifest as manifests
from tumorlens.data.split import split
from tumorlens.errors import DatasetError
from tumorlens.evaluate.comparison import (
    ControlFigure,
    control_figures,
    not_measured,
    warnings_of,
)
from tumorlens.evaluate.figures import fold_figures, known_rows, unseen_figures, where
from tumorlens.evaluate.tables import to_markdown
from tumorlens.model.format import Metric
from tumorlens.model.prepare import prepare
from tumorlens.scan import read
from tumorlens.train.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import ModelMetadata
    from tumorlens.model.run import Model

    Progress = Callable[[int, int], None]


class Confusion(BaseModel):
    """Counts of true class (row) against chosen class (column)."""

    model_config = ConfigDict(frozen=True)

    on: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class Evaluation(BaseModel):
    """What a model file scored on the test fold of a manifest.

    Attributes:
        model: Name of the model.
        model_sha256: Hash of the file that was measured.
        fold: The test fold.
        images: How many images it holds.
        metrics: Every figure, with its interval and what it is on.
        confusion: Of the images whose class is known.
        controls: What controls that learnt from the same images scored in the figures that a
            model is chosen by; none in evaluations of earlier versions.
        warnings: What the controls say of the model's figures, a sentence each.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    model_sha256: str
    fold: int
    images: int
    metrics: tuple[Metric, ...]
    confusion: Confusion
    controls: tuple[ControlFigure, ...] = ()
    warnings: tuple[str, ...] = ()


class Sides(NamedTuple):
    """The two sides of a model's manifest."""

    training: list[Entry]
    held_out: list[Entry]


def held_out_entries(
    metadata: ModelMetadata, root: Path, manifest: Path | None, progress: Progress | None = None
) -> list[Entry]:
    """The images of a model's test fold; see `sides`."""
    return sides(metadata, root, manifest, progress).held_out


def sides(
    metadata: ModelMetadata, root: Path, manifest: Path | None, progress: Progress | None = None
) -> Sides:
    """What a model learnt from, and its test fold, once it is proven that they are apart.

    The training side of the manifest must hash to what the model file says of its data.

    Args:
        metadata: Of the model.
        root: The folder that holds the model's sets.
        manifest: The manifest of the training run, or None to build it again.
        progress: Called with (images compared, images in all).

    Raises:
        DatasetError: The manifest is another one, or files of the test fold are missing or changed.
        RecipeError: The model file does not say how it was trained.
    """
    recipe = Recipe.of_model(metadata)
    sources = recipe.data.sources
    entries = (
        manifests.load(manifest)
        if manifest
        else split([root / name for name in sources], seed=recipe.seed, progress=progress).entries
    )
    test_fold = recipe.data.test_fold
    stated = {source.name: source.manifest_sha256 for source in metadata.data}
    training = [e for e in entries if e.fold != test_fold]
    if manifests.hash_by_source(training) != stated:
        msg = (
            f"{manifest or root}: not the images and folds that {metadata.name} was trained on; "
            "its training images could be among the test images. "
            "Name the manifest.csv of its training run with --manifest"
        )
        raise DatasetError(msg)
    held_out = [e for e in entries if e.fold == test_fold]
    manifests.verify(held_out, root)
    return Sides(training, held_out)


def unseen_entries(
    metadata: ModelMetadata, root: Path, sources: Sequence[str], progress: Progress | None = None
) -> list[Entry]:
    """The images of sets that the model learnt nothing from: one file of each distinct picture.

    Raises:
        DatasetError: The model was trained on one of them, or one cannot be used.
    """
    learnt = {source.name for source in metadata.data}
    if seen := sorted(learnt & set(sources)):
        msg = f"{metadata.name} was trained on {', '.join(seen)}; name sets that it has not seen"
        raise DatasetError(msg)
    return list(split([root / name for name in sources], progress=progress).entries)


def evaluate_unseen(
    model: Model, entries: Sequence[Entry], probabilities: NDArray[np.float64]
) -> list[Metric]:
    """Tumor against no tumor on sets that the model has not seen, each set by itself."""
    return [figure.measured() for figure in unseen_figures(model.metadata, entries, probabilities)]


def beside_controls(
    result: Evaluation,
    metadata: ModelMetadata,
    root: Path,
    sides: Sides,
    *,
    unseen: Sequence[Entry] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """An evaluation with the controls beside it, and what they say of its figures.

    Where the training images are not at hand, there are no controls and a warning says why.

    Args:
        result: The model's own figures.
        metadata: Of the model.
        root: The folder that holds the sets.
        sides: What the model learnt from, and its test fold.
        unseen: Images of sets that the model never saw, if they were measured.
        progress: Called with (images looked at, images in all).
    """
    try:
        controls = control_figures(
            metadata,
            root,
            training=sides.training,
            held_out=sides.held_out,
            unseen=unseen,
            progress=progress,
        )
    except DatasetError as error:
        return result.model_copy(update={"warnings": (not_measured(error),)})
    warnings = warnings_of(result.metrics, controls)
    return result.model_copy(update={"controls": tuple(controls), "warnings": tuple(warnings)})


def save(
    result: Evaluation,
    metadata: ModelMetadata,
    entries: Sequence[Entry],
    probabilities: NDArray[np.float64],
    folder: Path,
) -> None:
    """Write ``evaluation.json``, ``evaluation.md`` and ``predictions.csv`` (a line an image)."""
    folder.mkdir(parents=True, exist_ok=True)
    text = result.model_dump_json(indent=2) + "\n"
    (folder / "evaluation.json").write_text(text, encoding="utf-8")
    (folder / "evaluation.md").write_text(to_markdown(result), encoding="utf-8")
    with (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "label", "group", *metadata.classes])
        for entry, row in zip(entries, probabilities, strict=True):
            values = [f"{value:.6f}" for value in row]
            writer.writerow([entry.name, entry.label, entry.group, *values])


def load_evaluation(path: Path) -> Evaluation:
    """Read an ``evaluation.json``.

    Raises:
        DatasetError: No such file, or not one.
    """
    try:
        return Evaluation.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path}: not an evaluation ({error}); `tumorlens evaluate` writes one"
        raise DatasetError(msg) from error


def predict(
    model: Model, root: Path, entries: Sequence[Entry], progress: Progress | None = None
) -> NDArray[np.float64]:
    """The model's probabilities (N, C) for the images of a manifest, in order."""
    spec = model.metadata.input

    def one(entry: Entry) -> NDArray[np.float32]:
        scan = next(read(root / entry.name))
        row: NDArray[np.float32] = model.run(prepare(scan.pixels, spec).tensor[None]).probabilities[
            0
        ]
        return row

    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, row in enumerate(pool.map(one, entries), start=1):
            rows.append(row)
            if progress:
                progress(number, len(entries))
    return np.asarray(rows, np.float64)


def evaluate(
    model: Model, entries: Sequence[Entry], probabilities: NDArray[np.float64]
) -> Evaluation:
    """The figures of a model on the images of one fold.

    Images of known class are judged by their most probable class. An image that shows a tumor of
    unknown kind counts in the figures of tumor against no tumor only.

    Args:
        model: The model that answered.
        entries: Images of one fold.
        probabilities: Its answers, (N, C).

    Raises:
        DatasetError: The images are of several folds, or none is of the model's classes.
    """
    folds = {entry.fold for entry in entries}
    if len(folds) != 1:
        msg = f"the images must be of one fold, got folds {sorted(folds)}"
        raise DatasetError(msg)
    classes = model.metadata.classes
    known = known_rows(model.metadata, entries)
    if not known:
        msg = f"no image is labelled as one of {', '.join(classes)}"
        raise DatasetError(msg)
    figures = fold_figures(model.metadata, entries, probabilities)
    counts = np.zeros((len(classes), len(classes)), int)
    truth = [classes.index(entries[i].label) for i in known]
    np.add.at(counts, (truth, probabilities[known].argmax(axis=1)), 1)
    return Evaluation(
        model=model.metadata.name,
        model_sha256=model.sha256,
        fold=folds.pop(),
        images=len(entries),
        metrics=tuple(figure.measured() for figure in figures),
        confusion=Confusion(
            on=where([entries[i] for i in known]),
            classes=classes,
            counts=tuple(tuple(int(n) for n in row) for row in counts),
        ),
    )
