"""Times as the tables hold them: milliseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def to_ms(time: datetime) -> int:
    """A time as the tables hold it."""
    return round(time.timestamp() * 1000)


def to_ms_or_none(time: datetime | None) -> int | None:
    """A time that may be missing."""
    return None if time is None else to_ms(time)


def from_ms(milliseconds: int) -> datetime:
    """A time of a table, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def from_ms_or_none(milliseconds: int | None) -> datetime | None:
    """A time of a table that may be missing, UTC."""
    return None if milliseconds is None else from_ms(milliseconds)
