"""Every figure of some answers, measured together so that two thousand resamples stay quick.

Figures that are taken of the same counts form a family: a statistic that gives all of them at
once. scikit-learn's functions take one figure a call, and would need minutes for the resamples; the
tests hold every figure here equal to scikit-learn's.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.evaluate.figures import tumor_probability
from tumorlens.evaluate.metrics import INTERVAL, areas, calibration_error, draws
from tumorlens.model.format import Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tumorlens.evaluate.truth import Truth
    from tumorlens.model.format import ModelMetadata

    Indices = NDArray[np.intp]
    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Family:
    """Figures that are taken of the same counts.

    Attributes:
        names: What they are.
        statistic: Their values, (len(names),), of images with these indices, repeats allowed; NaN
            where a figure is not defined.
    """

    names: tuple[str, ...]
    statistic: Callable[[Indices], Floats]


def measure(families: Iterable[Family], groups: Sequence[str], on: str) -> list[Metric]:
    """All figures with their 95 % intervals, by bootstrap over whole groups.

    A figure that is not defined on all images, such as the sensitivity of a class that has none, is
    left out.

    Args:
        families: What to measure.
        groups: The group of each image.
        on: What the images are, in words.
    """
    families = list(families)
    names = [name for family in families for name in family.names]

    def all_of(indices: Indices) -> Floats:
        return np.concatenate([family.statistic(indices) for family in families])

    values = all_of(np.arange(len(groups)))
    drawn = np.array([all_of(indices) for indices in draws(groups)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a figure that no resample defines
        low, high = np.nanpercentile(drawn, INTERVAL, axis=0)
    return [
        Metric(
            name=name, value=value, low=_known(least), high=_known(most), on=on, count=len(groups)
        )
        for name, value, least, most in zip(
            names, values.tolist(), low.tolist(), high.tolist(), strict=True
        )
        if not np.isnan(value)
    ]


def class_families(
    metadata: ModelMetadata, kinds: Indices, probabilities: Floats
) -> Iterator[Family]:
    """The figures of images whose class is known, each judged by its most probable class.

    Args:
        metadata: Its classes.
        kinds: The class of each image, (N,).
        probabilities: The answers, (N, C).
    """
    present = sorted(set(kinds.tolist()))
    yield _counted(kinds, probabilities.argmax(axis=1), metadata.classes, present)
    yield _ranked(kinds, probabilities, metadata.classes, present)
    yield _calibrated(kinds, probabilities)


def tumor_families(
    metadata: ModelMetadata, truth: Truth, probabilities: Floats
) -> Iterator[Family]:
    """Tumor against no tumor, judged at the model's threshold.

    Args:
        metadata: Which of its classes are tumors, and the threshold.
        truth: Of images of which that is known.
        probabilities: The answers, (N, C).
    """
    score = tumor_probability(metadata, probabilities)
    called = (score >= metadata.thresholds.tumor).astype(np.intp)
    tumor = truth.tumor
    yield _of_two(tumor, called)
    yield Family(("tumor AUROC", "tumor AUPRC"), areas(tumor == 1, score))
    squares = (score - tumor) ** 2
    error = calibration_error(tumor == 1, score)
    yield Family(
        ("tumor Brier score", "tumor ECE"),
        lambda indices: np.array([squares[indices].mean(), error(indices)]),
    )


def _counted(truth: Indices, chosen: Indices, classes: Sequence[str], present: list[int]) -> Family:
    """What is taken of the confusion matrix."""
    wide = len(classes)
    cells = truth * wide + chosen
    names = [
        *("accuracy", "balanced accuracy", "macro precision", "macro specificity", "macro F1"),
        "Matthews correlation",
        *(f"precision {classes[i]}" for i in present),
        *(f"sensitivity {classes[i]}" for i in present),
        *(f"specificity {classes[i]}" for i in present),
        *(f"F1 {classes[i]}" for i in present),
    ]

    def statistic(indices: Indices) -> Floats:
        counts = np.bincount(cells[indices], minlength=wide * wide).reshape(wide, wide)
        rates = _rates(counts)[:, present]
        precision, sensitivity, specificity, f1 = rates
        seen = ~np.isnan(sensitivity)
        overall = [
            counts.trace() / counts.sum(),
            sensitivity[seen].mean(),
            precision[seen].mean(),
            _mean_of_defined(specificity),
            f1[seen].mean(),
            _matthews(counts),
        ]
        return np.concatenate([overall, rates.ravel()])

    return Family(tuple(names), statistic)


def _ranked(
    truth: Indices, probabilities: Floats, classes: Sequence[str], present: list[int]
) -> Family:
    """The areas under the curves of each class against the rest, and their means."""
    each = [areas(truth == i, probabilities[:, i]) for i in present]
    names = [
        *("macro AUROC", "macro AUPRC"),
        *(f"AUROC {classes[i]}" for i in present),
        *(f"AUPRC {classes[i]}" for i in present),
    ]

    def statistic(indices: Indices) -> Floats:
        found = np.array([area(indices) for area in each]).T
        return np.concatenate([[_mean_of_defined(row) for row in found], found.ravel()])

    return Family(tuple(names), statistic)


def _calibrated(truth: Indices, probabilities: Floats) -> Family:
    """How far the probabilities are from what happens.

    The Brier score sums the squares over the classes, so that it lies between 0 and 2 (Brier 1950,
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2).
    """
    wanted = np.eye(probabilities.shape[1])[truth]
    squares = ((probabilities - wanted) ** 2).sum(axis=1)
    right = probabilities.argmax(axis=1) == truth
    error = calibration_error(right, probabilities.max(axis=1))
    return Family(
        ("Brier score", "ECE"),
        lambda indices: np.array([squares[indices].mean(), error(indices)]),
    )


def _of_two(truth: Indices, called: Indices) -> Family:
    """Tumor against no tumor at the threshold."""
    cells = truth * 2 + called
    names = ("sensitivity", "specificity", "precision", "F1", "balanced accuracy")

    def statistic(indices: Indices) -> Floats:
        counts = np.bincount(cells[indices], minlength=4).reshape(2, 2)
        precision, sensitivity, specificity, f1 = _rates(counts)[:, 1]
        balanced = (sensitivity + specificity) / 2
        matthews = _matthews(counts)
        return np.array([sensitivity, specificity, precision, f1, balanced, matthews])

    return Family(tuple(f"tumor {name}" for name in (*names, "Matthews correlation")), statistic)


def _rates(counts: NDArray[np.intp]) -> Floats:
    """Precision, sensitivity, specificity and F1 of each class, (4, C), of counts (C, C).

    Precision and F1 are 0 where a class is never chosen, as scikit-learn's ``zero_division=0``;
    what would divide by images that are not there is NaN.
    """
    hits = counts.diagonal().astype(np.float64)
    of_class, chosen, everything = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    others = everything - of_class
    left_alone = others - (chosen - hits)
    nothing = np.full(len(hits), np.nan)
    return np.stack(
        [
            hits / np.maximum(chosen, 1),
            np.divide(hits, of_class, out=nothing.copy(), where=of_class > 0),
            np.divide(left_alone, others, out=nothing.copy(), where=others > 0),
            2 * hits / np.maximum(of_class + chosen, 1),
        ]
    )


def _matthews(counts: NDArray[np.intp]) -> float:
    """Matthews' correlation for any number of classes; 0 where one side is constant.

    Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006.
    """
    of_class, chosen = counts.sum(axis=1).astype(float), counts.sum(axis=0).astype(float)
    everything = counts.sum()
    together = counts.trace() * everything - of_class @ chosen
    spread = (everything**2 - of_class @ of_class) * (everything**2 - chosen @ chosen)
    return float(together / np.sqrt(spread)) if spread > 0 else 0.0


def _mean_of_defined(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
