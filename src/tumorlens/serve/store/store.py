"""The history: findings and feedback, kept for a set time, each slice of each sender once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, func, literal, select

from tumorlens.serve.query import Page, Query, Sort
from tumorlens.serve.records import Feedback, NewFinding, StoredFinding, Verdict
from tumorlens.serve.store.database import Database
from tumorlens.serve.store.schema import NAME_LENGTH, FeedbackRow, FindingRow
from tumorlens.serve.store.times import from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row, Select

FINDINGS, FEEDBACK = FindingRow.__table__, FeedbackRow.__table__
# What makes two slices the same; the table's constraint has the same columns.
SAME_SLICE = ("owner", "sha256", "frame", "plane", "model_sha256")
_LIKE_ESCAPE = "\\"
_SORT_COLUMNS = {
    "created": FindingRow.created_ms,
    "name": FindingRow.name,
    "tumor_probability": FindingRow.tumor_probability,
    "status": FindingRow.status,
}


class Store:
    """Findings and feedback in one database. May be used from any thread.

    Args:
        url: As `Database` takes it.

    Raises:
        StoreError: The database cannot be opened or brought up to date.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.database.upgrade()

    def keep(
        self, new: Sequence[NewFinding], *, days: float, created: datetime | None = None
    ) -> list[StoredFinding]:
        """Keep findings: when this returns they are on the disk, each once.

        A slice that its owner has kept already stays as it was, under its first identifier.

        Args:
            new: The findings of one file, or some of them.
            days: After how many days they are purged.
            created: When they were answered, equal for all of one file; now if None.

        Returns:
            What is kept now, in the order of `new`.

        Raises:
            StoreError: They cannot be kept.
        """
        if not new:
            return []
        now = datetime.now(UTC)
        created = created or now
        times = {"created_ms": to_ms(created), "expires_ms": to_ms(created + timedelta(days=days))}
        rows = [_row_of(one) | times for one in new]
        with self.database.writing() as connection:
            # What has expired and is not purged yet is answered anew.
            self._purge(connection, now)
            return [self._kept_once(connection, row) for row in rows]

    def known(
        self, *, owner: str, sha256: str, plane: str, model_sha256: str
    ) -> list[StoredFinding]:
        """The kept findings of a file, by slice; empty unless all of its slices are kept."""
        wanted = select(FindingRow.__table__).where(
            FindingRow.owner == owner,
            FindingRow.sha256 == sha256,
            FindingRow.plane == plane,
            FindingRow.model_sha256 == model_sha256,
            FindingRow.expires_ms > to_ms(datetime.now(UTC)),
        )
        with self.database.reading() as connection:
            rows = connection.execute(wanted.order_by(FindingRow.frame)).all()
            found = self._with_feedback(connection, rows)
        return found if found and len(found) == found[0].frame_count else []

    def get(self, finding_id: str) -> StoredFinding | None:
        """One finding, or None where there is none, or it has expired."""
        wanted = select(FINDINGS).where(
            FindingRow.id == finding_id, FindingRow.expires_ms > to_ms(datetime.now(UTC))
        )
        with self.database.reading() as connection:
            rows = connection.execute(wanted).all()
            return next(iter(self._with_feedback(connection, rows)), None)

    def find(self, query: Query) -> Page:
        """The findings that a query asks for, in its order, without their pictures."""
        columns = [column for column in FINDINGS.c if column.name != "picture"]
        wanted = _filtered(select(*columns, literal(b"").label("picture")), query)
        counted = _filtered(select(func.count()).select_from(FINDINGS), query)
        wanted = wanted.order_by(*_order(query.sort)).offset(query.offset).limit(query.limit)
        with self.database.reading() as connection:
            total = connection.execute(counted).scalar_one()
            rows = connection.execute(wanted).all()
            return Page(tuple(self._with_feedback(connection, rows)), total)

    def delete(self, finding_id: str) -> bool:
        """Delete a finding and what was said of it; whether there was one."""
        with self.database.writing() as connection:
            gone = connection.execute(delete(FindingRow).where(FindingRow.id == finding_id))
            return gone.rowcount > 0

    def purge(self) -> int:
        """Delete all findings that have expired; how many there were."""
        with self.database.writing() as connection:
            return self._purge(connection, datetime.now(UTC))

    def say(self, feedback: Feedback) -> None:
        """Keep what a reader says of a finding; it takes the place of what they said before.

        Raises:
            StoreError: There is no such finding, or the database cannot be used.
        """
        values = {
            "finding_id": feedback.finding_id,
            "reader": feedback.reader,
            "created_ms": to_ms(feedback.created),
            "verdict": feedback.verdict.value,
            "label": feedback.label,
            "comment": feedback.comment,
        }
        key = ("finding_id", "reader")
        made = self.database.insert(FEEDBACK).values(values)
        changed = {name: value for name, value in values.items() if name not in key}
        with self.database.writing() as connection:
            connection.execute(made.on_conflict_do_update(index_elements=key, set_=changed))

    def take_back(self, finding_id: str, reader: str) -> bool:
        """Delete what a reader said of a finding; whether they had said anything."""
        wanted = delete(FeedbackRow).where(
            FeedbackRow.finding_id == finding_id, FeedbackRow.reader == reader
        )
        with self.database.writing() as connection:
            return connection.execute(wanted).rowcount > 0

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def _kept_once(self, connection: Connection, row: dict[str, Any]) -> StoredFinding:
        """Insert a slice, or find it where another writer, in any process, has been first."""
        new = self.database.insert(FINDINGS).values(row)
        new = new.on_conflict_do_nothing(index_elements=SAME_SLICE)
        wanted = select(FINDINGS).where(*(FINDINGS.c[name] == row[name] for name in SAME_SLICE))
        while True:
            connection.execute(new)
            found = connection.execute(wanted).all()
            if found:
                return self._with_feedback(connection, found)[0]
            # It was there, and was deleted before it could be read: now it can be inserted.

    def _purge(self, connection: Connection, now: datetime) -> int:
        return connection.execute(
            delete(FindingRow).where(FindingRow.expires_ms <= to_ms(now))
        ).rowcount

    def _with_feedback(
        self, connection: Connection, rows: Sequence[Row[Any]]
    ) -> list[StoredFinding]:
        said: dict[str, list[Feedback]] = {row.id: [] for row in rows}
        if said:
            wanted = select(FEEDBACK).where(FeedbackRow.finding_id.in_(said))
            for row in connection.execute(wanted.order_by(FeedbackRow.created_ms)):
                said[row.finding_id].append(_feedback_of(row))
        return [_stored(row, tuple(said[row.id])) for row in rows]


