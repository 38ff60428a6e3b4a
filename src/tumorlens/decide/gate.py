"""The gate: what is no readable brain MRI is rejected, and what is doubtful is left to a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tumorlens.decide.finding import Reason, Status
from tumorlens.decide.verdict import PASSED, Verdict
from tumorlens.scan.quality import QualityKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tumorlens.model.format import Thresholds
    from tumorlens.scan.quality import QualityFlag


@dataclass(frozen=True, slots=True)
class _Rule:
    status: Status
    text: str


# Nothing can be read where there is no picture, or where the picture cannot be an MRI; a poor
# picture may still show a tumor, so its answer is given, but not relied on.
QUALITY_RULES = {
    QualityKind.BLANK: _Rule(Status.REJECTED, "the picture is almost black"),
    QualityKind.FLAT: _Rule(Status.REJECTED, "the picture shows almost nothing but one grey"),
    QualityKind.TINY: _Rule(Status.REJECTED, "the picture has too few pixels a side"),
    QualityKind.COLOUR: _Rule(Status.REJECTED, "the picture is in colour, which MRI is not"),
    QualityKind.BLURRED: _Rule(Status.UNCERTAIN, "the picture is blurred"),
    QualityKind.CLIPPED: _Rule(Status.UNCERTAIN, "much of the picture is pure white or black"),
    QualityKind.PANELS: _Rule(Status.UNCERTAIN, "the picture seems to hold several panels"),
    QualityKind.TEXT: _Rule(Status.UNCERTAIN, "writing covers much of the picture"),
}


def judge_quality(flags: Iterable[QualityFlag]) -> Verdict:
    """Judge a slice by the faults of its picture, before the network sees it."""
    rules = [(QUALITY_RULES[flag.kind], flag) for flag in flags]
    if not rules:
        return PASSED
    rejects = any(rule.status is Status.REJECTED for rule, _ in rules)
    reasons = tuple(
        Reason(
            code=flag.kind.value,
            text=f"{rule.text} ({flag.measure:.3g}, limit {flag.limit:.3g})",
            measure=flag.measure,
            limit=flag.limit,
        )
        for rule, flag in rules
    )
    return Verdict(Status.REJECTED if rejects else Status.UNCERTAIN, reasons)


def judge_novelty(novelty: float, thresholds: Thresholds) -> Verdict:
    """Judge a slice by how far it is from what the model was trained on."""
    for status, limit, what in (
        (Status.REJECTED, thresholds.novelty_rejected, "any brain MRI"),
        (Status.UNCERTAIN, thresholds.novelty_uncertain, "the images"),
    ):
        if limit is not None and novelty > limit:
            text = (
                f"the picture is unlike {what} that the model was trained on "
                f"(distance {novelty:.3g}, limit {limit:.3g})"
            )
            reason = Reason(code="novelty", text=text, measure=novelty, limit=limit)
            return Verdict(status, (reason,))
    return PASSED
