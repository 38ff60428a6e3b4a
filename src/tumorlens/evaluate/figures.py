"""Which figures are taken of answers, and over which images: the same for models and controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.index import TUMOR
from tumorlens.evaluate.metrics import accuracy, auroc, macro_f1, sensitivity, with_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import Metric, ModelMetadata

    Indices = NDArray[np.intp]
    Answers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, not yet measured: its interval takes time.

    Attributes:
        name: What it is.
        on: What it is over, in words.
        statistic: Of images with these indices; see `tumorlens.evaluate.metrics`.
        groups: The group of each image that it is over.
    """

    name: str
    on: str
    statistic: Callable[[Indices], float]
    groups: list[str]

    def measured(self) -> Metric:
        """Its value, with its 95 % interval."""
        return with_interval(self.name, self.on, self.statistic, self.groups)


def fold_figures(
    metadata: ModelMetadata, entries: Sequence[Entry], probabilities: Answers
) -> Iterator[Figure]:
    """The figures on the images of one fold.

    Images of known class are judged by their most probable class. An image that shows a tumor of
    unknown kind counts in the figures of tumor against no tumor only.

    Args:
        metadata: Its classes, and which of them are tumors.
        entries: The images.
        probabilities: The answers, (N, C).
    """
    known = known_rows(metadata, entries)
    inside = [entries[i] for i in known]
    truth = np.array([metadata.classes.index(entry.label) for entry in inside])
    chosen = probabilities[known].argmax(axis=1)
    yield from _class_figures(metadata, inside, truth, chosen)
    yield from _kind_figures(metadata, inside, truth, chosen)
    yield from _tumor_figures(metadata, entries, probabilities)


def unseen_figures(
    metadata: ModelMetadata, entries: Sequence[Entry], probabilities: Answers
) -> Iterator[Figure]:
    """Tumor against no tumor on sets that the model has not seen, each set by itself.

    This is what tells a model that has learnt tumors from one that has learnt collections: within
    one set, tumor and tumor-free pictures differ by the tumor only.
    """
    score, truth = _tumor_scores(metadata, entries, probabilities)
    for source in sorted({entry.source for entry in entries}):
        part = [i for i, entry in enumerate(entries) if entry.source == source]
        if truth[part].all() or not truth[part].any():
            continue  # one side is empty: there is nothing to tell apart
        groups = [entries[i].group for i in part]
        on = f"{source}, never seen"
        called = (score[part] >= metadata.thresholds.tumor).astype(np.intp)
        actual = truth[part].astype(np.intp)
        yield Figure("tumor AUROC", on, auroc(truth[part], score[part]), groups)
        yield Figure("tumor sensitivity", on, sensitivity(actual, called, 1), groups)
        yield Figure("tumor specificity", on, sensitivity(actual, called, 0), groups)


def known_rows(metadata: ModelMetadata, entries: Sequence[Entry]) -> list[int]:
    """The images whose class is one of the model's, by row."""
    return [i for i, entry in enumerate(entries) if entry.label in metadata.classes]


def where(entries: Sequence[Entry]) -> str:
    """What some images are, in words: ``fold 1 of cheng and br35h``."""
    sources = list(dict.fromkeys(entry.source for entry in entries))
    folds = sorted({entry.fold for entry in entries})
    return f"fold {', '.join(map(str, folds))} of {' and '.join(sources)}"


def _class_figures(
    metadata: ModelMetadata, entries: list[Entry], truth: Indices, chosen: Indices
) -> Iterator[Figure]:
    groups = [entry.group for entry in entries]
    on = where(entries)
    present = sorted({int(number) for number in truth})
    yield Figure("accuracy", on, accuracy(truth, chosen), groups)
    yield Figure("macro F1", on, macro_f1(truth, chosen, present), groups)
    for number in present:
        name = f"sensitivity {metadata.classes[number]}"
        yield Figure(name, on, sensitivity(truth, chosen, number), groups)


def _kind_figures(
    metadata: ModelMetadata, entries: list[Entry], truth: Indices, chosen: Indices
) -> Iterator[Figure]:
    """How often the kind is right where there is a tumor: a missed tumor is a wrong kind."""
    positive = {metadata.classes.index(name) for name in metadata.positive}
    kept = [i for i, number in enumerate(truth) if int(number) in positive]
    if not kept or len(positive) == 1:
        return
    inside = [entries[i] for i in kept]
    statistic = accuracy(truth[kept], chosen[kept])
    yield Figure("tumor kind accuracy", where(inside), statistic, [e.group for e in inside])


def _tumor_figures(
    metadata: ModelMetadata, entries: Sequence[Entry], probabilities: Answers
) -> Iterator[Figure]:
    """Tumor against no tumor: within each source that has both, and over all of them."""
    score, truth = _tumor_scores(metadata, entries, probabilities)
    parts = [list(range(len(entries)))]
    parts += [
        [i for i, entry in enumerate(entries) if entry.source == source]
        for source in sorted({entry.source for entry in entries})
    ]
    for part in parts:
        inside = [entries[i] for i in part]
        if truth[part].all() or not truth[part].any():
            continue  # one side is empty: there is nothing to tell apart
        statistic = auroc(truth[part], score[part])
        yield Figure("tumor AUROC", where(inside), statistic, [e.group for e in inside])


def _tumor_scores(
    metadata: ModelMetadata, entries: Sequence[Entry], probabilities: Answers
) -> tuple[Answers, NDArray[np.bool_]]:
    """The tumor probability of each image, and whether it shows a tumor."""
    names = set(metadata.positive) | {TUMOR}
    columns = [metadata.classes.index(name) for name in metadata.positive]
    truth = np.array([entry.label in names for entry in entries])
    return probabilities[:, columns].sum(axis=1), truth
