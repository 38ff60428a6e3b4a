"""What goes into the store and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Verdict(StrEnum):
    """What a reader says of a finding."""

    AGREE = "agree"
    DISAGREE = "disagree"
    OTHER_LABEL = "other_label"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFinding:
    """A finding that is to be kept.

    Attributes:
        id: Its identifier, used if the slice is not kept already.
        owner: Who sent it; empty where nobody logs in.
        batch: Equal for all that came in one request.
        name: The input as its sender named it.
        sha256: SHA-256 of the file.
        frame: Index of the slice in the file.
        frame_count: Slices of the file.
        plane: Along which slices were cut, as it was asked for.
        series: Equal for the slices of one series or volume, or None.
        model_name: Which model answered.
        model_sha256: SHA-256 of its file.
        status: The answer.
        label: Kind of tumor, or None.
        tumor_probability: As in the Finding.
        document: The Finding as JSON.
        picture: Thumbnail and maps, packed by `tumorlens.serve.picture`.
    """

    id: str
    owner: str
    batch: str
    name: str
    sha256: str
    frame: int
    frame_count: int
    plane: str
    series: str | None
    model_name: str
    model_sha256: str
    status: str
    label: str | None
    tumor_probability: float | None
    document: str
    picture: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFinding(NewFinding):
    """A finding that is kept.

    Attributes:
        created: When it was first answered, UTC.
        expires: When it is purged, UTC.
        feedback: What readers said of it, the latest last.
    """

    created: datetime
    expires: datetime
    feedback: tuple[Feedback, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What one reader said of a finding.

    Attributes:
        finding_id: Of which finding.
        reader: Who; empty where nobody logs in.
        verdict: Agrees, disagrees, or names another label.
        label: The label that the reader gives, or None.
        comment: In the reader's words; may be empty.
        created: When, UTC.
    """

    finding_id: str
    reader: str
    verdict: Verdict
    label: str | None
    comment: str
    created: datetime
