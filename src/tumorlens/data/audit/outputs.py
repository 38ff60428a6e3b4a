"""The files of an audit: JSON, three tables, and the page."""

from __future__ import annotations

import csv
from collections import defaultdict
from typing import TYPE_CHECKING

from tumorlens.data.audit.page import write_page
from tumorlens.errors import DatasetError
from tumorlens.report.csv_rows import FORMULA_STARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tumorlens.data.audit.collect import Collection
    from tumorlens.data.audit.copies import CopiesFound
    from tumorlens.data.audit.facts import ImageFacts
    from tumorlens.data.audit.report import AuditReport, Copy

    Cell = str | int | float | bool

JSON_NAME = "audit.json"
PAGE_NAME = "audit.html"
FILES_NAME = "files.csv"
COPIES_NAME = "copies.csv"
PROBLEMS_NAME = "problems.csv"

FILES_HEADER = (
    *("name", "set", "label", "split", "patient", "sha256", "pixel_sha256", "group"),
    *("same_in", "near_in"),
    *("format", "mode", "width", "height", "file_size", "mean_intensity", "flags", "problems"),
)
COPIES_HEADER = (
    *("first", "second", "relation", "correlation", "turn"),
    *("across_classes", "across_splits", "across_sets"),
)
PROBLEMS_HEADER = ("image", "kind", "detail")


def make_folder(out: Path) -> None:
    """Make the output folder, before any work is done for it.

    Raises:
        DatasetError: It cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{out}: cannot be made ({error.strerror or error}); name a folder for --out"
        raise DatasetError(msg) from error


def write_outputs(
    report: AuditReport,
    collection: Collection,
    found: CopiesFound,
    copies: Sequence[Copy],
    out: Path,
) -> None:
    """Write all files of an audit into a folder.

    Args:
        report: What was found.
        collection: Every file, for `FILES_NAME` and the pictures of the page.
        found: Where else the picture of each file stands.
        copies: All pairs that were kept, also those that the report has no room for.
        out: The folder, which is there.

    Raises:
        DatasetError: A file cannot be written.
        MissingExtra: Jinja2 is not installed.
    """
    try:
        (out / JSON_NAME).write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
        _write(out / FILES_NAME, FILES_HEADER, _file_rows(collection, found))
        _write(out / COPIES_NAME, COPIES_HEADER, map(_copy_row, copies))
        _write(
            out / PROBLEMS_NAME,
            PROBLEMS_HEADER,
            ((p.image, p.kind.value, p.detail) for p in collection.problems),
        )
    except OSError as error:
        msg = f"{out}: cannot be written to ({error.strerror or error})"
        raise DatasetError(msg) from error
    write_page(report, {image.name: image.path for image in collection.images}, out / PAGE_NAME)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([_harmless(cell) for cell in row] for row in rows)


def _harmless(cell: Cell) -> Cell:
    """Text that no spreadsheet takes for a formula."""
    is_formula = isinstance(cell, str) and cell.startswith(FORMULA_STARTS)
    return f"'{cell}" if is_formula else cell


def _file_rows(collection: Collection, found: CopiesFound) -> Iterator[tuple[Cell, ...]]:
    """A line a file, also of those that could not be read."""
    problems: defaultdict[str, list[str]] = defaultdict(list)
    for problem in collection.problems:
        problems[problem.image].append(problem.kind.value)
    known = {image.name: (image, where) for image, where in _elsewhere(collection, found)}
    for one in collection.sets:
        for member in one.members:
            wrong = " ".join(problems[member.name])
            start = (member.name, member.set, member.label, member.split)
            if member.name not in known:
                yield (*start, *[""] * (len(FILES_HEADER) - len(start) - 1), wrong)
                continue
            image, where = known[member.name]
            yield (
                *(*start, image.patient or "", image.sha256, image.pixel_sha256, image.group),
                *(*where, image.format, image.mode, image.width, image.height, image.file_size),
                *(round(image.mean_intensity, 4), " ".join(image.flags), wrong),
            )


def _elsewhere(
    collection: Collection, found: CopiesFound
) -> Iterator[tuple[ImageFacts, tuple[str, str]]]:
    """Each image, and the other splits and sets with the same picture, and with a near one."""
    sides = found.pictures.sides
    identical = found.pictures.by_side > 0
    for image, picture in zip(collection.images, found.pictures.of, strict=True):
        is_same = identical[picture] | found.same[picture]
        is_near = found.near[picture] & ~is_same
        own = (image.set, image.split)
        same, near = (
            "; ".join("/".join(filter(None, side)) for side, here in zip(sides, which, strict=True)
                     if here and side != own)
            for which in (is_same, is_near)
        )  # fmt: skip
        yield image, (same, near)


def _copy_row(copy: Copy) -> tuple[Cell, ...]:
    return (
        *(copy.first, copy.second, copy.relation.value, copy.correlation, copy.turn.value),
        *(int(copy.across_classes), int(copy.across_splits), int(copy.across_sets)),
    )
