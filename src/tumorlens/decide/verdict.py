"""What one judge of a slice says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tumorlens.decide.finding import Reason, Status


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says.

    Attributes:
        status: REJECTED, UNCERTAIN, or None where it lets the slice pass.
        reasons: Why; empty where it passes.
    """

    status: Status | None
    reasons: tuple[Reason, ...] = ()


PASSED = Verdict(None)
