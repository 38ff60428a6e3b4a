"""The answer for a whole series or volume, pooled from the answers for its slices."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel

from tumorlens.decide.finding import (
    CONFIG,
    NOTICE,
    Fraction,
    Lesion,
    ModelInfo,
    Reason,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tumorlens.decide.finding import Finding
    from tumorlens.model.decision import StudyRule

POOLING = (
    "tumor if any slice is answered tumor and its kind is sure, else uncertain if any is or its "
    "kind is open, else no_tumor if any is; "
    "the tumor probability is the highest of any slice that was answered"
)
# A probability of 0 or 1 has no logit; float32 knows none nearer to 1 than this.
_LEAST = 1e-6
GRAVEST_FIRST = (Status.TUMOR, Status.UNCERTAIN, Status.NO_TUMOR, Status.REJECTED)
"""The answers, in the order in which a reader has to look at them."""


class StudyLesion(BaseModel):
    """The size of one lesion through all slices that it reaches.

    Attributes:
        number: From 1, the largest first; its parts in the Findings have the same.
        pixels: How many pixels are marked, over all slices.
        volume_ml: Their volume, where the spacing and the distance of slices are known.
        first_slice: The first slice that it reaches, from 1 in the order of the study.
        last_slice: The last one.
        largest_slice: The slice on which it covers the largest area.
        largest: Its size there: the two diameters that RANO and RECIST 1.1 ask for.
    """

    model_config = CONFIG

    number: int
    pixels: int
    volume_ml: float | None = None
    first_slice: int
    last_slice: int
    largest_slice: int
    largest: Lesion


class StudyMeasurements(BaseModel):
    """The size of all that is marked in a study.

    Attributes:
        pixels: How many pixels are marked, over all slices; 0 where no lesion is.
        volume_ml: Their volume, where the spacing and the distance of slices are known.
        lesions: The lesions that they make up, by number.
    """

    model_config = CONFIG

    pixels: int
    volume_ml: float | None = None
    lesions: tuple[StudyLesion, ...] = ()


class Study(BaseModel):
    """The answer for a series or a volume.

    Attributes:
        status: Pooled from the slices, as `pooling` says; see `pool`.
        label: The tumor class with the highest mean probability over the slices answered tumor.
        tumor_probability: Pooled from the slices that were not rejected.
        slices: Status → how many slices have it.
        pooling: How the status was pooled.
        source: The file of the volume, or the first file of the series, as the user named it.
        series: Equal to that of its slices.
        spacing_mm: (row, column) distance of pixel centres in mm, or None where unknown.
        slice_distance_mm: Usual distance of neighbouring slices in mm, or None where unknown.
        measurements: Size of what is marked; None where the slices do not make up a volume, or
            the status is neither tumor nor no tumor and nothing is marked.
        notes: What a reader of the measurements must know.
        mask_file: Where the mask of the whole study was written, if it was.
        model: Which model answered.
        notice: The research-use notice.
    """

    model_config = CONFIG

    record: Literal["study"] = "study"
    status: Status
    label: str | None = None
    tumor_probability: Fraction | None = None
    slices: dict[Status, int]
    pooling: str = POOLING
    source: str
    series: str | None = None
    spacing_mm: tuple[float, float] | None = None
    slice_distance_mm: float | None = None
    measurements: StudyMeasurements | None = None
    notes: tuple[Reason, ...] = ()
    mask_file: str | None = None
    model: ModelInfo
    notice: str = NOTICE

    @property
    def slice_count(self) -> int:
        """How many slices it has."""
        return sum(self.slices.values())


@dataclass(frozen=True, slots=True)
class Pooled:
    """The answer for all slices together.

    Attributes:
        status: Of the whole.
        tumor_probability: Of the whole; None where no slice could be read.
        pooling: How they were pooled, in words.
    """

    status: Status
    tumor_probability: float | None
    pooling: str


def stack_of(finding: Finding) -> tuple[object, ...] | None:
    """Equal for slices of one series or volume that can lie on each other; None for one by itself.

    Those of a series have its name; those of a volume, and the frames of one file, their file.
    Slices of another size are not of the same stack.
    """
    scan = finding.scan
    if scan.frame_count > 1:
        return (scan.series, scan.source, scan.height, scan.width)
    return None if scan.series is None else (scan.series, scan.height, scan.width)


def stacks(findings: Iterable[Finding]) -> Iterator[list[Finding]]:
    """The findings of each stack, in their order; slices by themselves are left out."""
    for stack, slices in groupby(findings, key=stack_of):
        if stack is not None and len(together := list(slices)) > 1:
            yield together


def each_once(findings: Iterable[Finding]) -> list[Finding]:
    """Findings without those of copies: of the same frame of a file of the same bytes."""
    known: dict[tuple[str, int], Finding] = {}
    for finding in findings:
        known.setdefault((finding.scan.sha256, finding.scan.frame), finding)
    return list(known.values())


def study_of(findings: Sequence[Finding], rule: StudyRule | None = None) -> Study:
    """The answer for a series or volume from those for its slices, without measurements.

    Args:
        findings: Of its slices, in their order, at least one; all of one model. Of copies of a
            slice one counts.
        rule: Their model's rule for series, where they come from a file or a request: what is
            written of a Finding does not hold it.

    Raises:
        ValueError: There are none, or they are of several models.
    """
    if len({finding.model.sha256 for finding in findings}) != 1:
        msg = "a study is pooled from the findings of one model, at least one"
        raise ValueError(msg)
    findings = each_once(findings)
    first = findings[0]
    if rule is not None:
        model = first.model.model_copy(update={"study": rule})
        first = first.model_copy(update={"model": model})
    whole = pool([first, *findings[1:]])
    return Study(
        status=whole.status,
        label=pooled_label(findings),
        tumor_probability=whole.tumor_probability,
        slices=dict(Counter(finding.status for finding in findings)),
        pooling=whole.pooling,
        source=first.scan.source,
        series=first.scan.series,
        spacing_mm=first.scan.spacing_mm,
        model=first.model,
    )


def pool(findings: Sequence[Finding]) -> Pooled:
    """Pool the answers for the slices of a series, all of one model.

    By the model's own rule where its file has one, and else as `POOLING` says; one slice is its own
    answer, and of copies of a slice one counts. By a rule:

    1. Rejected where every slice is.
    2. The tumor probability is a logistic function of the mean logit of the highest slices.
    3. A tumor where it reaches the rule's threshold and a slice is answered so; no tumor where it
       stays below the other and no slice is answered tumor; else uncertain.

    Among many slices without a tumor one is called so by chance, and mostly of no sure kind: slices
    whose kind is open speak for an uncertain series, and do not make it a tumor.
    """
    findings = each_once(findings)
    counts = Counter(
        Status.UNCERTAIN if finding.kind_is_open else finding.status for finding in findings
    )
    rule = findings[0].model.study if findings else None
    read = [
        finding.tumor_probability
        for finding in findings
        if finding.status is not Status.REJECTED and finding.tumor_probability is not None
    ]
    if len(findings) == 1:
        return Pooled(findings[0].status, pooled_probability(findings), POOLING)
    if rule is None or not read:
        return Pooled(pooled(dict(counts)), pooled_probability(findings), POOLING)
    logit = rule.scale * mean_of_highest(np.array(read), rule.highest) + rule.bias
    probability = round(float(1 / (1 + np.exp(-logit))), 6)
    is_free = counts[Status.NO_TUMOR] and all(one.status is not Status.TUMOR for one in findings)
    status = Status.UNCERTAIN
    if probability >= rule.tumor and counts[Status.TUMOR]:
        status = Status.TUMOR
    elif probability <= rule.no_tumor and is_free:
        status = Status.NO_TUMOR
    return Pooled(status, probability, rule_words(rule))


def rule_words(rule: StudyRule) -> str:
    """A rule as a reader is told it."""
    several = f"{rule.highest} slices" if rule.highest > 1 else "slice"
    return (
        f"the tumor probability is that of the mean logit of the highest {several}, calibrated on "
        f"{rule.on}; tumor from {rule.tumor:.3g} up where a slice is answered tumor and its kind "
        f"is sure, no tumor up to {rule.no_tumor:.3g} where none is, else uncertain"
    )


def mean_of_highest(probabilities: NDArray[np.float64], count: int) -> float:
    """The mean logit of the slices with the highest tumor probabilities, all where there are fewer.

    Args:
        probabilities: Of the slices, (S,), at least one.
        count: How many are averaged.
    """
    shares = np.clip(np.sort(probabilities)[::-1][:count], _LEAST, 1 - _LEAST)
    return float(np.log(shares / (1 - shares)).mean())


def pooled(slices: dict[Status, int]) -> Status:
    """The status of a study; see `POOLING`."""
    return next((status for status in GRAVEST_FIRST if slices.get(status)), Status.REJECTED)


def pooled_label(findings: Sequence[Finding]) -> str | None:
    """The kind of tumor that the slices answered tumor speak most for, all together."""
    found = [finding for finding in findings if finding.status is Status.TUMOR]
    kinds = {finding.label for finding in found if finding.label is not None}
    if not kinds:
        return None
    return max(
        sorted(kinds), key=lambda kind: sum(one.probabilities.get(kind, 0.0) for one in found)
    )


def pooled_probability(findings: Sequence[Finding]) -> float | None:
    """The highest tumor probability of the slices that were not rejected; None without any."""
    return max(
        (
            finding.tumor_probability
            for finding in findings
            if finding.status is not Status.REJECTED and finding.tumor_probability is not None
        ),
        default=None,
    )
