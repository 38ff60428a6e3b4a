"""All figures, the confusion and the curves on some images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.index import NO_TUMOR, TUMOR
from tumorlens.evaluate.curves import curves_of
from tumorlens.evaluate.details import class_families, measure, tumor_families
from tumorlens.evaluate.evaluation import Confusion, Part
from tumorlens.evaluate.figures import tumor_probability, where
from tumorlens.evaluate.truth import Truth, truth_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.evaluate.evaluation import Evaluation
    from tumorlens.model.format import Metric, ModelMetadata

    Answers = NDArray[np.float64]

REST = "without copies of what was learnt from"
"""The part of a test side that shares no group of near-copies with the training side."""

_RATE_DIGITS = 6


def part_of(
    metadata: ModelMetadata,
    entries: Sequence[Entry],
    probabilities: Answers,
    part: str = "",
    *,
    on: str | None = None,
) -> Part:
    """All figures on some images.

    Args:
        metadata: Of the model.
        entries: The images.
        probabilities: The answers, (N, C).
        part: Which part of their fold they are, in words; empty for all of it.
        on: What they are, in words, where that is no fold.
    """
    truth = truth_of(metadata, entries)
    figures: list[Metric] = []
    rows = truth.with_kind
    if len(rows):
        inside = [entries[i] for i in rows]
        families = class_families(metadata, truth.kind[rows], probabilities[rows])
        figures += measure(families, [e.group for e in inside], on or where(inside, part))
    tumor_confusion = None
    rows = truth.with_tumor
    if len(set(truth.tumor[rows].tolist())) > 1:
        inside = [entries[i] for i in rows]
        known = Truth(truth.kind[rows], truth.tumor[rows])
        families = tumor_families(metadata, known, probabilities[rows])
        figures += measure(families, [e.group for e in inside], on or where(inside, part))
        tumor_confusion = _of_tumors(
            metadata, known, probabilities[rows], on or where(inside, part)
        )
    return Part(
        on=on or where(entries, part),
        images=len(entries),
        groups=len({entry.group for entry in entries}),
        figures=tuple(figures),
        confusion=_of_kinds(metadata, entries, probabilities, part, on),
        tumor_confusion=tumor_confusion,
        curves=curves_of(metadata, truth, probabilities),
    )


def confusion_of(
    metadata: ModelMetadata, entries: Sequence[Entry], probabilities: Answers
) -> Confusion:
    """The confusion of the classes, or of tumor against no tumor where no class is known."""
    found = _of_kinds(metadata, entries, probabilities)
    if found is not None:
        return found
    truth = truth_of(metadata, entries)
    rows = truth.with_tumor
    known = Truth(truth.kind[rows], truth.tumor[rows])
    on = where([entries[i] for i in rows])
    return _of_tumors(metadata, known, probabilities[rows], on)


def where_all(result: Evaluation) -> str:
    """What the test side of an evaluation is, in words."""
    return result.parts[0].on if result.parts else result.confusion.on


def _of_kinds(
    metadata: ModelMetadata,
    entries: Sequence[Entry],
    probabilities: Answers,
    part: str = "",
    on: str | None = None,
) -> Confusion | None:
    truth = truth_of(metadata, entries)
    rows = truth.with_kind
    if not len(rows):
        return None
    chosen = probabilities[rows].argmax(axis=1)
    place = on or where([entries[i] for i in rows], part)
    return _confusion(truth.kind[rows], chosen, metadata.classes, place)


def _of_tumors(metadata: ModelMetadata, truth: Truth, probabilities: Answers, on: str) -> Confusion:
    called = tumor_probability(metadata, probabilities) >= metadata.thresholds.tumor
    return _confusion(truth.tumor, called.astype(np.intp), (NO_TUMOR, TUMOR), on)


def _confusion(
    truth: NDArray[np.intp], chosen: NDArray[np.intp], classes: tuple[str, ...], on: str
) -> Confusion:
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(truth, chosen, labels=range(len(classes)))
    rates = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return Confusion(
        on=on,
        classes=classes,
        counts=tuple(tuple(row) for row in counts.tolist()),
        rates=tuple(tuple(row) for row in rates.round(_RATE_DIGITS).tolist()),
    )
