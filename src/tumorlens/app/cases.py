"""Uploads become cases: a slice by itself, or a series or volume, each with its answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.analysis import answer_found, find
from tumorlens.decide.study import pool, pooled_label, stack_of
from tumorlens.errors import ScanError
from tumorlens.scan import Source
from tumorlens.scan.archive import MEMBER_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tumorlens.analysis import Answer
    from tumorlens.decide.finding import Finding, Status
    from tumorlens.model.run import Model

    Progress = Callable[[float, str], object]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a visitor gave.

    Attributes:
        key: Differs between any two uploads.
        name: Its name; `named_apart` makes sure that it differs as well.
        data: Its bytes.
    """

    key: str
    name: str
    data: bytes


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredSlice:
    """One slice and its answer.

    Attributes:
        finding: The answer.
        grey: uint8 (H, W), the slice in 8-bit grey levels, to draw on: a quarter of the room.
    """

    finding: Finding
    grey: NDArray[np.uint8]

    @property
    def pixels(self) -> NDArray[np.float32]:
        """The slice as float32 (H, W) in [0, 1]."""
        return np.asarray(self.grey / np.float32(255), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A slice by itself, or the slices of a series or volume in their order."""

    slices: tuple[AnsweredSlice, ...]

    @property
    def findings(self) -> list[Finding]:
        """The answers, slice by slice."""
        return [one.finding for one in self.slices]

    @property
    def counts(self) -> Counter[Status]:
        """How many slices have which status."""
        return Counter(finding.status for finding in self.findings)

    @property
    def status(self) -> Status:
        """Of the whole; see `tumorlens.decide.study.pool`."""
        return pool(self.findings).status

    @property
    def label(self) -> str | None:
        """The kind of tumor that the whole speaks for."""
        return pooled_label(self.findings)

    @property
    def tumor_probability(self) -> float | None:
        """Pooled from the slices that were not rejected."""
        return pool(self.findings).tumor_probability

    @property
    def pooling(self) -> str:
        """How the whole came of its slices, by the rule of the model that answered."""
        return pool(self.findings).pooling

    @property
    def name(self) -> str:
        """What the visitor called it, with the number of its slices where there are several."""
        first = self.slices[0].finding.scan.source
        return first if len(self.slices) == 1 else f"{first} ({len(self.slices)} slices)"

    @property
    def telling_slice(self) -> int:
        """The index of the slice to look at first: of those that decide, the likeliest tumor."""
        status = self.status
        chances = [
            (finding.tumor_probability or 0.0) if finding.status is status else -1.0
            for finding in self.findings
        ]
        return int(np.argmax(chances))


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one model answered to some uploads, in their order."""

    outcomes: tuple[Case | ScanError, ...]

    @property
    def cases(self) -> list[Case]:
        """What could be answered."""
        return [one for one in self.outcomes if isinstance(one, Case)]

    @property
    def errors(self) -> list[ScanError]:
        """What could not."""
        return [one for one in self.outcomes if isinstance(one, ScanError)]

    def lines(self) -> Iterator[Finding | ScanError]:
        """Every Finding and error, slice by slice, as the command line gives them."""
        for outcome in self.outcomes:
            if isinstance(outcome, ScanError):
                yield outcome
            else:
                yield from outcome.findings


def named_apart(uploads: Iterable[Upload]) -> list[Upload]:
    """Uploads whose names differ: the second ``scan.jpg`` becomes ``scan.jpg (2)``."""
    seen: Counter[str] = Counter()
    named = []
    for one in uploads:
        seen[one.name] += 1
        name = one.name if seen[one.name] == 1 else f"{one.name} ({seen[one.name]})"
        named.append(Upload(one.key, name, one.data))
    return named


def answer(uploads: Sequence[Upload], model: Model, progress: Progress) -> Batch:
    """Answer uploads through the one path that every way in takes.

    Args:
        uploads: Files, zips among them, with names that differ.
        model: What answers.
        progress: Called with the share of the uploads that is begun, and which one is at work.
    """
    answers = answer_found(
        find(Source.from_bytes(one.name, one.data) for one in uploads), model=model
    )
    kept = _kept(_told(answers, len(uploads), progress))
    grouped = (list(group) for _, group in groupby(kept, key=_Grouping()))
    return Batch(tuple(outcome for group in grouped for outcome in _outcomes(group)))


def _told(answers: Iterable[Answer], total: int, progress: Progress) -> Iterator[Answer]:
    begun: set[str] = set()
    for one in answers:
        outcome = one.outcome
        name = outcome.source if isinstance(outcome, ScanError) else outcome.scan.source
        begun.add(name.split(MEMBER_SEPARATOR)[0])
        progress(min(1.0, len(begun) / total), name)
        yield one


def _kept(answers: Iterable[Answer]) -> Iterator[AnsweredSlice | ScanError]:
    for one in answers:
        if isinstance(one.outcome, ScanError):
            yield one.outcome
        elif one.scan is not None:
            grey = np.rint(one.scan.pixels * 255).astype(np.uint8)
            yield AnsweredSlice(one.outcome, grey)


class _Grouping:
    """A key that is equal for slices of one series or volume that come one after another."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, item: AnsweredSlice | ScanError) -> object:
        self._count += 1
        if isinstance(item, ScanError):
            return self._count
        return stack_of(item.finding) or self._count


def _outcomes(group: list[AnsweredSlice | ScanError]) -> Iterator[Case | ScanError]:
    slices = tuple(one for one in group if isinstance(one, AnsweredSlice))
    if slices:
        yield Case(slices)
    yield from (one for one in group if isinstance(one, ScanError))
