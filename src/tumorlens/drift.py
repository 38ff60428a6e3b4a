"""Whether a site's scans are still like those that a model's limits were fitted on.

Figures of recent findings are compared with the reference in the model file: the population
stability index over its bins, and the Kolmogorov-Smirnov test against its sample.
"""

from __future__ import annotations

import json
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, FiniteFloat, ValidationError

from tumorlens.decide.finding import CONFIG, Fraction, Status
from tumorlens.errors import DatasetError, ModelIncompatible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.model.decision import Histogram
    from tumorlens.model.run import Model

    Numbers = NDArray[np.float64]

WATCHED_PSI, DRIFTED_PSI = 0.1, 0.25
"""The customary limits of the population stability index: below the first nothing has changed,
above the second the population is another one (Siddiqi, "Credit Risk Scorecards", 2006)."""

LEAST_P = 1e-3
"""A Kolmogorov-Smirnov p below this is no chance, though several figures are tested each week."""

FEWEST = 50
"""Of fewer findings chance alone gives an index of 0.25."""

_EMPTY = 1e-3
"""An empty bin counts as this share: else one finding more or less would make the index endless."""


class Drift(StrEnum):
    """What is said of a figure."""

    STEADY = "steady"
    WATCH = "watch"
    DRIFTED = "drifted"


class FigureDrift(BaseModel):
    """One figure of findings against the reference.

    Attributes:
        name: ``novelty``, ``unlikeness`` or ``tumor_probability``.
        count: How many findings carry it.
        psi: Population stability index over the bins of the reference.
        ks: Kolmogorov-Smirnov distance to the sample of the reference.
        p: Of that distance, were both of one population.
        median: Of the findings.
        reference_median: Of the reference.
        drift: What is said of it.
    """

    model_config = CONFIG

    name: str
    count: int
    psi: float
    ks: Fraction
    p: Fraction
    median: float
    reference_median: float
    drift: Drift


class Monitoring(BaseModel):
    """What recent findings say of a site's scans.

    Attributes:
        model: Name of the model.
        findings: How many were read.
        others: How many more were of other models, and left out.
        statuses: Status → how many findings have it.
        reasons: Code of a reason → how many findings have it.
        figures: Each figure against the reference.
        drift: The worst of them.
    """

    model_config = CONFIG

    record: Literal["monitoring"] = "monitoring"
    model: str
    findings: int
    others: int
    statuses: dict[Status, int]
    reasons: dict[str, int]
    figures: tuple[FigureDrift, ...]
    drift: Drift

    def sentence(self) -> str:
        """What it means, for a reader."""
        odd = [one.name.replace("_", " ") for one in self.figures if one.drift is self.drift]
        match self.drift:
            case Drift.STEADY:
                return "The scans are like those that the model's limits were fitted on."
            case Drift.WATCH:
                return f"The {' and '.join(odd)} of the scans moved a little: look again soon."
            case Drift.DRIFTED:
                return (
                    f"The scans are unlike those that the model's limits were fitted on (in "
                    f"{' and '.join(odd)}): its figures do not hold here; calibrate or test anew."
                )


def monitor(records: Iterable[Mapping[str, Any]], model: Model) -> Monitoring:
    """Compare findings with the reference of the model that gave them.

    Args:
        records: Findings as ``--format json`` writes them; records of other kinds are passed over.
        model: The model.

    Raises:
        ModelIncompatible: Its file carries no reference.
        DatasetError: There are too few findings of it.
    """
    reference = model.metadata.decision.reference
    if not reference:
        msg = f"{model.label} carries no reference to compare with; `tumorlens calibrate` fits one"
        raise ModelIncompatible(msg)
    mine, others = [], 0
    for record in records:
        if record.get("record", "finding") != "finding":
            continue
        if dict(record.get("model") or {}).get("name") == model.metadata.name:
            mine.append(record)
        else:
            others += 1
    if len(mine) < FEWEST:
        msg = (
            f"{len(mine)} findings of {model.metadata.name} (and {others} of other models); at "
            f"least {FEWEST} are needed to tell drift from chance"
        )
        raise DatasetError(msg)
    figures = tuple(
        compared(one, values) for one in reference if len(values := _values(mine, one.name))
    )
    order = list(Drift)
    return Monitoring(
        model=model.metadata.name,
        findings=len(mine),
        others=others,
        statuses=dict(Counter(Status(record["status"]) for record in mine)),
        reasons=dict(
            Counter(str(why.get("code")) for record in mine for why in record.get("reasons") or ())
        ),
        figures=figures,
        drift=max((one.drift for one in figures), key=order.index, default=Drift.STEADY),
    )


