"""The curves behind the figures: ROC, precision against recall, and reliability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from tumorlens.evaluate.figures import tumor_probability
from tumorlens.evaluate.metrics import BINS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.evaluate.truth import Truth
    from tumorlens.model.format import ModelMetadata

    Floats = NDArray[np.float64]

POINTS = 150
"""Most points of a curve that are kept: more cannot be told apart on a screen."""

DIGITS = 5

ANY_TUMOR = "any tumor"
"""The name of the curves of tumor against no tumor, where there are several kinds."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Curve(_Frozen):
    """A line through points in [0, 1]; ROC: x is the false positive rate, y the sensitivity;
    precision-recall: x is the recall (sensitivity), y the precision.
    """  # noqa: D205

    x: tuple[float, ...]
    y: tuple[float, ...]


class ClassCurves(_Frozen):
    """The curves of one class against the rest, from scikit-learn, thinned to `POINTS` points."""

    name: str
    roc: Curve
    precision_recall: Curve


class Bin(_Frozen):
    """Images whose confidence lies between two limits.

    Attributes:
        low: The lower limit.
        high: The upper limit.
        images: How many there are.
        confidence: Their mean confidence.
        frequency: The share of them of which it was true.
    """

    low: float
    high: float
    images: int
    confidence: float
    frequency: float


class Reliability(_Frozen):
    """How often something is true that is said with some confidence; empty bins are left out.

    Attributes:
        name: Of what: ``chosen class``, or `ANY_TUMOR`.
        bins: By confidence, equally wide.
    """

    name: str
    bins: tuple[Bin, ...]


class Curves(_Frozen):
    """All curves of some answers."""

    classes: tuple[ClassCurves, ...]
    reliability: tuple[Reliability, ...]


def curves_of(metadata: ModelMetadata, truth: Truth, probabilities: Floats) -> Curves:
    """The curves of some answers: of each class, and of tumor against no tumor.

    Args:
        metadata: The classes, and which of them are tumors.
        truth: Of the images.
        probabilities: The answers, (N, C).
    """
    rows = truth.with_kind
    kinds, given = truth.kind[rows], probabilities[rows]
    drawn = [
        _class_curves(name, kinds == number, given[:, number])
        for number, name in enumerate(metadata.classes)
    ]
    reliable = [_reliability("chosen class", given.argmax(axis=1) == kinds, given.max(axis=1))]
    known = truth.with_tumor
    tumor, score = truth.tumor[known] == 1, tumor_probability(metadata, probabilities)[known]
    if len(metadata.classes) > 2 or not len(rows):  # noqa: PLR2004  (of two, one is the tumor)
        drawn.append(_class_curves(ANY_TUMOR, tumor, score))
    reliable.append(_reliability(ANY_TUMOR, tumor, score))
    return Curves(
        classes=tuple(one for one in drawn if one is not None),
        reliability=tuple(one for one in reliable if one.bins),
    )


def _class_curves(name: str, truth: NDArray[np.bool_], score: Floats) -> ClassCurves | None:
    """The curves of a class; None where there is nothing to tell apart."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    if not truth.any() or truth.all():
        return None
    false_alarms, sensitivity, _ = roc_curve(truth, score)
    precision, recall, _ = precision_recall_curve(truth, score, drop_intermediate=True)
    return ClassCurves(
        name=name,
        roc=_thinned(false_alarms, sensitivity),
        precision_recall=_thinned(recall[::-1], precision[::-1]),
    )


def _thinned(x: Floats, y: Floats) -> Curve:
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).round().astype(int))
    return Curve(x=tuple(x[kept].round(DIGITS).tolist()), y=tuple(y[kept].round(DIGITS).tolist()))


def _reliability(name: str, truth: NDArray[np.bool_], confidence: Floats) -> Reliability:
    number = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    bins = []
    for which in np.unique(number):
        inside = number == which
        bins.append(
            Bin(
                low=round(which / BINS, DIGITS),
                high=round((which + 1) / BINS, DIGITS),
                images=int(inside.sum()),
                confidence=round(float(confidence[inside].mean()), DIGITS),
                frequency=round(float(truth[inside].mean()), DIGITS),
            )
        )
    return Reliability(name=name, bins=tuple(bins))
