"""Who asks: one local reader while nobody logs in, or an account."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import HTTPConnection  # noqa: TC002  (FastAPI reads it when run)


class Role(StrEnum):
    """What someone may do.

    READER sends scans and sees their own findings; REVIEWER sees everyone's and gives feedback on
    them; ADMIN also manages accounts.
    """

    READER = "reader"
    REVIEWER = "reviewer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """Someone who asks.

    Attributes:
        id: Owner of what they send; empty for the local reader.
        name: As it is shown.
        role: What they may do.
    """

    id: str
    name: str
    role: Role

    @property
    def sees_all(self) -> bool:
        """Whether the findings of others are shown to them."""
        return self.role in (Role.REVIEWER, Role.ADMIN)

    def sees(self, owner: str) -> bool:
        """Whether what belongs to `owner` is shown to them."""
        return self.sees_all or self.id == owner


LOCAL = User(id="", name="local", role=Role.ADMIN)
"""Who asks while nobody logs in."""


def current_user(request: HTTPConnection) -> User:
    """Who asks, as the accounts have put it into ``request.state.user``; else the local reader.

    A dependency of every route that touches findings.
    """
    user: User = getattr(request.state, "user", LOCAL)
    return user
