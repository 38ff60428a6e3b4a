"""One audit, from folders to the report and its files."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from tumorlens._version import __version__
from tumorlens.data.audit.collect import Collection, collect
from tumorlens.data.audit.copies import find_copies
from tumorlens.data.audit.listing import list_copies, most_telling
from tumorlens.data.audit.measures import leaks, overlaps, patient_leaks
from tumorlens.data.audit.outputs import make_folder, write_outputs
from tumorlens.data.audit.report import AuditReport
from tumorlens.data.audit.shortcuts import measure_shortcuts
from tumorlens.data.audit.summaries import summarise
from tumorlens.data.audit.suspects import find_suspects
from tumorlens.data.audit.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tumorlens.data.audit.copies import CopiesFound
    from tumorlens.data.audit.facts import ImageFacts

    Progress = Callable[[str, int, int], None]

READING, COMPARING, MEASURING = "reading", "comparing", "measuring shortcuts"


def audit(
    folders: Sequence[Path],
    *,
    out: Path | None = None,
    progress: Progress | None = None,
    workers: int = 1,
) -> AuditReport:
    """Find out what some sets of labelled images are worth.

    1. Every file is read once: hashes, true format, size, quality flags, thumbnails.
    2. All images are compared with each other, over the eight flips and rotations.
    3. Copies and patients are held against classes, splits and sets.
    4. What knows nothing of tumors tries to tell the classes apart; labels are held against
       what their own images suggest.

    Args:
        folders: Folders, or CSV tables, one a set; see `tumorlens.data.index`.
        out: Where ``audit.json``, ``audit.html``, ``files.csv``, ``copies.csv`` and
            ``problems.csv`` go; what was found of each file is kept there as well, so that an
            audit that was stopped goes on. None writes nothing.
        progress: Called with (what is done, how many are done, how many there are).
        workers: The most processes that read files. With more than one, a script must call this
            under ``if __name__ == "__main__":``, as for every start of processes in Python.

    Raises:
        DatasetError: A set is missing, named twice, empty, or its table lacks columns; or `out`
            cannot be written to.
        MissingExtra: A library of the extra ``data`` is not installed.
    """
    start = time.perf_counter()
    if out is not None:
        make_folder(out)
    collection = collect(
        folders, cache_folder=out, workers=workers, progress=_stage(progress, READING)
    )
    found = find_copies(collection.images, collection.heads, _stage(progress, COMPARING))
    collection = _grouped(collection, found)
    _tell(progress, MEASURING, 0, 2)
    controls = measure_shortcuts(collection.images)
    _tell(progress, MEASURING, 1, 2)
    same = found.distinct.labels[found.pictures.of]
    suspects = find_suspects(collection.images, same.tolist())
    _tell(progress, MEASURING, 2, 2)
    copies = list_copies(found)
    listed = most_telling(copies)
    sets, held = summarise(collection, found), patient_leaks(collection.images)
    between_splits, between_sets = leaks(found), overlaps(found)
    distinct, groups = found.distinct.count(), found.independent.count()
    report = AuditReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tumorlens=__version__,
        seconds=round(time.perf_counter() - start, 2),
        verdict=verdict(
            sets=sets,
            problems=collection.problems,
            counts=found.counts,
            leaks=between_splits,
            overlaps=between_sets,
            patients=held,
            controls=controls,
            suspects=suspects,
            distinct=distinct,
            groups=groups,
            patients_from={s.name: s.patients_from for s in collection.sets if s.patients_from},
        ),
        sets=sets,
        problems=collection.problems,
        copies=tuple(listed),
        copies_left_out=sum(count.pairs for count in found.counts) - len(listed),
        copy_counts=found.counts,
        distinct=distinct,
        groups=groups,
        leaks=between_splits,
        overlaps=between_sets,
        patients=held,
        controls=controls,
        suspects=suspects,
    )
    if out is not None:
        write_outputs(report, collection, found, copies, out)
    return report


def _grouped(collection: Collection, found: CopiesFound) -> Collection:
    """Join the images of one patient as well, and give every image its group."""
    first_of: dict[str, int] = {}
    pictures = found.pictures.of
    pairs = [
        (pictures[first_of.setdefault(image.patient, i)], pictures[i])
        for i, image in enumerate(collection.images)
        if image.patient is not None
    ]
    first, second = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    found.independent.join(first, second)
    groups = found.independent.labels[pictures]
    images: tuple[ImageFacts, ...] = tuple(
        replace(image, group=int(group))
        for image, group in zip(collection.images, groups, strict=True)
    )
    return replace(collection, images=images)


def _stage(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(what, done, total)


def _tell(progress: Progress | None, what: str, done: int, total: int) -> None:
    if progress:
        progress(what, done, total)
