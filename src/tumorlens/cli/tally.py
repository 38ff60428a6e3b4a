"""Counting what became of the inputs: for the closing line and the exit code."""

from __future__ import annotations

from collections import Counter

from tumorlens.decide.finding import Finding, Status
from tumorlens.errors import ScanError
from tumorlens.report.words import NOT_ANSWERED, STATUS_WORDS


class Tally:
    """Takes outcomes in the order of the inputs.

    An input is answered when at least one of its slices is not rejected and none of it failed.
    """

    def __init__(self) -> None:
        self.slices: Counter[Status] = Counter()
        self.errors = 0
        self.unanswered = 0
        self._source: str | None = None
        self._has_answer = True

    def add(self, outcome: Finding | ScanError) -> None:
        """Count one outcome."""
        if isinstance(outcome, ScanError):
            self.errors += 1
            return
        if outcome.scan.source != self._source or outcome.scan.frame == 0:
            self._close_input()
            self._source, self._has_answer = outcome.scan.source, False
        self.slices[outcome.status] += 1
        self._has_answer |= outcome.status is not Status.REJECTED

    @property
    def is_complete(self) -> bool:
        """Whether every input was answered."""
        self._close_input()
        return not self.errors and not self.unanswered

    def summary(self) -> str:
        """What became of the inputs, in one line."""
        count = self.slices.total()
        parts = [f"{self.slices[status]} {words}" for status, words in STATUS_WORDS.items()]
        text = f"{count} slice{'' if count == 1 else 's'}: {', '.join(parts)}"
        if self.errors:
            text += f"; {self.errors} input{'' if self.errors == 1 else 's'} {NOT_ANSWERED}"
        return text

    def _close_input(self) -> None:
        self.unanswered += not self._has_answer
        self._has_answer = True
