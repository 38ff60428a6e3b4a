"""Limits on numbers: prediction sets at several coverages, the operating point, novelty, frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.evaluate.truth import UNKNOWN
from tumorlens.model.decision import ConformalLevel, OperatingPoint, Selection
from tumorlens.train.calibrate import SENSITIVITY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.model.format import Thresholds
    from tumorlens.train.decision.observe import Observations

COVERAGES = tuple(round(0.5 + 0.01 * step, 2) for step in range(50))
"""Every hundredth that can be asked for."""

FRAME_QUANTILE = 0.99
"""The share of held-out tumors whose map lies less in the frame than the alarm allows."""

LEAST_FRAME = 0.05
"""The alarm allows this much at least: less cannot be seen, and maps that are drawn as sharply as
marks leave the frame quite empty, so that a trace in it would raise the alarm."""

RIGHT = 0.97
"""The share of given answers that should be right."""

FEWEST_GIVEN = 30
"""Of fewer answers it cannot be said how often they are right."""

_DIGITS = 9
_LEAST = 1e-12


def conformal_levels(seen: Observations) -> tuple[ConformalLevel, ...]:
    """For each coverage the limit of each class: split conformal sets, class by class.

    The score is ``1 - probability`` of the true class; MAPIE finds the quantiles, with the
    correction for finite samples (Sadinle et al., 2019). A class with too few held-out images for
    a coverage gets the limit 1: nothing rules it out.
    """
    from mapie.conformity_scores import LACConformityScore

    truth = seen.truth
    risks = np.array([1 - coverage for coverage in COVERAGES])
    limits: dict[str, list[float]] = {}
    for number, name in enumerate(seen.metadata.classes):
        of_class = truth.kind == number
        scores = (1 - seen.probabilities[of_class, number])[:, None]
        enough = np.ceil((len(scores) + 1) * (1 - risks)) <= len(scores)
        found = np.ones(len(risks))
        if enough.any():
            quantiles = LACConformityScore().get_conformity_score_quantiles(
                scores, risks[enough], cv="prefit"
            )
            found[enough] = np.clip(np.asarray(quantiles).ravel(), 0.0, 1.0)
        limits[name] = [round(float(value), _DIGITS) for value in found]
    return tuple(
        ConformalLevel(coverage=coverage, limits={name: limits[name][i] for name in limits})
        for i, coverage in enumerate(COVERAGES)
    )


def operating_point(seen: Observations, on: str) -> OperatingPoint | None:
    """The no-tumor threshold: the highest, up to one half, that enough tumors stay above.

    None where no held-out image shows a tumor.
    """
    truth = seen.truth
    tumors = seen.tumor_probability[truth.tumor == 1]
    free = seen.tumor_probability[truth.tumor == 0]
    if not tumors.size:
        return None
    threshold = min(0.5, float(np.quantile(tumors, 1 - SENSITIVITY, method="lower")))
    threshold = float(np.nextafter(threshold, 0.0))  # the tumor at the quantile stays above
    return OperatingPoint(
        target=SENSITIVITY,
        threshold=threshold,
        sensitivity=float((tumors > threshold).mean()),
        specificity=float((free <= threshold).mean()) if free.size else None,
        on=on,
        tumors=len(tumors),
        free=len(free),
    )


def selection(
    seen: Observations, thresholds: Thresholds, on: str, target: float = RIGHT
) -> Selection | None:
    """How sure an answer must be: the limits at which the most is given and enough of it is right.

    1. What may be given is what the thresholds and the prediction sets let pass.
    2. "Tumor" needs a tumor probability from which enough of what is called a tumor shows one,
       on the sources that have images of both kinds: on the others everything is one.
    3. Of how sure the kind must be, given a tumor, and how sure "no tumor", that pair is taken
       which gives the most answers. A kind may be sure where the tumor is not, and the other way
       round, so that one limit for both would withhold more.

    One wrong answer is counted in, as in conformal prediction: the share of few right answers says
    little. Where no limits reach the target, those that come nearest are taken. None where few
    images of known class would be answered.
    """
    offered = _offered(seen, thresholds)
    tumor = _surely_tumor(seen, thresholds.tumor, target)
    kept = ~offered.called | (seen.tumor_probability >= tumor)
    tumors = _Ranked.of(offered, offered.called & kept)
    others = _Ranked.of(offered, ~offered.called)
    counts = tumors.counts[:, None] + others.counts
    right = tumors.right[:, None] + others.right
    if counts.max() < FEWEST_GIVEN:
        return None
    shares = np.where(counts >= FEWEST_GIVEN, right / (counts + 1), -1.0)
    enough = np.where(shares >= target, counts, -1)
    best = enough.argmax() if enough.max() > 0 else shares.argmax()
    first, second = np.unravel_index(int(best), counts.shape)
    return Selection(
        target=target,
        tumor=_floor(tumor),
        kind=_floor(tumors.least[first]),
        no_tumor=_floor(others.least[second]),
        accuracy=float(right[first, second] / counts[first, second]),
        answered=float(counts[first, second] / len(seen)),
        on=on,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Offered:
    """What is given where nothing more is asked for, of N images.

    Attributes:
        given: Whether there is an answer, and it is known which is right, (N,).
        called: Whether it is called a tumor, (N,).
        sure: How sure the kind is, given a tumor, or that there is none, (N,).
        right: Whether the answer is right, (N,).
    """

    given: NDArray[np.bool_]
    called: NDArray[np.bool_]
    sure: NDArray[np.float64]
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
    return _Offered(given, called, sure, right)


@dataclass(frozen=True, slots=True, eq=False)
class _Ranked:
    """What each limit on how sure answers are leaves of them, from none of them to all.

    Attributes:
        least: The limits, (L,).
        counts: How many answers each leaves, (L,).
        right: How many of these are right, (L,).
    """

    least: NDArray[np.float64]
    counts: NDArray[np.intp]
    right: NDArray[np.intp]

    @classmethod
    def of(cls, offered: _Offered, which: NDArray[np.bool_]) -> _Ranked:
        rows = np.flatnonzero(offered.given & which)
        rows = rows[np.argsort(-offered.sure[rows], kind="stable")]
        sure = offered.sure[rows]
        # A limit lies between two answers that differ; the last leaves all, whatever may come.
        ends = _ends(sure) if len(rows) else rows
        least = np.append(sure[ends[:-1]], 0.0)
        counts, right = np.append(0, ends + 1), np.append(0, np.cumsum(offered.right[rows])[ends])
        return cls(np.append(1.0, least)[: len(counts)], counts, right)


def _surely_tumor(seen: Observations, threshold: float, target: float) -> float:
    """The tumor probability from which enough of what is called a tumor shows one; 0 if unknown."""
    truth, sources = seen.truth.tumor, seen.sources
    both = [one for one in np.unique(sources) if {0, 1} <= set(truth[sources == one].tolist())]
    tumor = seen.tumor_probability
    rows = np.flatnonzero(np.isin(sources, both) & (truth != UNKNOWN) & (tumor >= threshold))
    rows = rows[np.argsort(-tumor[rows], kind="stable")]
    if len(rows) < FEWEST_GIVEN:
        return 0.0
    ends = _ends(tumor[rows])
    ends = ends[ends >= FEWEST_GIVEN - 1]
    shares = np.cumsum(truth[rows] == 1)[ends] / (ends + 1)
    enough = np.flatnonzero(shares >= target)
    last = int(ends[enough[-1] if enough.size else shares.argmax()])
    return float(tumor[rows[last]]) if last + 1 < len(rows) else 0.0


def _ends(falling: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where a limit can lie in falling numbers: after each that differs from the next."""
    return np.flatnonzero(np.append(falling[1:] < falling[:-1], np.True_))


def _floor(limit: float) -> float:
    return math.floor(limit * 10**6) / 10**6


def frame_limit(seen: Observations) -> float | None:
    """The share of a map in the frame that few maps of tumors exceed; None without tumors."""
    tumors = seen.frame[seen.truth.tumor == 1]
    if not tumors.size:
        return None
    return round(max(LEAST_FRAME, float(np.quantile(tumors, FRAME_QUANTILE))), 6)
