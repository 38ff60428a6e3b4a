"""Tables of labelled images: CSV files with a line an image."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tumorlens.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INDEX_NAME = "index.csv"
"""A table of this name in a set's folder is always read as the set's table."""

COLUMNS = {
    "image": ("image", "path", "file", "filename", "file_name", "image_path"),
    "label": ("label", "class"),
    "tumor_pixels": ("tumor_pixels",),
    "patient": ("patient", "patient_id", "patientid", "subject", "subject_id"),
    "split": ("split",),
    "fold": ("fold",),
    "mask": ("mask",),
}
"""What a column holds → the headings that it may have, in any case, the first of them winning."""

_DELIMITERS = ",;\t"
_SUFFIX = ".csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table.

    Attributes:
        line: Its number in the file, from 1.
        image: The image's path as it is written there.
        values: The other columns of `COLUMNS` that the table has, stripped; empty where the line
            holds nothing.
    """

    line: int
    image: str
    values: dict[str, str]


def tables_in(folder: Path) -> list[Path]:
    """The tables at the top of a folder: `INDEX_NAME`, or else all with the needed columns."""
    index = folder / INDEX_NAME
    if index.is_file():
        return [index]
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() == _SUFFIX)
    return [path for path in found if path.is_file() and _is_usable(path)]


def read_table(table: Path) -> Iterator[Row]:
    """The lines of a table; those without an image path are left out if they are empty.

    Raises:
        DatasetError: It cannot be read, is no CSV, or lacks a column that is needed.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, delimiter=_delimiter(table))
            columns = _columns(table, next(lines, []))
            for cells in lines:
                if any(cell.strip() for cell in cells):
                    yield _row(table, lines.line_num, columns, cells)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{table}: cannot be read as a CSV table ({error}); save it as CSV in UTF-8"
        raise DatasetError(msg) from error


def _is_usable(table: Path) -> bool:
    try:
        next(read_table(table), None)
    except DatasetError:
        return False
    return True


def _delimiter(table: Path) -> str:
    """Some spreadsheets write semicolons or tabs: the header decides."""
    with table.open(encoding="utf-8-sig") as file:
        header = file.readline()
    return max(_DELIMITERS, key=header.count)


def _columns(table: Path, headings: list[str]) -> dict[str, int]:
    """What each useful column holds → its place."""
    known = [heading.strip().lower() for heading in headings]
    places = {
        what: next(known.index(name) for name in names if name in known)
        for what, names in COLUMNS.items()
        if set(names) & set(known)
    }
    if "image" not in places or not places.keys() & {"label", "tumor_pixels"}:
        has = ", ".join(sorted(filter(None, known))) or "none"
        msg = (
            f"{table}: needs the columns image and label (or path and label, or image and "
            f"tumor_pixels), has {has}"
        )
        raise DatasetError(msg)
    return places


def _row(table: Path, line: int, columns: dict[str, int], cells: list[str]) -> Row:
    values = {
        what: cells[place].strip() if place < len(cells) else "" for what, place in columns.items()
    }
    image = values.pop("image")
    if not image:
        msg = f"{table}: line {line} names no image"
        raise DatasetError(msg)
    return Row(line=line, image=image, values=values)
