"""Probabilities that mean what they say: tumor or none, then the kind."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.model.decision import SourceCalibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tumorlens.train.decision.observe import Observations

    Numbers = NDArray[np.float64]

BINS = 15
"""Of equal width, as calibration errors are usually told (Guo et al., 2017)."""

_LEAST = 1e-12
_HEAT = (math.log(0.25), math.log(8.0))
"""Between these a logarithm of a temperature is looked for."""

_PULL = 0.01
"""How strongly biases are held at 0: with few images of a class they would follow its share."""


@dataclass(frozen=True, slots=True)
class Softening:
    """Two answers are softened apart: tumor against none, and the kind, given a tumor.

    How sure a network is of the one says nothing of how sure it is of the other, and some sources
    show the one alone. Each is bias-corrected temperature scaling (Alexandari et al., 2020): log
    probabilities are divided by a temperature, then biases are added.

    Attributes:
        positive: Which classes are tumors.
        temperature: Of tumor against none; above 1 it softens.
        kind_temperature: Of the kinds, and of the classes without a tumor where there are several.
        tumor_bias: Added to the logarithm of the tumor probability.
        biases: Added to each class among its like; 0 for the first tumor and the first other.
    """

    positive: tuple[bool, ...]
    temperature: float
    kind_temperature: float
    tumor_bias: float
    biases: tuple[float, ...]

    @classmethod
    def nothing(cls, positive: Sequence[bool]) -> Softening:
        """Leaves probabilities as they are."""
        return cls(tuple(positive), 1.0, 1.0, 0.0, (0.0,) * len(positive))

    @property
    def members(self) -> Numbers:
        """Which class is no tumor and which is one, as zeros and ones, (2, C)."""
        tumor = np.array(self.positive)
        found: Numbers = np.stack([~tumor, tumor]).astype(np.float64)
        return found

    def of(self, probabilities: Numbers) -> Numbers:
        """(N, C) → (N, C)."""
        from scipy.special import log_softmax

        members = self.members
        floored = np.maximum(probabilities, _LEAST)
        either = np.log(floored @ members.T)
        among = (np.log(floored) - either @ members) / self.kind_temperature + self.biases
        among -= np.log(np.exp(among) @ members.T) @ members
        either = log_softmax(either / self.temperature + [0.0, self.tumor_bias], axis=1)
        result: Numbers = np.exp(either @ members + among)
        return result


def fit_softening(seen: Observations) -> Softening:
    """The softening with the lowest loss.

    A source counts by the square root of its images. If all images counted the same, the largest
    source would drown the others; if all sources did, the few patients of the smallest would
    decide for all.
    """
    from scipy.optimize import minimize

    known = seen.subset(np.flatnonzero(seen.allowed.any(axis=1)))
    allowed, weights = known.allowed, _weights(known.sources)
    positive = _positive(seen)
    # A shift of all classes among their like changes nothing, so one of them stays where it is.
    free = [
        i for i in range(len(positive)) if i not in {positive.index(True), positive.index(False)}
    ]

    def made(values: Numbers) -> Softening:
        biases = [0.0] * len(positive)
        for index, value in zip(free, values[3:], strict=True):
            biases[index] = float(value)
        heat, kind = math.exp(values[0]), math.exp(values[1])
        return Softening(tuple(positive), heat, kind, float(values[2]), tuple(biases))

    def loss(values: Numbers) -> float:
        right = (made(values).of(known.probabilities) * allowed).sum(axis=1)
        fit = -(weights * np.log(np.maximum(right, _LEAST))).sum()
        return float(fit + _PULL * (values[2:] ** 2).sum())

    bounds = [_HEAT, _HEAT, *([(-3.0, 3.0)] * (1 + len(free)))]
    found = minimize(loss, np.zeros(3 + len(free)), bounds=bounds, method="L-BFGS-B")
    return made(found.x)


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
    """The one temperature of both answers that would fit these images by themselves."""
    from scipy.optimize import minimize_scalar

    allowed, none = seen.allowed, Softening.nothing(_positive(seen))

    def loss(value: float) -> float:
        both = replace(none, temperature=math.exp(value), kind_temperature=math.exp(value))
        given = (both.of(seen.probabilities) * allowed).sum(axis=1)
        return float(-np.log(np.maximum(given, _LEAST)).mean())

    found = minimize_scalar(loss, bounds=_HEAT, method="bounded")
    return float(math.exp(found.x))


def _positive(seen: Observations) -> list[bool]:
    return [name in seen.metadata.positive for name in seen.metadata.classes]


def _weights(sources: NDArray[np.str_]) -> Numbers:
    """A weight an image: those of a source sum to the root of their number, all of them to one."""
    _, numbers, counts = np.unique(sources, return_inverse=True, return_counts=True)
    weights = 1.0 / np.sqrt(counts[numbers])
    even: Numbers = weights / weights.sum()
    return even
