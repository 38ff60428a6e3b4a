"""What a tumor threshold means: sensitivity, specificity, and what is left to a person."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.index import NO_TUMOR, TUMOR, class_name
from tumorlens.errors import DatasetError
from tumorlens.evaluate.answers import NOT_CLASSES
from tumorlens.evaluate.metrics import bootstrap
from tumorlens.model.run import PROBABILITY_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tumorlens.evaluate.evaluation import Confusion, Part
    from tumorlens.model.format import ModelMetadata

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Interval = tuple[float, float]

# Fewer than the 2,000 of an evaluation: a slider that is moved must answer at once.
RESAMPLES = 400
# Points of a curve over the thresholds: one a hundredth.
STEPS = 101
# A file of more answers than this is not one evaluation.
MOST_ANSWERS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Images with a known truth and the tumor probability that a model gave them.

    Attributes:
        scores: float64 (N,), the tumor probabilities.
        tumor: bool (N,), whether there is one.
        groups: The group (patient, or near-copies) of each.
        sources: The set of each; empty text where its name has none.
        left_out: How many images of the file have a label that says neither.
    """

    scores: Floats
    tumor: Mask
    groups: tuple[str, ...]
    sources: tuple[str, ...]
    left_out: int = 0

    def of(self, source: str) -> Scored:
        """The images of one set."""
        rows = [i for i, one in enumerate(self.sources) if one == source]
        return Scored(
            self.scores[rows],
            self.tumor[rows],
            tuple(self.groups[i] for i in rows),
            tuple(self.sources[i] for i in rows),
        )

    @property
    def has_both(self) -> bool:
        """Whether there are images with and without a tumor."""
        return bool(self.tumor.any()) and not bool(self.tumor.all())


@dataclass(frozen=True, slots=True)
class Share:
    """A share of some images, with its 95 % interval where it was asked for."""

    part: int
    whole: int
    interval: Interval | None = None

    @property
    def value(self) -> float:
        """In [0, 1]; not a number where there are no images."""
        return self.part / self.whole if self.whole else float("nan")


@dataclass(frozen=True, slots=True)
class Operating:
    """What becomes of some images at two thresholds.

    Attributes:
        sensitivity: Of those with a tumor, the share that is called a tumor.
        specificity: Of those without, the share that is called no tumor.
        called: Of all, the share that is called a tumor.
        left: Of all, the share that is left to a person.
        counts: For images with a tumor, then without: called tumor, left to a person, called no
            tumor.
    """

    sensitivity: Share
    specificity: Share
    called: Share
    left: Share
    counts: tuple[tuple[int, int, int], tuple[int, int, int]]


def read_answers(name: str, data: bytes) -> Scored:
    """Read a ``predictions.csv`` of ``tumorlens evaluate``, or a table like it.

    Its columns are ``name``, ``label``, and a probability for each class, ``no_tumor`` among them;
    ``group`` where there is one.

    Raises:
        DatasetError: It is no such table.
    """
    try:
        reader = csv.DictReader(data.decode("utf-8-sig").splitlines())
        classes = [one for one in reader.fieldnames or () if one not in NOT_CLASSES]
        rows = list(reader)
        _check_columns(name, reader.fieldnames or (), classes, len(rows))
        values = np.array([[float(row[one]) for one in classes] for row in rows], np.float64)
    except (UnicodeDecodeError, ValueError, TypeError, csv.Error) as error:
        msg = f"{name}: not a table of answers ({error}); `tumorlens evaluate` writes one"
        raise DatasetError(msg) from error
    _check_shares(name, values)
    tumors = [i for i, one in enumerate(classes) if class_name(one) != NO_TUMOR]
    scores = np.clip(values[:, tumors].sum(axis=1), 0, 1)
    return _known(name, rows, [class_name(one) for one in classes], scores)


def operating(scored: Scored, tumor: float, no_tumor: float) -> Operating:
    """What becomes of some images.

    Args:
        scored: The images.
        tumor: A tumor probability at or above this is called a tumor.
        no_tumor: One at or below this, and not a tumor, is called no tumor; between the two the
            image is left to a person.
    """
    called = scored.scores >= tumor
    cleared = (scored.scores <= no_tumor) & ~called
    left = ~called & ~cleared
    everything = np.ones(len(called), np.bool_)
    return Operating(
        sensitivity=_share(called, scored.tumor, scored.groups),
        specificity=_share(cleared, ~scored.tumor, scored.groups),
        called=_share(called, everything, scored.groups),
        left=_share(left, everything, scored.groups),
        counts=(
            _counts(scored.tumor, called, left, cleared),
            _counts(~scored.tumor, called, left, cleared),
        ),
    )


