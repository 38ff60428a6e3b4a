"""Limits on numbers: prediction sets at several coverages, the operating point, novelty, frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorlens.model.decision import ConformalLevel, OperatingPoint
from tumorlens.train.calibrate import SENSITIVITY

if TYPE_CHECKING:
    from tumorlens.train.decision.observe import Observations

COVERAGES = tuple(round(0.5 + 0.01 * step, 2) for step in range(50))
"""Every hundredth that can be asked for."""

FRAME_QUANTILE = 0.99
"""The share of held-out tumors whose map lies less in the frame than the alarm allows."""

LEAST_FRAME = 0.05
"""The alarm allows this much at least: less cannot be seen, and maps that are drawn as sharply as
marks leave the frame quite empty, so that a trace in it would raise the alarm."""

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


def frame_limit(seen: Observations) -> float | None:
    """The share of a map in the frame that few maps of tumors exceed; None without tumors."""
    tumors = seen.frame[seen.truth.tumor == 1]
    if not tumors.size:
        return None
    return round(max(LEAST_FRAME, float(np.quantile(tumors, FRAME_QUANTILE))), 6)
