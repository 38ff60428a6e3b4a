"""All sets become facts: listed, read once on all cores, and what cannot be used named."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.audit.facts import ImageFacts, outer_frame
from tumorlens.data.audit.inspect import Inspection, Refusal, is_mislabelled
from tumorlens.data.audit.passes import inspect_all
from tumorlens.data.audit.patients import PatientNumbers, patients_of
from tumorlens.data.audit.report import Problem, ProblemKind
from tumorlens.data.index import FaultKind, survey
from tumorlens.errors import DatasetError
from tumorlens.scan.source import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.index import Sample, Survey

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a set, before or after it was read.

    Attributes:
        name: ``set/path``.
        set: The set's name.
        path: The file.
        label: Its class.
        split: Its split or fold, or empty.
        patient: What its table says, or None.
        format: Its true format, or empty where it could not be read.
    """

    name: str
    set: str
    path: Path
    label: str
    split: str
    patient: str | None
    format: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedSet:
    """One set as it was found.

    Attributes:
        name: Unique in the audit.
        folder: Where it lies.
        members: Its files, in order.
        files: Files, or lines of its table.
        patients_from: Where its patients are known from, or None.
    """

    name: str
    folder: Path
    members: tuple[Member, ...]
    files: int
    patients_from: str | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Collection:
    """Everything that was read.

    Attributes:
        sets: The sets.
        images: The images that could be read, set by set.
        heads: float16 (images, n), the thumbnail of the head of each.
        problems: Files that cannot be used as they are.
    """

    sets: tuple[CollectedSet, ...]
    images: tuple[ImageFacts, ...]
    heads: NDArray[np.float16]
    problems: tuple[Problem, ...]


def collect(
    places: Sequence[Path],
    *,
    cache_folder: Path | None,
    workers: int,
    progress: Progress | None = None,
) -> Collection:
    """List and read all sets.

    Args:
        places: Folders or tables, one a set.
        cache_folder: Where what was found of each file is kept, so that a stopped run goes on;
            None keeps nothing.
        workers: Processes that read files.
        progress: Called with (files read, files in all).

    Raises:
        DatasetError: A place is missing, named twice, or holds no labelled image.
    """
    surveys = _surveys(places)
    members = [_members(name, found) for name, found in surveys.items()]
    flat = [member for one in members for member in one]
    results = inspect_all([m.path for m in flat], cache_folder, workers, progress)
    outcome = dict(zip((m.name for m in flat), results, strict=True))
    problems = [
        problem
        for (name, found), own in zip(surveys.items(), members, strict=True)
        for problem in _problems(name, found, own, outcome)
    ]
    sets: list[CollectedSet] = []
    images: list[ImageFacts] = []
    numbers = PatientNumbers()
    for (name, found), own in zip(surveys.items(), members, strict=True):
        read = [(m, one) for m in own if isinstance(one := outcome[m.name], Inspection)]
        known = [_with_format(m, one) for m, one in read]
        patients, origin = patients_of(known, numbers)
        images += [
            _facts(m, one, patient) for (m, one), patient in zip(read, patients, strict=True)
        ]
        missing = sum(fault.kind in _NO_FILE for fault in found.faults)
        sets.append(
            CollectedSet(
                name=name,
                folder=found.folder,
                members=tuple(own),
                files=len(own) + missing,
                patients_from=origin,
            )
        )
    heads = [one.head for one in results if isinstance(one, Inspection)]
    return Collection(
        sets=tuple(sets),
        images=tuple(images),
        heads=np.stack(heads) if heads else np.zeros((0, 1), np.float16),
        problems=tuple(problems),
    )


_NO_FILE = (FaultKind.MISSING, FaultKind.NO_LABEL)


def _surveys(places: Sequence[Path]) -> dict[str, Survey]:
    """Set name → what it holds, the names made unique."""
    counts = Counter(place.resolve() for place in places)
    twice = [place for place, count in counts.items() if count > 1]
    if twice:
        msg = f"{twice[0]}: named twice; name each set once"
        raise DatasetError(msg)
    found: dict[str, Survey] = {}
    for place in places:
        one = survey(place)
        base = printable(one.name)
        taken = (name for i in range(1, len(places) + 1) if (name := _numbered(base, i)))
        found[next(name for name in taken if name not in found)] = one
    return found


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _members(set_name: str, found: Survey) -> list[Member]:
    return [
        Member(
            name=f"{set_name}/{_relative(sample.path, found.folder)}",
            set=set_name,
            path=sample.path,
            label=sample.label,
            split=_split(sample),
            patient=sample.patient,
        )
        for sample in found.samples
    ]


def _relative(path: Path, folder: Path) -> str:
    inner = path.relative_to(folder) if path.is_relative_to(folder) else path
    return printable(inner.as_posix())


def _split(sample: Sample) -> str:
    return sample.split or (f"fold {sample.fold}" if sample.fold is not None else "")


def _problems(
    set_name: str,
    found: Survey,
    members: Sequence[Member],
    outcome: dict[str, Inspection | Refusal],
) -> Iterator[Problem]:
    for fault in found.faults:
        name = f"{set_name}/{printable(fault.image)}"
        yield Problem(image=name, kind=ProblemKind(fault.kind.value), detail=fault.detail)
    for member in members:
        one = outcome[member.name]
        if isinstance(one, Refusal):
            yield Problem(image=member.name, kind=one.kind, detail=one.detail)
            continue
        suffix = member.path.suffix.lower()
        if is_mislabelled(one.format, suffix):
            detail = f"it is named {suffix or 'without a suffix'} and is {one.format.upper()}"
            yield Problem(image=member.name, kind=ProblemKind.MISLABELLED_FORMAT, detail=detail)


def _with_format(member: Member, found: Inspection) -> Member:
    return Member(
        name=member.name,
        set=member.set,
        path=member.path,
        label=member.label,
        split=member.split,
        patient=member.patient,
        format=found.format,
    )


def _facts(member: Member, found: Inspection, patient: str | None) -> ImageFacts:
    return ImageFacts(
        name=member.name,
        set=member.set,
        path=member.path,
        label=member.label,
        split=member.split,
        patient=patient,
        sha256=found.sha256,
        pixel_sha256=found.pixel_sha256,
        format=found.format,
        suffix=member.path.suffix.lower(),
        mode=found.mode,
        width=found.width,
        height=found.height,
        file_size=found.file_size,
        mean_intensity=found.mean_intensity,
        flags=found.flags,
        pixels64=found.pixels64,
        frame=outer_frame(found.pixels64),
    )
