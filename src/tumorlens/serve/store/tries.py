"""Logins that were tried, counted in the database, so that several processes count together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, update

from tumorlens.serve.store.schema import TryRow
from tumorlens.serve.store.times import from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from tumorlens.serve.store.database import Database

TRIES = TryRow.__table__
# Beyond it a wait would be a number that no clock holds.
MOST_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Brake:
    """How tried logins are slowed down.

    Attributes:
        free: So many are free.
        first_seconds: So long the next one waits; each later one twice as long.
        most_seconds: But never longer.
    """

    free: int
    first_seconds: float
    most_seconds: float

    def seconds(self, count: int) -> float:
        """How long the try after `count` of them waits."""
        if count < self.free:
            return 0.0
        doublings = min(count - self.free, MOST_DOUBLINGS)
        return float(min(self.most_seconds, self.first_seconds * 2**doublings))


class TryStore:
    """The tries of one database. May be used from any thread.

    Args:
        database: Brought up to date.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, brakes: Mapping[str, Brake], *, memory: timedelta) -> float:
        """Count a try before its password is looked at, so that many at once count as many.

        Args:
            brakes: Key of what the try is counted for, such as a name → how it is slowed down.
            memory: So long after the last try they are forgotten.

        Returns:
            0 where it may go on, else after how many seconds one may; then it is not counted.
        """
        with self._database.writing() as connection:
            # In one order, so that two tries never wait for each other.
            rows = {key: self._try_row(connection, key) for key in sorted(brakes)}
            # Not before the rows are locked: a try that is counted later must not seem earlier.
            now = datetime.now(UTC)
            wait = max(from_ms(row["until_ms"]) - now for row in rows.values()).total_seconds()
            if wait > 0:
                return wait
            for key, row in rows.items():
                is_old = from_ms(row["seen_ms"]) < now - memory
                count = 1 if is_old else row["count"] + 1
                until = now + timedelta(seconds=brakes[key].seconds(count))
                values = {"count": count, "seen_ms": to_ms(now), "until_ms": to_ms(until)}
                connection.execute(update(TryRow).where(TryRow.key == key).values(values))
        return 0.0

    def succeeded(self, own: Sequence[str], shared: Sequence[str]) -> None:
        """The try that was counted last was right.

        Args:
            own: Keys whose tries are forgotten.
            shared: Keys for which only this one is: others may be trying under them, too.
        """
        fewer = update(TryRow).where(TryRow.key.in_(shared), TryRow.count > 0)
        with self._database.writing() as connection:
            connection.execute(delete(TryRow).where(TryRow.key.in_(own)))
            connection.execute(fewer.values(count=TRIES.c["count"] - 1, until_ms=0))

    def purge(self, *, memory: timedelta) -> None:
        """Delete tries that are forgotten."""
        with self._database.writing() as connection:
            old = TryRow.seen_ms <= to_ms(datetime.now(UTC) - memory)
            connection.execute(delete(TryRow).where(old))

    def _try_row(self, connection: Connection, key: str) -> Mapping[Any, Any]:
        """The row of a key, made where there is none; locked until the transaction ends."""
        made = self._database.insert(TRIES)
        made = made.values(key=key, count=0, seen_ms=to_ms(datetime.now(UTC)), until_ms=0)
        made = made.on_conflict_do_update(index_elements=["key"], set_={"key": key})
        return connection.execute(made.returning(TRIES)).mappings().one()
