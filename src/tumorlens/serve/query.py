"""Which findings of the history are asked for, and in which order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tumorlens.serve.records import StoredFinding


class Sort(StrEnum):
    """The order of a list; with a minus, from the highest or latest."""

    NEWEST = "-created"
    OLDEST = "created"
    NAME = "name"
    NAME_DOWN = "-name"
    PROBABILITY = "tumor_probability"
    PROBABILITY_DOWN = "-tumor_probability"
    STATUS = "status"
    STATUS_DOWN = "-status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for; a part that is None or empty asks for nothing.

    Attributes:
        owner: Of whom; None for everyone's.
        statuses: Any of these answers.
        labels: Any of these kinds of tumor.
        name: Stands somewhere in the name, capitals or not.
        model: Name of the model that answered.
        batch: Came in this request.
        sha256: Of this file.
        series: Of this series or volume.
        reviewed: Whether a reader has said something of it.
        since: Answered at or after this time.
        until: Answered before this time.
        sort: The order.
        offset: So many are left out at the start.
        limit: So many are given at most.
    """

    owner: str | None = None
    statuses: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    name: str = ""
    model: str | None = None
    batch: str | None = None
    sha256: str | None = None
    series: str | None = None
    reviewed: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: Sort = Sort.NEWEST
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Attributes:
        items: The findings of this part.
        total: How many there are in the whole list.
    """

    items: tuple[StoredFinding, ...] = field(default=())
    total: int = 0
