"""The audit log: entries are added, and never changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from tumorlens.serve.auth.records import AuditPage, AuditQuery, AuditRecord
from tumorlens.serve.store.schema import KEY_LENGTH, AuditRow
from tumorlens.serve.store.times import from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Select

    from tumorlens.serve.audit import Entry
    from tumorlens.serve.store.database import Database

AUDIT = AuditRow.__table__


class AuditStore:
    """The audit log of one database. May be used from any thread.

    Args:
        database: Brought up to date.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, entry: Entry) -> None:
        """Take down one entry; when this returns, it is on the disk.

        Raises:
            StoreError: It cannot be taken down.
        """
        values = {
            "time_ms": to_ms(datetime.now(UTC)),
            "user_id": entry.user.id,
            "user_name": entry.user.name,
            "via": entry.user.via,
            "action": entry.action.value,
            "target": entry.target[:KEY_LENGTH],
            "request_id": entry.request_id[:KEY_LENGTH],
            "client": entry.client[:KEY_LENGTH],
        }
        with self._database.writing() as connection:
            connection.execute(self._database.insert(AUDIT).values(values))

    def find(self, query: AuditQuery) -> AuditPage:
        """The entries that a query asks for."""
        wanted = _filtered(select(AUDIT), query).order_by(AuditRow.number.desc())
        counted = _filtered(select(func.count()).select_from(AUDIT), query)
        with self._database.reading() as connection:
            total = connection.execute(counted).scalar_one()
            rows = connection.execute(wanted.offset(query.offset).limit(query.limit)).mappings()
            return AuditPage(tuple(_record_of(row) for row in rows), total)


def _filtered(wanted: Select[Any], query: AuditQuery) -> Select[Any]:
    for column, value in (
        (AuditRow.user_id, query.user_id),
        (AuditRow.action, query.action),
        (AuditRow.target, query.target),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    if query.since is not None:
        wanted = wanted.where(AuditRow.time_ms >= to_ms(query.since))
    if query.until is not None:
        wanted = wanted.where(AuditRow.time_ms < to_ms(query.until))
    return wanted


def _record_of(row: Mapping[Any, Any]) -> AuditRecord:
    fields = dict(row)
    return AuditRecord(time=from_ms(fields.pop("time_ms")), **fields)
