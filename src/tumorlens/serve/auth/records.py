"""What the store keeps of accounts; secrets are here only as hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tumorlens.serve.people import Role, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Someone who can log in.

    Attributes:
        id: Owner of what they send.
        name: As it is shown, and what they log in with, capitals or not.
        role: What they may do.
        password_hash: Argon2id, in its own text form.
        must_change: Whether somebody else set the password, so that it is changed at first use.
        disabled: Since when they may not log in, UTC; None if they may.
        created: When the account was made, UTC.
    """

    id: str
    name: str
    role: Role
    password_hash: str
    must_change: bool
    disabled: datetime | None
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is logged in.

    Attributes:
        key: Keyed hash of what the browser's cookie holds.
        user_id: Whose.
        created: When they logged in, UTC.
        seen: When it was last used, UTC, give or take a minute.
        expires: When it ends at the latest, UTC.
    """

    key: str
    user_id: str
    created: datetime
    seen: datetime
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a program shows in place of a login.

    Attributes:
        id: Its identifier, which is no secret.
        user_id: Whose.
        name: What it is for.
        key: Keyed hash of the token.
        scopes: What it allows.
        created: When it was made, UTC.
        expires: When it ends, UTC; None if never.
        seen: When it was last used, UTC, give or take a minute; None if never.
        revoked: When it was taken back, UTC; None if it was not.
    """

    id: str
    user_id: str
    name: str
    key: str
    scopes: frozenset[Scope]
    created: datetime
    expires: datetime | None = None
    seen: datetime | None = None
    revoked: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """An entry of the audit log as it was taken down.

    Attributes:
        number: Rises with each entry, and is never used twice.
        time: When, UTC.
        user_id: Who; empty where a login was refused.
        user_name: Their name at that time.
        via: How they came, as `tumorlens.serve.people.User` has it.
        action: What, as `tumorlens.serve.audit.Action` names it.
        target: Identifier of what it was done with.
        request_id: Of the request.
        client: Address that it came from.
    """

    number: int
    time: datetime
    user_id: str
    user_name: str
    via: str
    action: str
    target: str
    request_id: str
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which entries are asked for, the latest first; a part that is None or empty asks for nothing.

    Attributes:
        user_id: Of this account.
        action: Of this kind.
        target: With this finding, batch, account or token.
        since: At or after this time.
        until: Before this time.
        offset: So many are left out at the start.
        limit: So many are given at most.
    """

    user_id: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A part of the audit log.

    Attributes:
        items: Its entries, the latest first.
        total: How many the whole list has.
    """

    items: tuple[AuditRecord, ...]
    total: int
