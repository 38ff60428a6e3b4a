"""Who saw or did what: one call in every route that shows, makes or removes a finding."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tumorlens.serve.people import User


class Action(StrEnum):
    """What was done with a finding."""

    ANALYSE = "analyse"
    LIST = "list"
    SEE = "see"
    SEE_PICTURE = "see_picture"
    REPORT = "report"
    DELETE = "delete"
    FEEDBACK = "feedback"


class AuditLog(Protocol):
    """Takes down what was done. Called from any thread."""

    def record(self, user: User, action: Action, target: str, request_id: str) -> None:
        """Take down that `user` did `action`; nothing of an image and no name of a file is in it.

        Args:
            user: Who.
            action: What.
            target: Identifier of the finding or batch; empty for lists.
            request_id: Of the request, as the log of the service has it.
        """


class NoAudit:
    """Where nobody logs in, there is nobody to take down."""

    def record(self, user: User, action: Action, target: str, request_id: str) -> None:
        """Take down nothing."""
