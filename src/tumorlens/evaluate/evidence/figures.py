"""Figures of the evidence that come of the answers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorlens.evaluate.evidence.cases import Case, answered
from tumorlens.evaluate.figures import where
from tumorlens.evaluate.metrics import calibration_error, with_interval
from tumorlens.evaluate.truth import UNKNOWN, truth_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.evaluate.evidence.record import Answered
    from tumorlens.model.format import Metric, ModelMetadata

SIZES = ((0.0, 0.01), (0.01, 0.03), (0.03, 1.0))
"""Tumors by the share of the picture that they cover."""


def by_part(metadata: ModelMetadata, cases: Sequence[Case], on: str) -> list[Answered]:
    """What became of all, of each source, and of tumors of each size."""
    found = [answered(metadata, cases, on)]
    sources = sorted({case.entry.source for case in cases})
    if len(sources) > 1:
        for source in sources:
            some = [case for case in cases if case.entry.source == source]
            found.append(answered(metadata, some, where([case.entry for case in some])))
    for low, high in SIZES:
        some = [case for case in cases if low < (case.tumor_share or 0) <= high]
        if some:
            size = f"tumors that cover {low:.0%} to {high:.0%} of the picture"
            found.append(answered(metadata, some, size))
    return found


def calibration_of(
    metadata: ModelMetadata,
    cases: Sequence[Case],
    probabilities: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> list[Metric]:
    """Calibration error and Brier score over all images of known kind, and source by source."""
    truth = truth_of(metadata, [case.entry for case in cases]).kind
    sources = sorted({case.entry.source for case in cases})
    found = []
    for some in [sources, *([[one] for one in sources] if len(sources) > 1 else [])]:
        rows = np.array(
            [
                n
                for n, case in enumerate(cases)
                if truth[n] != UNKNOWN and case.entry.source in some
            ],
            np.intp,
        )
        if not len(rows):
            continue
        given = probabilities[rows]
        wanted = np.eye(len(metadata.classes))[truth[rows]]
        squares = ((given - wanted) ** 2).sum(axis=1)
        entries = [cases[row].entry for row in rows]
        groups, on = [entry.group for entry in entries], where(entries)
        right = given.argmax(axis=1) == truth[rows]
        found.append(with_interval("ECE", on, calibration_error(right, given.max(axis=1)), groups))
        found.append(mean_of("Brier score", on, squares, groups))
    return found


def coverage_of(metadata: ModelMetadata, cases: Sequence[Case], on: str) -> list[Metric]:
    """How often the prediction set of an image of known kind holds it, class by class."""
    if metadata.thresholds.conformal is None:
        return []
    truth = truth_of(metadata, [case.entry for case in cases]).kind
    found, sizes, groups = [], [], []
    for number, name in enumerate(metadata.classes):
        mine = [
            case
            for row, case in enumerate(cases)
            if truth[row] == number and case.finding.probabilities
        ]
        if not mine:
            continue
        held = np.array([name in case.finding.prediction_set for case in mine], np.float64)
        own = [case.entry.group for case in mine]
        found.append(mean_of(f"coverage {name}", on, held, own))
        sizes += [len(case.finding.prediction_set) for case in mine]
        groups += own
    if sizes:
        found.append(mean_of("size of prediction sets", on, np.array(sizes, np.float64), groups))
    return found


def mean_of(
    name: str,
    on: str,
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    groups: Sequence[str],
) -> Metric:
    """The mean of a number an image, with its interval over groups."""
    return with_interval(name, on, lambda rows: float(values[rows].mean()), list(groups))
