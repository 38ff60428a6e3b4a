"""What the interface answers with, as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tumorlens.decide.finding import NOTICE, Finding
from tumorlens.decide.study import Study
from tumorlens.report.json_lines import ErrorRecord
from tumorlens.serve import records
from tumorlens.serve.keep import Kept


class FeedbackBody(BaseModel):
    """What a reader said of a finding.

    Attributes:
        reader: Identifier of the reader; empty where nobody logs in.
        verdict: agree, disagree or other_label.
        label: The label that the reader gives instead.
        comment: In the reader's words.
        created: When.
    """

    reader: str
    verdict: Literal["agree", "disagree", "other_label"]
    label: str | None
    comment: str
    created: datetime


class KeptFinding(BaseModel):
    """An answered slice, with what is needed to come back to it.

    Attributes:
        record: Tells the kinds of lines of a stream apart.
        id: Its identifier.
        batch: Equal for all that was sent in one request.
        created: When it was first answered.
        expires: When it is purged from the history; null where it is only in memory, for
            `cache_seconds` at most.
        repeated: Whether the same slice had been answered before, and this is that answer.
        finding: The answer, as `tumorlens predict --format json` writes it.
        feedback: What readers said of it.
        links: Where its pictures and reports are.
    """

    record: Literal["finding"] = "finding"
    id: str
    batch: str
    created: datetime
    expires: datetime | None
    repeated: bool
    finding: Finding
    feedback: list[FeedbackBody]
    links: dict[str, str]


class Batch(BaseModel):
    """What became of the files of one request.

    Attributes:
        batch: Its identifier.
        findings: The answered slices, in the order of the files and their slices.
        studies: One answer for each series or volume of several slices, pooled from theirs.
        errors: Files, or the rest of them, that could not be answered.
        notice: The research-use notice.
    """

    batch: str
    findings: list[KeptFinding]
    studies: list[Study]
    errors: list[ErrorRecord]
    notice: str = NOTICE


class Findings(BaseModel):
    """A part of the history.

    Attributes:
        history: Whether this installation keeps a history at all.
        total: How many findings the whole list has.
        offset: So many of them come before this part.
        items: This part.
    """

    history: bool
    total: int
    offset: int
    items: list[KeptFinding]


class Summary(BaseModel):
    """The last line of a stream: all was answered, or named as an error.

    Attributes:
        record: Tells the kinds of lines of a stream apart.
        batch: The request.
        findings: How many slices were answered.
        errors: How many files, or rests of them, were not.
    """

    record: Literal["summary"] = "summary"
    batch: str
    findings: int
    errors: int


def kept_finding(kept: Kept, base: str) -> KeptFinding:
    """An answered slice as the interface tells it.

    Args:
        kept: The slice.
        base: Address of the interface, such as ``/api/v1``.
    """
    address = f"{base}/findings/{kept.id}"
    return KeptFinding(
        id=kept.id,
        batch=kept.batch,
        created=kept.created,
        expires=kept.expires,
        repeated=kept.repeated,
        finding=kept.finding,
        feedback=[feedback_body(one) for one in kept.feedback],
        links=_links(kept.finding, address),
    )


def feedback_body(feedback: records.Feedback) -> FeedbackBody:
    """What a reader said, as the interface tells it."""
    return FeedbackBody(
        reader=feedback.reader,
        verdict=feedback.verdict.value,
        label=feedback.label,
        comment=feedback.comment,
        created=feedback.created,
    )


def _links(finding: Finding, address: str) -> dict[str, str]:
    links = {
        "self": address,
        "slice": f"{address}/slice.png",
        "thumbnail": f"{address}/thumbnail.png",
        "overlay": f"{address}/overlay.png",
    }
    if finding.heatmap_class is not None:
        links["heatmap"] = f"{address}/heatmap.png"
    if finding.measurements is not None:
        links["mask"] = f"{address}/mask.png"
    reports = {f"report_{kind}": f"{address}/report.{kind}" for kind in ("json", "csv", "pdf")}
    return links | reports | {"feedback": f"{address}/feedback"}


EXAMPLE: dict[str, Any] = {
    "record": "finding",
    "id": "5f0c2b7d9a3e4c1db0a6f1e2d3c4b5a6",
    "batch": "c0ffee00c0ffee00c0ffee00c0ffee00",
    "created": "2026-03-01T09:30:00Z",
    "expires": None,
    "repeated": False,
    "finding": {
        "record": "finding",
        "status": "tumor",
        "label": "meningioma",
        "tumor_probability": 0.987,
        "probabilities": {
            "no_tumor": 0.013,
            "glioma": 0.031,
            "meningioma": 0.942,
            "pituitary": 0.014,
        },
        "prediction_set": ["meningioma"],
        "novelty": 0.94,
        "reasons": [],
        "measurements": None,
        "heatmap_class": "meningioma",
        "model": {"name": "tumorlens-v1", "version": "0.1", "sha256": "0" * 64},
        "scan": {
            "source": "scan.jpg",
            "sha256": "1" * 64,
            "format": "jpeg",
            "width": 320,
            "height": 320,
            "spacing_mm": None,
            "frame": 0,
            "frame_count": 1,
            "position_mm": None,
            "series": None,
        },
        "elapsed_ms": 21.4,
        "notice": NOTICE,
    },
    "feedback": [],
    "links": {"self": "/api/v1/findings/5f0c2b7d9a3e4c1db0a6f1e2d3c4b5a6"},
}
KeptFinding.model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})
KeptFinding.model_rebuild(force=True)