def over_thresholds(scored: Scored) -> tuple[Floats, Floats, Floats]:
    """Thresholds, with the sensitivity and the specificity at each, all (S,); one threshold."""
    thresholds = np.linspace(0, 1, STEPS)
    positive, negative = np.sort(scored.scores[scored.tumor]), np.sort(scored.scores[~scored.tumor])
    missed = np.searchsorted(positive, thresholds, side="left") / max(len(positive), 1)
    cleared = np.searchsorted(negative, thresholds, side="left") / max(len(negative), 1)
    return thresholds, 1 - missed, cleared


def best_specificity(part: Part, curve_name: str, sensitivity: float) -> float:
    """The highest specificity on a published ROC curve at no less than a sensitivity.

    Raises:
        KeyError: The part has no such curve.
    """
    curves = {one.name: one.roc for one in (part.curves.classes if part.curves else ())}
    roc = curves[curve_name]
    return 1 - min(x for x, y in zip(roc.x, roc.y, strict=True) if y >= sensitivity)


def truths(confusion: Confusion) -> tuple[int, int]:
    """How many images with and without a tumor a confusion of the two counts."""
    totals = {
        class_name(name): sum(counts)
        for name, counts in zip(confusion.classes, confusion.counts, strict=True)
    }
    without = totals.get(NO_TUMOR, 0)
    return sum(totals.values()) - without, without


def starting_thresholds(scored_by: ModelMetadata | None) -> tuple[float, float]:
    """The tumor and the no-tumor threshold of a model; one half without one."""
    if scored_by is None:
        return 0.5, 0.5
    return scored_by.thresholds.tumor, scored_by.thresholds.no_tumor


def _check_columns(name: str, columns: Sequence[str], classes: Sequence[str], images: int) -> None:
    missing = [one for one in ("name", "label") if one not in columns]
    has_none = any(class_name(one) == NO_TUMOR for one in classes)
    if missing or not has_none or len(classes) < 2:  # noqa: PLR2004  (tumor against none)
        wanted = "the columns name and label, and one of probabilities for each class"
        msg = f"{name}: not a table of answers; it needs {wanted}, no_tumor among them"
        raise DatasetError(msg)
    if not 0 < images <= MOST_ANSWERS:
        msg = f"{name}: holds {images} answers; give a table of 1 to {MOST_ANSWERS}"
        raise DatasetError(msg)


def _check_shares(name: str, values: Floats) -> None:
    off = np.abs(values.sum(axis=1) - 1)
    wrong = ~np.isfinite(values).all(axis=1) | (values < 0).any(axis=1)
    wrong |= ~(off <= PROBABILITY_TOLERANCE)
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0]) + 2
        msg = f"{name}: the probabilities in line {line} are not shares of 1"
        raise DatasetError(msg)


def _known(
    name: str, rows: Sequence[dict[str, str]], classes: Sequence[str], scores: Floats
) -> Scored:
    """The rows whose label says whether there is a tumor."""
    tumors = {TUMOR, *classes} - {NO_TUMOR}
    labels = [class_name(row["label"] or "") for row in rows]
    kept = [i for i, label in enumerate(labels) if label in tumors or label == NO_TUMOR]
    if not kept:
        msg = f"{name}: no label says whether there is a tumor; it may be {', '.join(classes)}"
        raise DatasetError(msg)
    return Scored(
        scores=scores[kept],
        tumor=np.array([labels[i] != NO_TUMOR for i in kept], np.bool_),
        groups=tuple(rows[i].get("group") or rows[i]["name"] for i in kept),
        sources=tuple(_source(rows[i]["name"]) for i in kept),
        left_out=len(rows) - len(kept),
    )


def _source(name: str) -> str:
    head, slash, _ = name.partition("/")
    return head if slash else ""


def _share(chosen: Mask, among: Mask, groups: tuple[str, ...]) -> Share:
    rows = np.flatnonzero(among)
    inside = chosen[rows]
    if not len(rows):
        return Share(0, 0)
    low, high = bootstrap(
        lambda indices: float(inside[indices].mean()),
        [groups[i] for i in rows],
        resamples=RESAMPLES,
    )
    return Share(int(inside.sum()), len(rows), (low, high))


def _counts(of: Mask, called: Mask, left: Mask, cleared: Mask) -> tuple[int, int, int]:
    tumor, person, none = (int((of & one).sum()) for one in (called, left, cleared))
    return tumor, person, none
