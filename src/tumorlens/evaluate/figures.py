"""The figures that a model is chosen by, and over which images; controls are asked for the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.evaluate.metrics import accuracy, auroc, macro_f1, sensitivity, with_interval
from tumorlens.evaluate.truth import truth_of

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
    metadata: ModelMetadata, entries: Sequence[Entry], probabilities: Answers, part: str = ""
) -> Iterator[Figure]:
    """The figures on the images of one fold.

    Images of known class are judged by their most probable class. An image that shows a tumor of
    unknown kind counts in the figures of tumor against no tumor only.

    Args:
        metadata: Its classes, and which of them are tumors.
        entries: The images.
        probabilities: The answers, (N, C).
        part: Which part of the fold they are, in words that follow a comma; empty for all of it.
    """
    truth = truth_of(metadata, entries)
    known = truth.with_kind
    inside = [entries[i] for i in known]
    chosen = probabilities[known].argmax(axis=1)
    yield from _class_figures(metadata, inside, truth.kind[known], chosen, part)
    yield from _kind_figures(metadata, inside, truth.kind[known], probabilities[known], part)
    yield from _tumor_figures(metadata, entries, probabilities, part)


def unseen_figures(
    metadata: ModelMetadata, entries: Sequence[Entry], probabilities: Answers
) -> Iterator[Figure]:
    """Tumor against no tumor on sets that the model has not seen, each set by itself.

    This is what tells a model that has learnt tumors from one that has learnt collections: within
    one set, tumor and tumor-free pictures differ by the tumor only.
    """
    score, truth, rows = _tumor_scores(metadata, entries, probabilities)
    for source in sorted({entry.source for entry in entries}):
        part = [i for i in rows if entries[i].source == source]
        if not _has_both(truth[part]):
            continue
        groups = [entries[i].group for i in part]
        on = f"{source}, never seen"
        called = (score[part] >= metadata.thresholds.tumor).astype(np.intp)
        actual = truth[part].astype(np.intp)
        yield Figure("tumor AUROC", on, auroc(truth[part], score[part]), groups)
        yield Figure("tumor sensitivity", on, sensitivity(actual, called, 1), groups)
        yield Figure("tumor specificity", on, sensitivity(actual, called, 0), groups)


def where(entries: Sequence[Entry], part: str = "") -> str:
    """What some images are, in words: ``fold 1 of cheng and br35h``, ``all of mine``."""
    sources = " and ".join(dict.fromkeys(entry.source for entry in entries))
    folds = {entry.fold for entry in entries}
    of = f"fold {folds.pop()}" if len(folds) == 1 else "all"
    return f"{of} of {sources}" + (f", {part}" if part else "")


def _class_figures(
    metadata: ModelMetadata, entries: list[Entry], truth: Indices, chosen: Indices, part: str
) -> Iterator[Figure]:
    if not entries:
        return
    groups = [entry.group for entry in entries]
    on = where(entries, part)
    present = sorted({int(number) for number in truth})
    yield Figure("accuracy", on, accuracy(truth, chosen), groups)
    yield Figure("macro F1", on, macro_f1(truth, chosen, present), groups)
    for number in present:
        name = f"sensitivity {metadata.classes[number]}"
        yield Figure(name, on, sensitivity(truth, chosen, number), groups)


def _kind_figures(
    metadata: ModelMetadata, entries: list[Entry], truth: Indices, answers: Answers, part: str
) -> Iterator[Figure]:
    """How often the kind is right where there is a tumor.

    First over all classes, where a missed tumor is a wrong kind; then among the kinds alone, given
    that there is a tumor. Only the latter compares with models that know no other class.
    """
    positive = sorted(metadata.classes.index(name) for name in metadata.positive)
    kept = [i for i, number in enumerate(truth) if int(number) in positive]
    if not kept or len(positive) == 1:
        return
    inside = [entries[i] for i in kept]
    groups, on = [entry.group for entry in inside], where(inside, part)
    chosen = answers[kept].argmax(axis=1)
    yield Figure("tumor kind accuracy", on, accuracy(truth[kept], chosen), groups)
    if len(positive) == len(metadata.classes):
        return
    among = np.array(positive, np.intp)[answers[kept][:, positive].argmax(axis=1)]
    present = sorted({int(number) for number in truth[kept]})
    given = "given a tumor"
    yield Figure(f"kind accuracy, {given}", on, accuracy(truth[kept], among), groups)
    yield Figure(f"kind macro F1, {given}", on, macro_f1(truth[kept], among, present), groups)


def _tumor_figures(
    metadata: ModelMetadata, entries: Sequence[Entry], probabilities: Answers, part: str
) -> Iterator[Figure]:
    """Tumor against no tumor: within each source that has both, and over all of them."""
    score, truth, rows = _tumor_scores(metadata, entries, probabilities)
    sources = sorted({entry.source for entry in entries})
    over = [list(rows)]
    if len(sources) > 1:
        over += [[i for i in rows if entries[i].source == source] for source in sources]
    for chosen in over:
        if _has_both(truth[chosen]):
            inside = [entries[i] for i in chosen]
            statistic = auroc(truth[chosen], score[chosen])
            groups = [entry.group for entry in inside]
            yield Figure("tumor AUROC", where(inside, part), statistic, groups)


def _tumor_scores(
    metadata: ModelMetadata, entries: Sequence[Entry], probabilities: Answers
) -> tuple[Answers, NDArray[np.bool_], Indices]:
    """The tumor probability of each image, whether it shows a tumor, and of which that is known."""
    truth = truth_of(metadata, entries)
    return tumor_probability(metadata, probabilities), truth.tumor == 1, truth.with_tumor


def tumor_probability(metadata: ModelMetadata, probabilities: Answers) -> Answers:
    """The probabilities of the classes that are tumors, summed; (N, C) → (N,)."""
    columns = [metadata.classes.index(name) for name in metadata.positive]
    summed: Answers = probabilities[:, columns].sum(axis=1)
    return summed


def _has_both(truth: NDArray[np.bool_]) -> bool:
    """Whether there is anything to tell apart."""
    return bool(truth.any()) and not bool(truth.all())
