"""What programs show in place of a login."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL, func, or_, select, update

from tumorlens.serve.auth.records import Token
from tumorlens.serve.people import Scope
from tumorlens.serve.store.accounts import USERS, account_of
from tumorlens.serve.store.schema import TokenRow, UserRow
from tumorlens.serve.store.sessions import SEEN_STEP, part_of
from tumorlens.serve.store.times import from_ms, from_ms_or_none, to_ms, to_ms_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tumorlens.serve.auth.records import Account
    from tumorlens.serve.store.database import Database

TOKENS = TokenRow.__table__


class TokenStore:
    """The tokens of one database. May be used from any thread.

    Args:
        database: Brought up to date.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token: Token, *, most: int) -> bool:
        """Keep a new token; False where its owner has `most` of them already."""
        values = {
            "id": token.id,
            "user_id": token.user_id,
            "name": token.name,
            "key": token.key,
            "scopes": " ".join(sorted(token.scopes)),
            "created_ms": to_ms(token.created),
            "expires_ms": to_ms_or_none(token.expires),
        }
        counted = select(func.count()).select_from(TOKENS).where(
            TokenRow.user_id == token.user_id, TokenRow.revoked_ms.is_(None)
        )  # fmt: skip
        with self._database.writing() as connection:
            if connection.execute(counted).scalar_one() >= most:
                return False
            connection.execute(self._database.insert(TOKENS).values(values))
            return True

    def of(self, user_id: str) -> list[Token]:
        """The tokens of an account, the latest first; those that were taken back too."""
        wanted = select(TOKENS).where(TokenRow.user_id == user_id)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(TokenRow.created_ms.desc(), TokenRow.id))
            return [_token_of(row) for row in rows.mappings()]

    def find(self, key: str) -> tuple[Token, Account] | None:
        """A token that may be used, with its account; None where there is none."""
        now = datetime.now(UTC)
        wanted = select(TOKENS, USERS).join(USERS, UserRow.id == TokenRow.user_id)
        wanted = wanted.where(
            TokenRow.key == key,
            TokenRow.revoked_ms.is_(None),
            or_(TokenRow.expires_ms.is_(None), TokenRow.expires_ms > to_ms(now)),
            UserRow.disabled_ms.is_(None),
        )
        labelled = wanted.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
        with self._database.reading() as connection:
            found = connection.execute(labelled).mappings().one_or_none()
        if found is None:
            return None
        token = _token_of(part_of(found, "tokens"))
        if token.seen is None or now - token.seen > SEEN_STEP:
            self._touch(key, now)
        return token, account_of(part_of(found, "users"))

    def revoke(self, token_id: str, user_id: str) -> bool:
        """Take a token of an account back; False where there is none that could be used."""
        wanted = update(TokenRow).where(
            TokenRow.id == token_id, TokenRow.user_id == user_id, TokenRow.revoked_ms.is_(None)
        )
        with self._database.writing() as connection:
            return bool(
                connection.execute(wanted.values(revoked_ms=to_ms(datetime.now(UTC)))).rowcount
            )

    def _touch(self, key: str, now: datetime) -> None:
        with self._database.writing() as connection:
            wanted = update(TokenRow).where(TokenRow.key == key)
            connection.execute(wanted.values(seen_ms=to_ms(now)))


def _token_of(row: Mapping[Any, Any]) -> Token:
    return Token(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        key=row["key"],
        scopes=frozenset(Scope(one) for one in row["scopes"].split()),
        created=from_ms(row["created_ms"]),
        expires=from_ms_or_none(row["expires_ms"]),
        seen=from_ms_or_none(row["seen_ms"]),
        revoked=from_ms_or_none(row["revoked_ms"]),
    )
