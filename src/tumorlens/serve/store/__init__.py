"""The database, which nothing outside of this package talks to."""

from __future__ import annotations

from tumorlens.serve.store.accounts import AccountStore
from tumorlens.serve.store.audit import AuditStore
from tumorlens.serve.store.database import Database
from tumorlens.serve.store.sessions import SessionStore
from tumorlens.serve.store.store import Store
from tumorlens.serve.store.tokens import TokenStore
from tumorlens.serve.store.tries import Brake, TryStore

__all__ = [
    "AccountStore",
    "AuditStore",
    "Brake",
    "Database",
    "SessionStore",
    "Store",
    "TokenStore",
    "TryStore",
]
