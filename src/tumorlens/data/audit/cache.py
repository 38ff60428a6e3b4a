"""What was found of files in an earlier run, so that a stopped audit goes on where it was.

An SQLite file in the output folder. What is kept of a file counts only while its path, size and
time of change are the same. No label and no patient is kept.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tumorlens.data.audit.facts import THUMBNAIL_SIDE
from tumorlens.data.audit.inspect import Inspection

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

CACHE_NAME = "facts.sqlite"

VERSION = 1
"""To be raised when `Inspection`, or how it is measured, changes: older files are then ignored."""

_WRITES_AT_ONCE = 200
_SECONDS_TO_WAIT = 60.0  # for another audit that writes to the same folder
_ARRAYS = ("pixels64", "head")


class Cache:
    """Inspections by file; a context that saves what is left when it ends."""

    def __init__(self, folder: Path) -> None:
        path = folder / CACHE_NAME
        try:
            self._database = _opened(path)
        except sqlite3.DatabaseError:  # damaged, or something else of this name: begin again
            path.unlink(missing_ok=True)
            self._database = _opened(path)
        self._unsaved = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.commit()
        self._database.close()

    def get(self, path: Path) -> Inspection | None:
        """What is known of a file, or None."""
        try:
            key = _key(path)
        except OSError:  # gone since it was listed, or not to be looked at: reading it says which
            return None
        row = self._database.execute(
            "SELECT plain, pixels64, head FROM facts WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        plain: dict[str, Any] = json.loads(row[0])
        plain["flags"] = tuple(plain["flags"])
        return Inspection(
            **plain,
            pixels64=np.frombuffer(row[1], np.uint8).reshape(THUMBNAIL_SIDE, THUMBNAIL_SIDE),
            head=np.frombuffer(row[2], np.float16),
        )

    def put(self, path: Path, found: Inspection) -> None:
        """Remember what was found of a file."""
        plain = {f.name: getattr(found, f.name) for f in fields(found) if f.name not in _ARRAYS}
        try:
            key = _key(path)
        except OSError:
            return
        values = (key, json.dumps(plain), found.pixels64.tobytes(), found.head.tobytes())
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", values)
        self._unsaved += 1
        if self._unsaved >= _WRITES_AT_ONCE:
            self._database.commit()
            self._unsaved = 0


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=_SECONDS_TO_WAIT)
    try:
        if database.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            database.execute("DROP TABLE IF EXISTS facts")
            database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute(
            "CREATE TABLE IF NOT EXISTS facts"
            " (key TEXT PRIMARY KEY, plain TEXT, pixels64 BLOB, head BLOB) WITHOUT ROWID"
        )
        database.commit()
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _key(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}:{path.resolve()}"
