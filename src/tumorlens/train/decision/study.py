"""How a series becomes one answer: the rule is chosen on series of the held-out images."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.decide.study import mean_of_highest
from tumorlens.model.decision import StudyRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.train.decision.observe import Observations

    Numbers = NDArray[np.float64]

SLICES, STEP = 10, 5
"""Series are cut into runs of so many neighbouring slices, so that some hold no tumor at all."""

FEWEST_SLICES = 8
"""A group of fewer images is a few pictures of a patient, and no series."""

CHOICES = (1, 2, 3, 5)
"""How many of the highest slices may be averaged."""

TUMOR_MISSED, FREE_CALLED = 0.05, 0.05
"""Shares of runs that the two thresholds may be wrong about."""


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Runs of neighbouring slices.

    Attributes:
        probabilities: The tumor probability of each slice of each run.
        tumor: Whether any slice of the run shows a tumor, (R,).
        on: What they are, in words.
    """

    probabilities: list[Numbers]
    tumor: NDArray[np.bool_]
    on: str


def runs_of(seen: Observations) -> Runs:
    """The runs of all series that show slices with and without a tumor.

    A series is a patient's images of one set, in the order of their names; only series with both
    kinds of slices say anything of how to pool.
    """
    truth = seen.truth.tumor
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, entry in enumerate(seen.entries):
        members[entry.source, entry.group].append(row)
    found, labels, sources = [], [], set()
    for (source, _), rows in sorted(members.items()):
        rows.sort(key=lambda row: seen.entries[row].name)
        known = set(truth[rows].tolist())
        if len(rows) < FEWEST_SLICES or not {0, 1} <= known:
            continue
        sources.add(source)
        for start in range(0, max(1, len(rows) - SLICES + 1), STEP):
            run = rows[start : start + SLICES]
            found.append(seen.tumor_probability[run])
            labels.append(bool((truth[run] == 1).any()))
    on = f"runs of {SLICES} slices of {' and '.join(sorted(sources))}"
    return Runs(found, np.array(labels, np.bool_), on)


def fit_study_rule(runs: Runs) -> StudyRule | None:
    """The number of slices that tells runs with a tumor apart best, calibrated.

    None where there are no runs of both kinds: the file then pools as files without a rule do.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    if not runs.tumor.any() or runs.tumor.all():
        return None
    scored = []
    for count in CHOICES:
        pooled = np.array([mean_of_highest(one, count) for one in runs.probabilities])
        scored.append((float(roc_auc_score(runs.tumor, pooled)), count, pooled))
    # Of equals, more slices: one odd slice then decides less.
    area, count, pooled = max(scored, key=lambda one: (round(one[0], 3), one[1]))
    fitted = LogisticRegression(C=1.0).fit(pooled[:, None], runs.tumor)
    scale, bias = max(float(fitted.coef_[0, 0]), 1e-3), float(fitted.intercept_[0])
    shares = 1 / (1 + np.exp(-(scale * pooled + bias)))
    no_tumor = min(0.5, float(np.quantile(shares[runs.tumor], TUMOR_MISSED)))
    tumor = max(0.5, float(np.quantile(shares[~runs.tumor], 1 - FREE_CALLED)))
    return StudyRule(
        highest=count,
        scale=round(scale, 6),
        bias=round(bias, 6),
        tumor=round(tumor, 6),
        no_tumor=round(no_tumor, 6),
        on=runs.on,
        auroc=round(area, 6),
        studies=len(runs.probabilities),
    )
