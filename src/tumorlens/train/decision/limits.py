"""Limits on numbers: prediction sets at several coverages, the operating point, novelty, frames."""

from __future__ import annotations

import math
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
    """How sure an answer must be: the least at which enough of what is given is right.

    What is given is what the thresholds and the prediction sets let pass. One wrong answer is
    counted in, as in conformal prediction: the share of few right answers says little. Where no
    limit reaches the target, the one that comes nearest is taken. None where no image of known
    class would be answered.
    """
    given, sure, right = _given(seen, thresholds)
    order = np.argsort(-sure[given], kind="stable")
    sure, right = sure[given][order], right[given][order]
    if len(sure) < FEWEST_GIVEN:
        return None
    counts = np.arange(1, len(sure) + 1)
    shares = np.cumsum(right) / (counts + 1)
    # A limit lies between two answers that differ, and leaves enough of them.
    possible = np.append(sure[1:] < sure[:-1], np.True_) & (counts >= FEWEST_GIVEN)
    enough = np.flatnonzero(possible & (shares >= target))
    last = int(enough[-1]) if enough.size else int(np.where(possible, shares, -1.0).argmax())
    least = float(sure[last]) if last + 1 < len(sure) else 0.0
    return Selection(
        target=target,
        least=math.floor(least * 10**6) / 10**6,
        accuracy=float(right[: last + 1].mean()),
        answered=(last + 1) / len(given),
        on=on,
    )


def _given(
    seen: Observations, thresholds: Thresholds
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_]]:
    """Of each image whether it is answered, how surely, and whether rightly; known ones alone."""
    metadata, truth = seen.metadata, seen.truth
    known = (truth.kind != UNKNOWN) | (truth.tumor != UNKNOWN)
    positive = np.array([name in metadata.positive for name in metadata.classes])
    among = np.where(positive, seen.probabilities, -1.0)
    tumor = seen.tumor_probability
    is_tumor, is_free = tumor >= thresholds.tumor, tumor <= thresholds.no_tumor
    limits = thresholds.conformal or {}
    highest = np.array([limits.get(name, 1.0) for name in metadata.classes])
    kept = 1 - seen.probabilities <= highest
    chosen = np.where(is_tumor, among.argmax(axis=1), (seen.probabilities * ~positive).argmax(1))
    alone = (kept.sum(axis=1) == 1) & kept[np.arange(len(kept)), chosen]
    given = known & (is_tumor | is_free) & (alone if limits else True)
    sure = np.where(is_tumor, among.max(axis=1), 1 - tumor)
    right = np.where(truth.kind != UNKNOWN, chosen == truth.kind, is_tumor == (truth.tumor == 1))
    return given, sure, right


def frame_limit(seen: Observations) -> float | None:
    """The share of a map in the frame that few maps of tumors exceed; None without tumors."""
    tumors = seen.frame[seen.truth.tumor == 1]
    if not tumors.size:
        return None
    return round(max(LEAST_FRAME, float(np.quantile(tumors, FRAME_QUANTILE))), 6)
