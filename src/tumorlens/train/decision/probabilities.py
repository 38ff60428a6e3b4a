"""Probabilities that mean what they say: a temperature and a bias a class, fair to each source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.model.decision import SourceCalibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.train.decision.observe import Observations

    Numbers = NDArray[np.float64]

BINS = 15
"""Of equal width, as calibration errors are usually told (Guo et al., 2017)."""

_LEAST = 1e-12
_PULL = 0.01
"""How strongly biases are held at 0: with few images of a class they would follow its share."""


@dataclass(frozen=True, slots=True)
class Softening:
    """Log probabilities are divided by the temperature, then the biases are added.

    Bias-corrected temperature scaling (Alexandari et al., 2020).

    Attributes:
        temperature: Above 1 it softens.
        biases: One a class, the first 0.
    """

    temperature: float
    biases: tuple[float, ...]

    def of(self, probabilities: Numbers) -> Numbers:
        """(N, C) → (N, C)."""
        from scipy.special import softmax

        logits = np.log(np.maximum(probabilities, _LEAST)) / self.temperature
        result: Numbers = softmax(logits + np.array(self.biases), axis=1)
        return result


def fit_softening(seen: Observations) -> Softening:
    """The softening with the lowest loss, each source counting the same."""
    from scipy.optimize import minimize

    known = seen.subset(np.flatnonzero(seen.allowed.any(axis=1)))
    allowed = known.allowed
    weights = _even_weights(known.sources)
    classes = allowed.shape[1]

    def loss(values: Numbers) -> float:
        given = Softening(math.exp(values[0]), (0.0, *values[1:])).of(known.probabilities)
        right = np.log(np.maximum((given * allowed).sum(axis=1), _LEAST))
        return float(-(weights * right).sum() + _PULL * (values[1:] ** 2).sum())

    bounds = [(math.log(0.25), math.log(8.0)), *([(-3.0, 3.0)] * (classes - 1))]
    found = minimize(loss, np.zeros(classes), bounds=bounds, method="L-BFGS-B")
    return Softening(math.exp(found.x[0]), (0.0, *(float(value) for value in found.x[1:])))


def by_source(before: Observations, after: Observations) -> tuple[SourceCalibration, ...]:
    """How well probabilities agree with what is seen, source by source.

    Only images whose class is known, or of which it is known whether there is a tumor, count; the
    latter by tumor against none.
    """
    found = []
    for source in sorted(set(before.sources.tolist())):
        rows = (before.sources == source) & before.allowed.any(axis=1)
        if not rows.any():
            continue
        old, new = before.subset(rows), after.subset(rows)
        found.append(
            SourceCalibration(
                source=source,
                images=len(old),
                temperature=_own_temperature(old),
                ece_before=calibration_error(old),
                ece_after=calibration_error(new),
                brier_before=brier(old),
                brier_after=brier(new),
            )
        )
    return tuple(found)


def calibration_error(seen: Observations) -> float:
    """The expected calibration error over `BINS`, of the most probable class where classes are
    known, and of tumor against none elsewhere.
    """  # noqa: D205
    sure, right = _sure_and_right(seen)
    number = np.minimum((sure * BINS).astype(np.intp), BINS - 1)
    error = 0.0
    for each in np.unique(number):
        rows = number == each
        error += rows.mean() * abs(sure[rows].mean() - right[rows].mean())
    return float(error)


def brier(seen: Observations) -> float:
    """The Brier score: squared differences of all classes, or of tumor and none, summed."""
    truth, allowed = seen.truth, seen.allowed
    known = truth.with_kind
    given, wanted = seen.probabilities[known], allowed[known].astype(np.float64)
    if not len(known):
        tumor = seen.tumor_probability[truth.with_tumor]
        is_tumor = truth.tumor[truth.with_tumor]
        return float(2 * np.mean((tumor - is_tumor) ** 2))
    return float(np.mean(((given - wanted) ** 2).sum(axis=1)))


def _sure_and_right(seen: Observations) -> tuple[Numbers, NDArray[np.bool_]]:
    truth = seen.truth
    known = truth.with_kind
    if len(known):
        given = seen.probabilities[known]
        chosen = given.argmax(axis=1)
        return given.max(axis=1), chosen == truth.kind[known]
    rows = truth.with_tumor
    tumor = seen.tumor_probability[rows]
    called = tumor >= 0.5  # noqa: PLR2004  (the likelier of two)
    return np.where(called, tumor, 1 - tumor), called == (truth.tumor[rows] == 1)


def _own_temperature(seen: Observations) -> float:
    from scipy.optimize import minimize_scalar

    allowed = seen.allowed
    none = (0.0,) * allowed.shape[1]

    def loss(value: float) -> float:
        given = Softening(math.exp(value), none).of(seen.probabilities)
        return float(-np.log(np.maximum((given * allowed).sum(axis=1), _LEAST)).mean())

    found = minimize_scalar(loss, bounds=(math.log(0.25), math.log(8.0)), method="bounded")
    return float(math.exp(found.x))


def _even_weights(sources: NDArray[np.str_]) -> Numbers:
    """A weight an image: those of each source sum to the same, all of them to one."""
    names, numbers, counts = np.unique(sources, return_inverse=True, return_counts=True)
    weights: Numbers = 1.0 / (len(names) * counts[numbers])
    return weights
