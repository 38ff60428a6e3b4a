"""Who may log in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from tumorlens.errors import AccountError
from tumorlens.serve.auth.records import Account
from tumorlens.serve.people import Role
from tumorlens.serve.store.schema import SessionRow, UserRow
from tumorlens.serve.store.times import from_ms, from_ms_or_none, to_ms, to_ms_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from tumorlens.serve.store.database import Database

USERS = UserRow.__table__


class AccountStore:
    """The accounts of one database.

    May be used from any thread.

    Args:
        database: Brought up to date.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, account: Account, name_key: str) -> bool:
        """Keep a new account; False where another one has the name."""
        values = {
            "id": account.id,
            "name": account.name,
            "name_key": name_key,
            "role": account.role.value,
            "password_hash": account.password_hash,
            "must_change": account.must_change,
            "disabled_ms": to_ms_or_none(account.disabled),
            "created_ms": to_ms(account.created),
        }
        with self._database.writing() as connection:
            made = self._database.insert(USERS).values(values)
            made = made.on_conflict_do_nothing(index_elements=["name_key"])
            # psycopg does not count what an insertion makes.
            return connection.execute(made.returning(UserRow.id)).one_or_none() is not None

    def accounts(self) -> list[Account]:
        """All accounts, by name."""
        with self._database.reading() as connection:
            rows = connection.execute(select(USERS).order_by(UserRow.name_key))
            return [account_of(row) for row in rows.mappings()]

    def account(self, user_id: str) -> Account | None:
        """One account, or None."""
        return self._account_where(UserRow.id == user_id)

    def named(self, name_key: str) -> Account | None:
        """The account of a name, or None."""
        return self._account_where(UserRow.name_key == name_key)

    def set_password(self, user_id: str, password_hash: str, *, must_change: bool) -> None:
        """Replace a password; all sessions of the account end."""
        with self._database.writing() as connection:
            values = {"password_hash": password_hash, "must_change": must_change}
            connection.execute(update(UserRow).where(UserRow.id == user_id).values(values))
            connection.execute(delete(SessionRow).where(SessionRow.user_id == user_id))

    def rehash(self, user_id: str, old_hash: str, new_hash: str) -> None:
        """Keep the same password under a newer kind of hash, unless it was changed meanwhile."""
        wanted = update(UserRow).where(UserRow.id == user_id, UserRow.password_hash == old_hash)
        with self._database.writing() as connection:
            connection.execute(wanted.values(password_hash=new_hash))

    def set_role(self, user_id: str, role: Role) -> None:
        """Let an account do more, or less.

        Raises:
            AccountError: It is the last admin.
        """
        with self._database.writing() as connection:
            admins = _lock_admins(connection)
            if role is not Role.ADMIN:
                _check_not_last(user_id, admins)
            changed = update(UserRow).where(UserRow.id == user_id)
            connection.execute(changed.values(role=role.value))

    def disable(self, user_id: str) -> None:
        """Shut an account out: its sessions end, and its tokens are taken for none.

        Raises:
            AccountError: It is the last admin.
        """
        with self._database.writing() as connection:
            _check_not_last(user_id, _lock_admins(connection))
            wanted = update(UserRow).where(UserRow.id == user_id, UserRow.disabled_ms.is_(None))
            connection.execute(wanted.values(disabled_ms=to_ms(datetime.now(UTC))))
            connection.execute(delete(SessionRow).where(SessionRow.user_id == user_id))

    def enable(self, user_id: str) -> None:
        """Let an account in again."""
        with self._database.writing() as connection:
            wanted = update(UserRow).where(UserRow.id == user_id)
            connection.execute(wanted.values(disabled_ms=None))

    def _account_where(self, condition: Any) -> Account | None:
        with self._database.reading() as connection:
            row = connection.execute(select(USERS).where(condition)).one_or_none()
            return None if row is None else account_of(row._mapping)  # noqa: SLF001  (public there)


def account_of(row: Mapping[Any, Any]) -> Account:
    """An account from its row."""
    return Account(
        id=row["id"],
        name=row["name"],
        role=Role(row["role"]),
        password_hash=row["password_hash"],
        must_change=row["must_change"],
        disabled=from_ms_or_none(row["disabled_ms"]),
        created=from_ms(row["created_ms"]),
    )


def _lock_admins(connection: Connection) -> set[str]:
    """Who could manage accounts now; nobody else changes that before this transaction ends."""
    wanted = select(UserRow.id).where(
        UserRow.role == Role.ADMIN.value, UserRow.disabled_ms.is_(None)
    )
    return set(connection.execute(wanted.with_for_update()).scalars())


def _check_not_last(user_id: str, admins: set[str]) -> None:
    if admins == {user_id}:
        msg = "this is the last account that manages accounts: make another one admin first"
        raise AccountError(msg)
