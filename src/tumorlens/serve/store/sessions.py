"""Browsers that are logged in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL, delete, or_, select, update

from tumorlens.serve.auth.records import Session
from tumorlens.serve.store.accounts import USERS, account_of
from tumorlens.serve.store.schema import SessionRow, UserRow
from tumorlens.serve.store.times import from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tumorlens.serve.auth.records import Account
    from tumorlens.serve.store.database import Database

SESSIONS = SessionRow.__table__
# When something was last used is written down this seldom: each time is a write.
SEEN_STEP = timedelta(minutes=1)


class SessionStore:
    """The sessions of one database. May be used from any thread.

    Args:
        database: Brought up to date.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, session: Session) -> None:
        """Keep a new session."""
        values = {
            "key": session.key,
            "user_id": session.user_id,
            "created_ms": to_ms(session.created),
            "seen_ms": to_ms(session.seen),
            "expires_ms": to_ms(session.expires),
        }
        with self._database.writing() as connection:
            connection.execute(self._database.insert(SESSIONS).values(values))

    def find(self, key: str, *, idle: timedelta) -> tuple[Session, Account] | None:
        """A session that has not ended, with its account; None where there is none.

        Args:
            key: Of the session.
            idle: Unused for so long, it has ended.
        """
        now = datetime.now(UTC)
        wanted = select(SESSIONS, USERS).join(USERS, UserRow.id == SessionRow.user_id)
        wanted = wanted.where(
            SessionRow.key == key,
            SessionRow.expires_ms > to_ms(now),
            SessionRow.seen_ms > to_ms(now - idle),
            UserRow.disabled_ms.is_(None),
        )
        labelled = wanted.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
        with self._database.reading() as connection:
            found = connection.execute(labelled).mappings().one_or_none()
        if found is None:
            return None
        session = _session_of(part_of(found, "sessions"))
        if now - session.seen > SEEN_STEP:
            self._touch(key, now)
        return session, account_of(part_of(found, "users"))

    def end(self, key: str) -> None:
        """End a session."""
        with self._database.writing() as connection:
            connection.execute(delete(SessionRow).where(SessionRow.key == key))

    def end_others(self, user_id: str, key: str) -> int:
        """End all sessions of an account but one; how many there were."""
        wanted = delete(SessionRow).where(SessionRow.user_id == user_id, SessionRow.key != key)
        with self._database.writing() as connection:
            return connection.execute(wanted).rowcount

    def purge(self, *, idle: timedelta) -> None:
        """Delete sessions that have ended.

        Args:
            idle: Unused for so long, they have.
        """
        now = datetime.now(UTC)
        ended = or_(SessionRow.expires_ms <= to_ms(now), SessionRow.seen_ms <= to_ms(now - idle))
        with self._database.writing() as connection:
            connection.execute(delete(SessionRow).where(ended))

    def _touch(self, key: str, now: datetime) -> None:
        with self._database.writing() as connection:
            wanted = update(SessionRow).where(SessionRow.key == key)
            connection.execute(wanted.values(seen_ms=to_ms(now)))


def part_of(row: Mapping[Any, Any], table: str) -> dict[str, Any]:
    """What is of one table in a row of several, whose columns are named ``table_column``."""
    start = f"{table}_"
    return {name.removeprefix(start): row[name] for name in row if name.startswith(start)}


def _session_of(row: Mapping[str, Any]) -> Session:
    return Session(
        key=row["key"],
        user_id=row["user_id"],
        created=from_ms(row["created_ms"]),
        seen=from_ms(row["seen_ms"]),
        expires=from_ms(row["expires_ms"]),
    )
