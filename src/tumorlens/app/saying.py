"""What the app says of an answer, beyond the words that every way out shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.decide.finding import Status
from tumorlens.decide.study import POOLING
from tumorlens.decide.words import class_words, percent

if TYPE_CHECKING:
    from tumorlens.app.cases import Case
    from tumorlens.decide.finding import Finding
    from tumorlens.model.format import Metric, ModelMetadata

CONSULT = (
    "This is no diagnosis. Whatever stands here, have the scan read by a radiologist or another "
    "medical professional."
)
POOLED = (
    "A series is answered tumor if any of its slices is and its kind is sure, else uncertain if "
    "any is or its kind is open, else no tumor if any is. The probability is the highest of any "
    "slice."
)
# How evaluations name sets of which a model saw nothing in training, and its skill on them.
NEVER_SEEN, SKILL = "never seen", "tumor AUROC"
_HUNDRED = 100


def pooled_words(case: Case) -> str:
    """How the answer for a series came of those for its slices."""
    told = case.pooling
    return POOLED if told == POOLING else f"For a series, {told}."


def meaning(tumor_probability: float) -> str:
    """What a calibrated tumor probability promises."""
    count = round(_HUNDRED * tumor_probability)
    if count == _HUNDRED:
        share = "more than 99"
    elif count == 0:
        share = "fewer than 1"
    else:
        share = f"about {count}"
    return (
        f"Of 100 images with this figure, {share} show a tumor, as far as they are like those "
        "that the model was calibrated on."
    )


def unseen_figures(metadata: ModelMetadata) -> list[Metric]:
    """What the model was measured to do on sets that it has never seen."""
    return [metric for metric in metadata.metrics if NEVER_SEEN in metric.on]


def caution(metadata: ModelMetadata) -> str:
    """The figure that tells most of what an answer on a scan from elsewhere is worth."""
    skill = [metric for metric in unseen_figures(metadata) if metric.name == SKILL]
    if not skill:
        return f"{metadata.name} was not measured on scans from elsewhere; expect mistakes."
    worst = min(skill, key=lambda metric: metric.value)
    return (
        f"On images from elsewhere ({worst.on}), {metadata.name} has a {SKILL} of "
        f"{worst.value:.2f}; 1 is perfect, 0.5 is chance."
    )


def set_words(finding: Finding, metadata: ModelMetadata) -> str:
    """The prediction set as a sentence; empty where the model gives none."""
    if metadata.thresholds.conformal is None or finding.status is Status.REJECTED:
        return ""
    coverage = metadata.thresholds.coverage
    sure = "" if coverage is None else f" at {_HUNDRED * coverage:.0f} % coverage"
    if not finding.prediction_set:
        return f"Prediction set{sure}: empty, no class fits well enough."
    names = ", ".join(class_words(name, metadata.display) for name in finding.prediction_set)
    return f"Prediction set{sure}: {names}."


def kind_words(finding: Finding, metadata: ModelMetadata) -> str:
    """The kind of tumor with its own probability; empty where none is named or there is one."""
    if finding.label is None or len(metadata.positive) == 1:
        return ""
    name = class_words(finding.label, metadata.display)
    return f"Kind of tumor: {name}, {percent(finding.probabilities[finding.label])}"


def case_headline(case: Case, metadata: ModelMetadata) -> str:
    """The answer for a series or volume in one line."""
    counts, total = case.counts, len(case.slices)
    match case.status:
        case Status.TUMOR:
            kind = class_words(case.label or "tumor", metadata.display)
            named = "" if kind == "tumor" else f": {kind}"
            return f"Tumor found in {counts[Status.TUMOR]} of {total} slices{named}"
        case Status.UNCERTAIN:
            return f"Uncertain: {total} slices to be read by a person"
        case Status.NO_TUMOR:
            return f"No tumor found in {counts[Status.NO_TUMOR]} of {total} slices"
        case Status.REJECTED:
            return f"Rejected: none of {total} slices is a readable brain MRI"


def spacing_words(finding: Finding) -> str:
    """The size of a slice, in mm too where that is known."""
    scan = finding.scan
    size = f"{scan.width} x {scan.height} pixels"
    if scan.spacing_mm is None:
        return f"{size}; size of a pixel not known"
    rows, columns = scan.spacing_mm
    return f"{size} of {columns:.2f} x {rows:.2f} mm"
