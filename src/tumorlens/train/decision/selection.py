"""How sure an answer must be to be given, so that what is given is right often enough."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.evaluate.truth import UNKNOWN
from tumorlens.model.decision import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tumorlens.model.format import Thresholds
    from tumorlens.train.decision.observe import Observations

    Numbers = NDArray[np.float64]

RIGHT = 0.97
"""The share of given answers that should be right."""

FEWEST_GIVEN = 30
"""Of fewer answers it cannot be said how often they are right."""

HARDER_FOLD = 0.01
"""What more may be wrong in a fold by itself: its few patients prove less than all together."""

LABELS_WRONG = 0.03
"""What more may be wrong on sets with tumors and without: some of their pictures that are labelled
as free of tumors show one, and an answer that says so counts as wrong."""

STEPS = 60
"""Values of each limit that are tried: quantiles of how sure the answers are."""

_LEAST = 1e-12


def selection(
    seen: Observations, thresholds: Thresholds, on: str, target: float = RIGHT
) -> Selection | None:
    """The limits at which the most is given and enough of it is right.

    What may be given is what the thresholds and the prediction sets let pass. Three limits decide
    which of it is: on the tumor probability and on how sure the kind is, given a tumor, for the
    answer "tumor"; and on the probability of no tumor for the other. They are chosen together.
    Enough of what is given must be right

    1. of all;
    2. in each fold, but for `HARDER_FOLD`, because the patients of a fold are as new to what was
       fitted on the others as those of a hospital are, and some folds are harder;
    3. on the sources that have tumors and pictures without one, but for `LABELS_WRONG`: on the
       others every "tumor" is right.

    One wrong answer is counted in, as in conformal prediction: the share of few right answers says
    little. Where no limits reach the target, those that come nearest are taken. None where few
    images of known class would be answered.
    """
    offered = _offered(seen, thresholds)
    grid = _Grid.of(offered)
    counts, right = grid.tables(offered)
    if counts.max() < FEWEST_GIVEN:
        return None
    margin = np.full(counts.shape, np.inf)
    for rows, wanted in _demands(seen, target):
        given, correct = grid.tables(offered, rows)
        if given.max() >= FEWEST_GIVEN:
            share = np.where(given >= FEWEST_GIVEN, correct / (given + 1), -1.0)
            margin = np.minimum(margin, share - wanted)
    enough = np.where(margin >= 0, counts, -1)
    best = enough.argmax() if enough.max() > 0 else margin.argmax()
    first, second, third = np.unravel_index(int(best), counts.shape)
    chosen = first, second, third
    return Selection(
        target=target,
        tumor=_floor(grid.tumor[first]),
        kind=_floor(grid.kind[second]),
        no_tumor=_floor(grid.no_tumor[third]),
        accuracy=float(right[chosen] / counts[chosen]),
        answered=float(counts[chosen] / len(seen)),
        on=on,
    )


def _demands(seen: Observations, target: float) -> Iterator[tuple[NDArray[np.bool_], float]]:
    """Which images the target is asked of, as masks (N,), and what it is for them."""
    yield np.ones(len(seen), np.bool_), target
    folds = np.array([entry.fold for entry in seen.entries])
    for fold in np.unique(folds):
        yield folds == fold, target - HARDER_FOLD
    truth, sources = seen.truth.tumor, seen.sources
    both = [one for one in np.unique(sources) if {0, 1} <= set(truth[sources == one].tolist())]
    if both:
        yield np.isin(sources, both), target - LABELS_WRONG


@dataclass(frozen=True, slots=True, eq=False)
class _Offered:
    """What is given where nothing more is asked for, of N images.

    Attributes:
        given: Whether there is an answer, and it is known which is right, (N,).
        called: Whether it is called a tumor, (N,).
        tumor: The tumor probability, (N,).
        sure: How sure the kind is, given a tumor, or that there is none, (N,).
        right: Whether the answer is right, (N,).
    """

    given: NDArray[np.bool_]
    called: NDArray[np.bool_]
    tumor: Numbers
    sure: Numbers
    right: NDArray[np.bool_]


def _offered(seen: Observations, thresholds: Thresholds) -> _Offered:
    metadata, truth = seen.metadata, seen.truth
    known = (truth.kind != UNKNOWN) | (truth.tumor != UNKNOWN)
    positive = np.array([name in metadata.positive for name in metadata.classes])
    among = np.where(positive, seen.probabilities, -1.0)
    tumor = seen.tumor_probability
    called, is_free = tumor >= thresholds.tumor, tumor <= thresholds.no_tumor
    limits = thresholds.conformal or {}
    highest = np.array([limits.get(name, 1.0) for name in metadata.classes])
    kept = 1 - seen.probabilities <= highest
    chosen = np.where(called, among.argmax(axis=1), (seen.probabilities * ~positive).argmax(1))
    alone = (kept.sum(axis=1) == 1) & kept[np.arange(len(kept)), chosen]
    given = known & (called | is_free) & (alone if limits else True)
    sure = np.where(called, among.max(axis=1) / np.maximum(tumor, _LEAST), 1 - tumor)
    right = np.where(truth.kind != UNKNOWN, chosen == truth.kind, called == (truth.tumor == 1))
    return _Offered(given, called, tumor, sure, right)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """The values of the three limits that are tried, each rising from 0, which withholds nothing.

    Attributes:
        tumor: Of the tumor probability, (T,).
        kind: Of how sure the kind is, given a tumor, (K,).
        no_tumor: Of the probability of no tumor, (F,).
    """

    tumor: Numbers
    kind: Numbers
    no_tumor: Numbers

    @classmethod
    def of(cls, offered: _Offered) -> _Grid:
        tumors, others = offered.given & offered.called, offered.given & ~offered.called
        return cls(
            _steps(offered.tumor[tumors]),
            _steps(offered.sure[tumors]),
            _steps(offered.sure[others]),
        )

    def tables(
        self, offered: _Offered, rows: NDArray[np.bool_] | None = None
    ) -> tuple[Numbers, Numbers]:
        """How many answers any three limits leave of some images, and how many of them are right.

        (T, K, F) each.
        """
        given = offered.given if rows is None else offered.given & rows
        return self._left(offered, given), self._left(offered, given & offered.right)

    def _left(self, offered: _Offered, rows: NDArray[np.bool_]) -> Numbers:
        tumors, others = rows & offered.called, rows & ~offered.called
        both, _, _ = np.histogram2d(
            offered.tumor[tumors],
            offered.sure[tumors],
            bins=(np.append(self.tumor, np.inf), np.append(self.kind, np.inf)),
        )
        free, _ = np.histogram(offered.sure[others], bins=np.append(self.no_tumor, np.inf))
        left = both[::-1, ::-1].cumsum(axis=0).cumsum(axis=1)[::-1, ::-1]
        result: Numbers = left[:, :, None] + free[::-1].cumsum()[::-1]
        return result


def _steps(values: Numbers) -> Numbers:
    """0 and quantiles of some values that are among them, rising."""
    if not len(values):
        return np.zeros(1)
    quantiles = np.quantile(values, np.linspace(0, 1, STEPS), method="higher")
    # The smallest value withholds nothing that was seen; what is less sure was not seen.
    return np.unique(np.append(quantiles[quantiles > values.min()], 0.0))


def _floor(limit: float) -> float:
    return math.floor(limit * 10**6) / 10**6