def compared(reference: Histogram, values: Numbers) -> FigureDrift:
    """One figure against its reference.

    Drifted where the index is above its limit; to be watched where the index is above the lower
    one or the distance is no chance.
    """
    from scipy.stats import ks_2samp

    counts = np.bincount(
        np.searchsorted(np.array(reference.edges), values, side="right"),
        minlength=len(reference.shares),
    )
    index = stability_index(np.array(reference.shares), counts / len(values))
    sample = np.interp(
        np.linspace(0, 1, max(reference.count, 2)),
        np.linspace(0, 1, len(reference.quantiles)),
        reference.quantiles,
    )
    test = ks_2samp(values, sample, method="asymp")
    drift = Drift.STEADY
    if index >= DRIFTED_PSI:
        drift = Drift.DRIFTED
    elif index >= WATCHED_PSI or test.pvalue < LEAST_P:
        drift = Drift.WATCH
    return FigureDrift(
        name=reference.name,
        count=len(values),
        psi=round(index, 6),
        ks=round(float(test.statistic), 6),
        p=float(min(1.0, test.pvalue)),
        median=round(float(np.median(values)), 6),
        reference_median=round(float(np.median(sample)), 6),
        drift=drift,
    )


def stability_index(expected: Numbers, seen: Numbers) -> float:
    """The population stability index of shares (B,) against expected ones."""
    expected, seen = np.maximum(expected, _EMPTY), np.maximum(seen, _EMPTY)
    return float(((seen - expected) * np.log(seen / expected)).sum())


def read_findings(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a JSON-lines file, or of lists that the service gives, one a line.

    Raises:
        DatasetError: It cannot be read, or a line is no record; the message says which.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield from _records(path, number, line)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read ({error}); name a file that `predict --format json` wrote"
        raise DatasetError(msg) from error


def _records(path: Path, number: int, line: str) -> Iterator[dict[str, Any]]:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        msg = f"{path}, line {number}: not JSON ({error})"
        raise DatasetError(msg) from error
    if isinstance(given, dict) and isinstance(given.get("items"), list):
        for item in given["items"]:
            kept = item.get("finding", item) if isinstance(item, dict) else item
            yield _checked(path, number, kept)
    else:
        yield _checked(path, number, given)


class _Reason(BaseModel):
    code: str


class _ModelName(BaseModel):
    name: str


class _Read(BaseModel):
    """What is read of a finding; the rest of it may be anything."""

    model: _ModelName
    status: Status
    novelty: FiniteFloat | None = None
    unlikeness: FiniteFloat | None = None
    tumor_probability: Fraction | None = None
    reasons: tuple[_Reason, ...] = ()


def _checked(path: Path, number: int, record: Any) -> dict[str, Any]:
    if isinstance(record, dict) and record.get("record", "finding") != "finding":
        return record
    try:
        _Read.model_validate(record)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        why = f"{where}: {first['msg']}" if where else first["msg"]
        msg = (
            f"{path}, line {number}: no finding ({why}); name a file that "
            "`predict --format json` wrote"
        )
        raise DatasetError(msg) from error
    kept: dict[str, Any] = record
    return kept


def _values(records: list[Mapping[str, Any]], name: str) -> Numbers:
    """A figure of the findings that carry it; what was rejected has no probability worth a look."""
    found = [
        float(record[name])
        for record in records
        if isinstance(record.get(name), int | float)
        and (name != "tumor_probability" or record["status"] != Status.REJECTED)
    ]
    return np.array(found)
