"""Who asks, and what they may do: one local reader while nobody logs in, or an account."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import HTTPConnection  # noqa: TC002  (FastAPI reads it when run)


class Role(StrEnum):
    """What someone may do.

    READER sends scans, sees and deletes their own findings and gives feedback on them; REVIEWER
    also sees everyone's and gives feedback on them; ADMIN also deletes them, manages accounts and
    reads the audit log.
    """

    READER = "reader"
    REVIEWER = "reviewer"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a program may do with a token, at most: its owner's role is a limit too.

    READ sees findings, pictures, reports and models; ANALYSE sends scans; FEEDBACK says something
    of findings; DELETE deletes them; METRICS reads the figures of the service; ADMIN manages
    accounts and reads the audit log.
    """

    READ = "read"
    ANALYSE = "analyse"
    FEEDBACK = "feedback"
    DELETE = "delete"
    METRICS = "metrics"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class User:
    """Someone who asks.

    Attributes:
        id: Owner of what they send; empty for the local reader.
        name: As it is shown.
        role: What they may do.
        via: How they came: ``session``, ``token:`` and its identifier, ``cli``, or empty.
        scopes: What the way they came allows.
    """

    id: str
    name: str
    role: Role
    via: str = ""
    scopes: frozenset[Scope] = ALL_SCOPES

    @property
    def sees_all(self) -> bool:
        """Whether the findings of others are shown to them."""
        return self.role in (Role.REVIEWER, Role.ADMIN)

    @property
    def is_admin(self) -> bool:
        """Whether they manage accounts."""
        return self.role is Role.ADMIN

    def sees(self, owner: str) -> bool:
        """Whether what belongs to `owner` is shown to them."""
        return self.sees_all or self.id == owner

    def may_delete(self, owner: str) -> bool:
        """Whether they may delete what belongs to `owner`."""
        return self.is_admin or self.id == owner


LOCAL = User(id="", name="local", role=Role.ADMIN)
"""Who asks while nobody logs in."""


async def current_user(request: HTTPConnection) -> User:
    """Who asks: an account where there are accounts, else the local reader.

    A dependency of every route that touches findings.

    Raises:
        PermissionError: There are accounts, and the request has passed none of the checks that say
            whose it is. A fault of this program: whoever has not logged in never comes this far.
    """
    user: User | None = getattr(request.state, "user", None)
    if user is not None:
        return user
    if request.app.state.service.settings.accounts:
        msg = "a request without an account reached a route"
        raise PermissionError(msg)
    return LOCAL