def _filtered(wanted: Select[Any], query: Query) -> Select[Any]:
    conditions: list[Any] = [FindingRow.expires_ms > to_ms(datetime.now(UTC))]
    for column, value in (
        (FindingRow.owner, query.owner),
        (FindingRow.model_name, query.model),
        (FindingRow.batch, query.batch),
        (FindingRow.sha256, query.sha256),
        (FindingRow.series, query.series),
    ):
        if value is not None:
            conditions.append(column == value)
    if query.statuses:
        conditions.append(FindingRow.status.in_(query.statuses))
    if query.labels:
        conditions.append(FindingRow.label.in_(query.labels))
    if query.name:
        conditions.append(func.lower(FindingRow.name).like(_contains(query.name), escape="\\"))
    if query.reviewed is not None:
        said = exists().where(FeedbackRow.finding_id == FindingRow.id)
        conditions.append(said if query.reviewed else ~said)
    if query.since is not None:
        conditions.append(FindingRow.created_ms >= to_ms(query.since))
    if query.until is not None:
        conditions.append(FindingRow.created_ms < to_ms(query.until))
    return wanted.where(*conditions)


def _contains(text: str) -> str:
    """A pattern for text that holds this one, whose own wildcards are letters."""
    for letter in (_LIKE_ESCAPE, "%", "_"):
        text = text.replace(letter, _LIKE_ESCAPE + letter)
    return f"%{text.lower()}%"


def _order(sort: Sort) -> tuple[Any, ...]:
    """The column, then the identifier, so that pages never overlap."""
    column = _SORT_COLUMNS[sort.value.removeprefix("-")]
    first = column.desc() if sort.value.startswith("-") else column.asc()
    return first.nulls_last(), FindingRow.frame, FindingRow.id


def _row_of(new: NewFinding) -> dict[str, Any]:
    return {
        "id": new.id,
        "owner": new.owner,
        "batch": new.batch,
        "name": new.name[:NAME_LENGTH],
        "sha256": new.sha256,
        "frame": new.frame,
        "frame_count": new.frame_count,
        "plane": new.plane,
        "series": new.series,
        "model_name": new.model_name[:NAME_LENGTH],
        "model_sha256": new.model_sha256,
        "status": new.status,
        "label": new.label,
        "tumor_probability": new.tumor_probability,
        "document": new.document,
        "picture": new.picture,
    }


def _stored(row: Row[Any], feedback: tuple[Feedback, ...]) -> StoredFinding:
    values = dict(row._mapping)  # noqa: SLF001  (SQLAlchemy's public name for it)
    created, expires = values.pop("created_ms"), values.pop("expires_ms")
    return StoredFinding(
        created=from_ms(created), expires=from_ms(expires), feedback=feedback, **values
    )


def _feedback_of(row: Row[Any]) -> Feedback:
    return Feedback(
        finding_id=row.finding_id,
        reader=row.reader,
        verdict=Verdict(row.verdict),
        label=row.label,
        comment=row.comment,
        created=from_ms(row.created_ms),
    )
