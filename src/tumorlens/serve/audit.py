"""Who saw or did what: one call in every route that shows, makes or removes something."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tumorlens.serve.people import User


class Action(StrEnum):
    """What was done: with a finding, then with accounts."""

    ANALYSE = "analyse"
    LIST = "list"
    SEE = "see"
    SEE_PICTURE = "see_picture"
    REPORT = "report"
    DELETE = "delete"
    FEEDBACK = "feedback"

    LOGIN = "login"
    LOGIN_REFUSED = "login_refused"
    LOGOUT = "logout"
    END_SESSIONS = "end_sessions"
    USER_ADD = "user_add"
    USER_ROLE = "user_role"
    USER_PASSWORD = "user_password"  # noqa: S105  (the name of an action)
    USER_DISABLE = "user_disable"
    USER_ENABLE = "user_enable"
    TOKEN_ADD = "token_add"  # noqa: S105
    TOKEN_REVOKE = "token_revoke"  # noqa: S105
    LIST_USERS = "list_users"
    SEE_AUDIT = "see_audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is taken down; nothing of an image and no name of a file is in it.

    Attributes:
        user: Who. The identifier is empty where a login was refused.
        action: What.
        target: Identifier of the finding, batch, account or token; empty for lists.
        request_id: Of the request, as the log of the service has it; empty on the command line.
        client: Address that the request came from; empty on the command line.
    """

    user: User
    action: Action
    target: str = ""
    request_id: str = ""
    client: str = ""


class AuditLog(Protocol):
    """Takes down what was done. Called from any thread."""

    def record(self, entry: Entry) -> None:
        """Take down one entry; when this returns, it is on the disk.

        Raises:
            StoreError: It cannot be taken down, so what it tells must not be done.
        """


class NoAudit:
    """Where nobody logs in, there is nobody to take down."""

    def record(self, entry: Entry) -> None:
        """Take down nothing."""
