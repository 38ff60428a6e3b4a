"""One pass over images: the answer for each as a user gets it, and how its map lies on the mask."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.analysis import answer_scan
from tumorlens.decide.finding import Finding, Status
from tumorlens.evaluate import holdout
from tumorlens.evaluate.evidence.record import Answered
from tumorlens.evaluate.explanations import MapScore, score_map
from tumorlens.evaluate.metrics import with_interval
from tumorlens.evaluate.truth import UNKNOWN, truth_of
from tumorlens.scan import read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import Metric, ModelMetadata
    from tumorlens.model.run import Model

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """An image with its answer.

    Attributes:
        entry: The image.
        finding: The answer, without its maps.
        map_score: How its heatmap lies on the mask; None without a mask or a heatmap.
        tumor_share: The share of the picture that the mask covers; None without one.
    """

    entry: Entry
    finding: Finding
    map_score: MapScore | None
    tumor_share: float | None


def answer_cases(
    model: Model,
    root: Path,
    entries: Sequence[Entry],
    masks: Mapping[str, Path],
    progress: Progress | None = None,
) -> list[Case]:
    """Answer images as a user's are answered.

    Raises:
        ScanError: An image or a mask cannot be read.
    """

    def one(entry: Entry) -> Case:
        scan = next(read(root / entry.name))
        finding = answer_scan(scan, model)
        score, share = None, None
        if (path := masks.get(entry.name)) is not None:
            mask = next(read(path)).pixels > 0
            share = float(mask.mean())
            values = finding.heatmap
            if values is not None and finding.evidence_map is not None and mask.any():
                box = finding.evidence_map.placement.box
                seen = np.zeros(mask.shape, np.bool_)
                seen[box.top : box.bottom, box.left : box.right] = True
                score = score_map(values, mask, seen)
        bare = finding.model_copy(update={"evidence_map": None, "mask_map": None})
        return Case(entry, bare, score, share)

    found = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, case in enumerate(pool.map(one, entries), start=1):
            found.append(case)
            if progress:
                progress(number, len(entries))
    return found


def probabilities_of(model: Model, root: Path, cases: Sequence[Case]) -> NDArray[np.float64]:
    """(N, C); what was rejected unseen is asked for once more: controls are measured on all."""
    rows = []
    for case in cases:
        given = case.finding.probabilities
        if given:
            rows.append([given[name] for name in model.metadata.classes])
        else:
            rows.append(holdout.predict(model, root, [case.entry])[0].tolist())
    return np.asarray(rows, np.float64)


def answered(metadata: ModelMetadata, cases: Sequence[Case], on: str) -> Answered:
    """What became of some images, and how often what was answered is right."""
    right, known = _right(metadata, cases)
    given = np.array([case.finding.status in (Status.TUMOR, Status.NO_TUMOR) for case in cases])
    groups = np.array([case.entry.group for case in cases])
    figures: list[Metric] = [_mean("share answered", on, given, groups)]
    open_kind = np.array([case.finding.kind_is_open for case in cases])
    figures.append(_mean("share answered tumor, its kind open", on, open_kind, groups))
    rejected = np.array([case.finding.status is Status.REJECTED for case in cases])
    figures.append(_mean("share rejected", on, rejected, groups))
    for name, rows in (
        ("accuracy of what is answered", given & known),
        ("accuracy of all, were nothing withheld", known),
    ):
        if rows.any():
            values = right[0 if name.endswith("answered") else 1][rows]
            figures.append(_mean(name, on, values, groups[rows]))
    truth = truth_of(metadata, [case.entry for case in cases]).tumor
    for name, wanted, missed in (
        ("tumors answered no tumor", 1, Status.NO_TUMOR),
        ("tumor-free answered tumor", 0, Status.TUMOR),
    ):
        rows = truth == wanted
        if rows.any():
            wrong = np.array([case.finding.status is missed for case in cases])[rows]
            figures.append(_mean(name, on, wrong, groups[rows]))
    statuses = Counter(case.finding.status for case in cases)
    return Answered(
        on=on,
        images=len(cases),
        statuses=dict(sorted(statuses.items())),
        figures=tuple(figures),
    )


def _right(
    metadata: ModelMetadata, cases: Sequence[Case]
) -> tuple[tuple[NDArray[np.bool_], NDArray[np.bool_]], NDArray[np.bool_]]:
    """Whether each answer is right, whether it would be were nothing withheld, and if it is known.

    Kinds count where the image's kind is known and the answer names one; else only tumor against
    none.
    """
    truth = truth_of(metadata, [case.entry for case in cases])
    as_answered, anyway = [], []
    for number, case in enumerate(cases):
        kind, tumor = int(truth.kind[number]), int(truth.tumor[number])
        wanted = metadata.classes[kind] if kind != UNKNOWN else None
        finding = case.finding
        said_tumor = finding.status is Status.TUMOR
        likeliest = max(finding.probabilities, key=finding.probabilities.__getitem__, default="")
        would_tumor = (finding.tumor_probability or 0.0) >= metadata.thresholds.tumor
        if wanted is None:
            as_answered.append(said_tumor == bool(tumor))
            anyway.append(would_tumor == bool(tumor))
        else:
            is_tumor = wanted in metadata.positive
            named = finding.label in (wanted, None)
            as_answered.append(said_tumor and named if is_tumor else not said_tumor)
            anyway.append(likeliest == wanted)
    known = (truth.kind != UNKNOWN) | (truth.tumor != UNKNOWN)
    return (np.array(as_answered, np.bool_), np.array(anyway, np.bool_)), known


def _mean(name: str, on: str, values: NDArray[np.bool_], groups: NDArray[np.str_]) -> Metric:
    numbers = values.astype(np.float64)
    return with_interval(name, on, lambda rows: float(numbers[rows].mean()), groups.tolist())
