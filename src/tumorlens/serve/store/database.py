"""Opening a database, SQLite or PostgreSQL, bringing it up to date, and its transactions.

SQLite: write-ahead log, so that readers never wait; a write transaction takes the lock at its
start, so that two writers queue instead of failing half way; every commit is on the disk before it
is acknowledged.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from tumorlens.errors import MissingExtra, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

# Seconds that a writer waits for another one's transaction, and a request for a connection.
LOCK_SECONDS = 30
POOL_SIZE = 8
# SQLite acknowledges a commit when the disk has it, not when the system has been told to write it.
SQLITE_SYNCHRONOUS = "FULL"
# Any number will do, as long as nothing else that shares the database uses it for a lock.
MIGRATION_LOCK = 0x7E0_1E75
SQLITE, POSTGRESQL = "sqlite", "postgresql"
OWNER_ONLY, OWNER_ONLY_FOLDER = 0o600, 0o700
_WRITES = "tumorlens_writes"


class Database:
    """Connections to one database.

    Args:
        url: As SQLAlchemy writes it; ``postgres://`` and ``postgresql://`` use psycopg.

    Raises:
        StoreError: The URL is wrong, or names a kind of database that is not supported.
        MissingExtra: The driver for PostgreSQL is not installed.
    """

    def __init__(self, url: str) -> None:
        self._url = _known(url)
        self.dialect = self._url.get_backend_name()
        self.shown = self._url.render_as_string(hide_password=True)
        if self.dialect == SQLITE:
            _make_private(self._url)
        self._engine = _engine(self._url)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that reads.

        Raises:
            StoreError: The database cannot be used.
        """
        with self._telling(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction that writes: all of it, or nothing.

        Raises:
            StoreError: The database cannot be used.
        """
        with self._telling(), self._engine.connect() as plain:
            connection = plain.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def insert(self, table: Any) -> Any:
        """An insertion that can say what happens where the row is there already."""
        dialect = postgresql if self.dialect == POSTGRESQL else sqlite
        return dialect.insert(table)

    def upgrade(self) -> None:
        """Bring the tables up to date; several processes may do so at once.

        Raises:
            StoreError: It cannot be done, or the database is newer than this program.
        """
        from alembic import command
        from alembic.util import CommandError

        with self.writing() as connection:
            if self.dialect == POSTGRESQL:
                lock = text("SELECT pg_advisory_xact_lock(:key)")
                connection.execute(lock, {"key": MIGRATION_LOCK})
            try:
                command.upgrade(_alembic(connection), "head")
            except CommandError as error:
                msg = (
                    f"{self.shown} is not of this version of TumorLens ({error}). "
                    "Use the version that made it, or a newer one."
                )
                raise StoreError(msg) from error

    def check(self) -> None:
        """Ask the database anything.

        Raises:
            StoreError: It does not answer.
        """
        with self.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            told = " ".join(str(cause).split())
            msg = f"the database {self.shown} cannot be used: {told}. Check that it is running."
            raise StoreError(msg) from error


def _known(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        # The text is not repeated: it may hold a password.
        msg = "database_url is no URL; write sqlite:///FILE or postgresql://USER@HOST/NAME."
        raise StoreError(msg) from error
    if parsed.drivername in ("postgres", POSTGRESQL):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in (SQLITE, POSTGRESQL):
        msg = f"databases of the kind {parsed.drivername} are not supported: SQLite or PostgreSQL."
        raise StoreError(msg)
    return parsed


def _make_private(url: URL) -> None:
    """Make the file of an SQLite database, and its folder, for this user alone."""
    if not url.database or url.database == ":memory:":
        msg = "an SQLite database in memory loses everything: write sqlite:///FILE."
        raise StoreError(msg)
    path = Path(url.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
        path.touch(mode=OWNER_ONLY)
    except OSError as error:
        msg = f"{path} cannot be made: {error.strerror or error}. Name another data_dir."
        raise StoreError(msg) from error


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == SQLITE:
        # A connection takes a tenth of a millisecond to open, and none is shared by threads.
        arguments = {"timeout": LOCK_SECONDS, "check_same_thread": False}
        engine = create_engine(url, connect_args=arguments, poolclass=NullPool)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return create_engine(
            url,
            poolclass=QueuePool,
            pool_size=POOL_SIZE,
            max_overflow=POOL_SIZE,
            pool_timeout=LOCK_SECONDS,
            pool_pre_ping=True,
            connect_args={"connect_timeout": LOCK_SECONDS},
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        extra, what = "postgres", "PostgreSQL"
        raise MissingExtra(extra, what) from error


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin_sqlite`
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA synchronous={SQLITE_SYNCHRONOUS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # what is purged is overwritten
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _alembic(connection: Connection) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
