"""The database, which nothing outside of this package talks to."""

from __future__ import annotations

from tumorlens.serve.store.database import Database
from tumorlens.serve.store.store import Store

__all__ = ["Database", "Store"]
