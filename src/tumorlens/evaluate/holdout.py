"""A model file on images that it has never seen: the test fold of the run that made it."""

from __future__ import annotations

import csv
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from tumorlens.data import manifest as manifests
from tumorlens.data.index import TUMOR
from tumorlens.data.split import split
from tumorlens.errors import DatasetError
from tumorlens.evaluate.metrics import accuracy, auroc, macro_f1, sensitivity, with_interval
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
    """

    model_config = ConfigDict(frozen=True)

    model: str
    model_sha256: str
    fold: int
    images: int
    metrics: tuple[Metric, ...]
    confusion: Confusion


def held_out_entries(
    metadata: ModelMetadata, root: Path, manifest: Path | None, progress: Progress | None = None
) -> list[Entry]:
    """The images of a model's test fold, once it is proven that it did not learn from them.

    The training side of the manifest must hash to what the model file says of its data.

    Args:
        metadata: Of the model.
        root: The folder that holds the model's sets.
        manifest: The manifest of the training run, or None to build it again.
        progress: Called with (images compared, images in all).

    Raises:
        DatasetError: The manifest is another one, or its files are missing or changed.
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
    if manifests.hash_by_source([e for e in entries if e.fold != test_fold]) != stated:
        msg = (
            f"{manifest or root}: not the images and folds that {metadata.name} was trained on; "
            "its training images could be among the test images. "
            "Name the manifest.csv of its training run with --manifest"
        )
        raise DatasetError(msg)
    chosen = [e for e in entries if e.fold == test_fold]
    manifests.verify(chosen, root)
    return chosen


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
    """Tumor against no tumor on sets that the model has not seen, each set by itself.

    This is what tells a model that has learnt tumors from one that has learnt collections: within
    one set, tumor and tumor-free pictures differ by the tumor only.
    """
    score, truth = _tumor_scores(model, entries, probabilities)
    figures = []
    for source in sorted({entry.source for entry in entries}):
        part = [i for i, entry in enumerate(entries) if entry.source == source]
        if truth[part].all() or not truth[part].any():
            continue  # one side is empty: there is nothing to tell apart
        groups = [entries[i].group for i in part]
        on = f"{source}, never seen"
        called = (score[part] >= model.metadata.thresholds.tumor).astype(np.intp)
        actual = truth[part].astype(np.intp)
        for name, statistic in (
            ("tumor AUROC", auroc(truth[part], score[part])),
            ("tumor sensitivity", sensitivity(actual, called, 1)),
            ("tumor specificity", sensitivity(actual, called, 0)),
        ):
            figures.append(with_interval(name, on, statistic, groups))
    return figures


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
    known = [i for i, entry in enumerate(entries) if entry.label in classes]
    if not known:
        msg = f"no image is labelled as one of {', '.join(classes)}"
        raise DatasetError(msg)
    truth = np.array([classes.index(entries[i].label) for i in known])
    chosen = probabilities[known].argmax(axis=1)
    metrics = _class_metrics(model, [entries[i] for i in known], truth, chosen)
    metrics += _kind_metrics(model, [entries[i] for i in known], truth, chosen)
    metrics += _tumor_metrics(model, entries, probabilities)
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (truth, chosen), 1)
    return Evaluation(
        model=model.metadata.name,
        model_sha256=model.sha256,
        fold=folds.pop(),
        images=len(entries),
        metrics=tuple(metrics),
        confusion=Confusion(
            on=_where([entries[i] for i in known]),
            classes=classes,
            counts=tuple(tuple(int(n) for n in row) for row in counts),
        ),
    )


def _class_metrics(
    model: Model, entries: list[Entry], truth: NDArray[np.intp], chosen: NDArray[np.intp]
) -> list[Metric]:
    groups = [entry.group for entry in entries]
    on = _where(entries)
    present = sorted({int(number) for number in truth})
    figures = [
        with_interval("accuracy", on, accuracy(truth, chosen), groups),
        with_interval("macro F1", on, macro_f1(truth, chosen, present), groups),
    ]
    for number in present:
        name = f"sensitivity {model.metadata.classes[number]}"
        figures.append(with_interval(name, on, sensitivity(truth, chosen, number), groups))
    return figures


def _kind_metrics(
    model: Model, entries: list[Entry], truth: NDArray[np.intp], chosen: NDArray[np.intp]
) -> list[Metric]:
    """How often the kind is right where there is a tumor: a missed tumor is a wrong kind."""
    positive = {model.metadata.classes.index(name) for name in model.metadata.positive}
    kept = [i for i, number in enumerate(truth) if int(number) in positive]
    if not kept or len(positive) == 1:
        return []
    groups = [entries[i].group for i in kept]
    on = _where([entries[i] for i in kept])
    statistic = accuracy(truth[kept], chosen[kept])
    return [with_interval("tumor kind accuracy", on, statistic, groups)]


def _tumor_metrics(
    model: Model, entries: Sequence[Entry], probabilities: NDArray[np.float64]
) -> list[Metric]:
    """Tumor against no tumor: within each source that has both, and over all of them."""
    score, truth = _tumor_scores(model, entries, probabilities)
    parts = [list(range(len(entries)))]
    parts += [
        [i for i, entry in enumerate(entries) if entry.source == source]
        for source in sorted({entry.source for entry in entries})
    ]
    figures = []
    for part in parts:
        inside = [entries[i] for i in part]
        if truth[part].all() or not truth[part].any():
            continue  # one side is empty: there is nothing to tell apart
        statistic = auroc(truth[part], score[part])
        figures.append(
            with_interval("tumor AUROC", _where(inside), statistic, [e.group for e in inside])
        )
    return figures


def _tumor_scores(
    model: Model, entries: Sequence[Entry], probabilities: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The tumor probability of each image, and whether it shows a tumor."""
    names = set(model.metadata.positive) | {TUMOR}
    columns = [model.metadata.classes.index(name) for name in model.metadata.positive]
    truth = np.array([entry.label in names for entry in entries])
    return probabilities[:, columns].sum(axis=1), truth


def _where(entries: Sequence[Entry]) -> str:
    """What some images are, in words: ``fold 1 of cheng and br35h``."""
    sources = list(dict.fromkeys(entry.source for entry in entries))
    folds = sorted({entry.fold for entry in entries})
    return f"fold {', '.join(map(str, folds))} of {' and '.join(sources)}"
