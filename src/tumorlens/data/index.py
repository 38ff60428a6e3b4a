"""Finding the labelled images of a set: the layouts of the public sets, tables, class folders.

Layouts that are recognised, from a folder's own content:

- a table: ``index.csv``, or any one CSV file at the top of the folder (or named itself instead of
  it), with the columns of `tumorlens.data.tables`: image (or path), label, and where there are
  any patient, split, fold and mask. ``tumor_pixels`` may stand in for the label. Several tables
  that are named ``train.csv``, ``test.csv`` and so on are read together;
- yes / no folders: ``yes`` is a tumor of unknown kind, ``no`` is no tumor;
- class folders: a folder a class, optionally under Training/Testing or train/valid/test, or with
  such folders below it.

A folder that holds nothing but one folder of such a layout is looked into.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tumorlens.data.tables import INDEX_NAME, read_table, tables_in
from tumorlens.errors import DatasetError
from tumorlens.scan.sniff import HEAD_BYTES, sniff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tumorlens.data.tables import Row

NO_TUMOR = "no_tumor"
TUMOR = "tumor"
"""The label of an image that shows a tumor of unknown kind."""

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp"),
        *(".gif", ".dcm", ".dicom", ".dic", ".ima"),
    }
)

_SPLITS = {
    "training": "train",
    "train": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "testing": "test",
    "test": "test",
}
_NEGATIVE_NAMES = frozenset({"no", "notumor", "no_tumor", "negative", "healthy", "normal"})
_TUMOR_NAMES = frozenset({"yes", "tumor", "tumour", "positive"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One labelled image file.

    Attributes:
        path: The file.
        source: Name of the set that it belongs to.
        label: A class name; `TUMOR` where the kind is unknown; `NO_TUMOR`.
        patient: A key that is equal for the images of one patient, or None where unknown.
        fold: The fold that the set's author gave, from 1, or None.
        split: ``train``, ``validation``, ``test`` where the set's folders or table say so, or
            another name that its table gives, or None.
        mask: The tumor's mask, or None.
    """

    path: Path
    source: str
    label: str
    patient: str | None = None
    fold: int | None = None
    split: str | None = None
    mask: Path | None = None

    def sha256(self) -> str:
        """SHA-256 of the file's bytes."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


class FaultKind(StrEnum):
    """What can be wrong with a line of a table."""

    MISSING = "missing"
    NO_LABEL = "no_label"
    TWO_LABELS = "two_labels"
    TWO_SPLITS = "two_splits"


@dataclass(frozen=True, slots=True)
class Fault:
    """One image that a table names wrongly.

    Attributes:
        image: Its path as the table names it.
        kind: What is wrong.
        detail: What is wrong, in words that can follow the path.
    """

    image: str
    kind: FaultKind
    detail: str


@dataclass(frozen=True, slots=True)
class Survey:
    """All that a set names.

    Attributes:
        folder: The folder that its images lie in.
        name: The set's name.
        samples: Its labelled images, in a stable order, each file once.
        faults: What is wrong with its table; nothing for a set of folders.
    """

    folder: Path
    name: str
    samples: tuple[Sample, ...]
    faults: tuple[Fault, ...]


def index(place: Path) -> list[Sample]:
    """The labelled images of one set, in a stable order.

    Args:
        place: The set's folder, or its table.

    Raises:
        DatasetError: It is missing, holds no labelled image, or its table is wrong.
    """
    found = survey(place)
    if found.faults:
        first, more = found.faults[0], len(found.faults) - 1
        msg = f"{place}: names {first.image}, {first.detail}"
        raise DatasetError(msg + (f" (and {more} more such lines)" if more else ""))
    return list(found.samples)


def survey(place: Path) -> Survey:
    """The labelled images of one set, and what is wrong with its table, line by line.

    Args:
        place: The set's folder, or its table.

    Raises:
        DatasetError: It is missing, holds no labelled image, or its table lacks columns.
    """
    try:
        found = _from_file(place) if place.is_file() else _from_folder(place)
    except OSError as error:
        msg = f"{place}: cannot be listed ({error.strerror or error}); check its permissions"
        raise DatasetError(msg) from error
    if not found.samples and not found.faults:
        msg = (
            f"{place}: no labelled images; expected a folder a class (glioma/, no_tumor/, …), "
            "yes/ and no/, Training/ and Testing/ with such folders, or an index.csv with the "
            "columns path and label"
        )
        raise DatasetError(msg)
    return found


def class_name(folder_name: str) -> str:
    """The class that a folder's name means: ``glioma_tumor`` → ``glioma``, ``no`` → ``no_tumor``.

    Names that mean nothing special stay as they are, in lower case.
    """
    name = re.sub(r"[\s-]+", "_", folder_name.strip().lower())
    if name in _NEGATIVE_NAMES:
        return NO_TUMOR
    if name in _TUMOR_NAMES:
        return TUMOR
    return name.removesuffix("_tumor") or name


def split_name(folder_name: str) -> str | None:
    """The split that a folder's name means: ``Testing`` → ``test``; None where it means none."""
    return _SPLITS.get(folder_name.lower())


def _from_file(table: Path) -> Survey:
    name = table.parent.name if table.name == INDEX_NAME else table.stem
    return _from_tables([table], name)


def _from_folder(folder: Path) -> Survey:
    if not folder.is_dir():
        msg = f"{folder}: no such folder; name a folder of labelled images, or a table of them"
        raise DatasetError(msg)
    tables = tables_in(folder)
    if len(tables) > 1 and not all(split_name(table.stem) for table in tables):
        names = ", ".join(table.name for table in tables)
        msg = f"{folder}: holds several tables of images ({names}); name the one that is meant"
        raise DatasetError(msg)
    name = folder.resolve().name
    if tables:
        return _from_tables(tables, name)
    inner = folder
    while (child := _only_wrapped(inner)) is not None:
        inner = child
    return Survey(folder, name, tuple(_from_folders(inner, name)), ())


def _from_tables(tables: list[Path], source: str) -> Survey:
    folder = tables[0].parent
    samples: dict[Path, Sample] = {}
    faults: list[Fault] = []
    for table in tables:
        for row in read_table(table):
            found = _from_row(table, row, source)
            if isinstance(found, Fault):
                faults.append(found)
                continue
            earlier = samples.setdefault(found.path, found)
            if (fault := _contradiction(row, earlier, found)) is not None:
                faults.append(fault)
    return Survey(folder, source, tuple(samples.values()), tuple(faults))


def _from_row(table: Path, row: Row, source: str) -> Sample | Fault:
    folder, values = table.parent, row.values
    path = folder / row.image
    label = _label_of(table, row)
    if label is None:
        return Fault(row.image, FaultKind.NO_LABEL, f"which has no label (line {row.line})")
    if not path.is_file():
        return Fault(row.image, FaultKind.MISSING, f"which is not there (line {row.line})")
    named = values.get("split") or (table.stem if split_name(table.stem) else "")
    return Sample(
        path=path,
        source=source,
        label=label,
        patient=values.get("patient") or None,
        fold=_whole(table, row, "fold") if values.get("fold") else None,
        split=(split_name(named) or named) or None,
        mask=folder / values["mask"] if values.get("mask") else None,
    )


def _label_of(table: Path, row: Row) -> str | None:
    if "label" in row.values:
        return class_name(row.values["label"]) if row.values["label"] else None
    if not row.values["tumor_pixels"]:
        return None
    return TUMOR if _whole(table, row, "tumor_pixels") > 0 else NO_TUMOR


def _whole(table: Path, row: Row, column: str) -> int:
    try:
        return int(row.values[column])
    except ValueError:
        msg = f"{table}: {column} of line {row.line} is no whole number: {row.values[column]}"
        raise DatasetError(msg) from None


def _contradiction(row: Row, earlier: Sample, later: Sample) -> Fault | None:
    """What two lines of one file say that cannot both be true."""
    if earlier.label != later.label:
        detail = f"as {earlier.label} and, in line {row.line}, as {later.label}"
        return Fault(row.image, FaultKind.TWO_LABELS, detail)
    one, other = (str(sample.split or sample.fold or "") for sample in (earlier, later))
    if one != other:
        detail = f"in {one or 'no split'} and, in line {row.line}, in {other or 'no split'}"
        return Fault(row.image, FaultKind.TWO_SPLITS, detail)
    return None


def _only_wrapped(folder: Path) -> Path | None:
    """The one folder in a folder that only wraps it, as unpacked archives do."""
    children = list(_folders(folder))
    if len(children) != 1 or _means_something(children[0]):
        return None
    grandchildren = list(_folders(children[0]))
    known = [child for child in grandchildren if _means_something(child)]
    return children[0] if known and not any(_images(children[0], "*")) else None


def _means_something(folder: Path) -> bool:
    """Whether a folder's name is that of a split, or of a class that every set may have."""
    return split_name(folder.name) is not None or class_name(folder.name) in (TUMOR, NO_TUMOR)


def _from_folders(folder: Path, source: str) -> Iterator[Sample]:
    for child in _folders(folder):
        split = split_name(child.name)
        if split is None:
            yield from _class_folder(source, child)
        else:
            for class_folder in _folders(child):
                yield from _samples(source, class_folder, class_name(class_folder.name), split)


def _class_folder(source: str, folder: Path) -> Iterator[Sample]:
    """The images of a class; in the splits that its own folders name, if all of them do."""
    label = class_name(folder.name)
    splits = {child: split_name(child.name) for child in _folders(folder)}
    if splits and all(splits.values()) and not any(_images(folder, "*")):
        for child, split in splits.items():
            yield from _samples(source, child, label, split)
    else:
        yield from _samples(source, folder, label, None)


def _samples(source: str, folder: Path, label: str, split: str | None) -> Iterator[Sample]:
    for path in sorted(_images(folder, "**/*")):
        yield Sample(path=path, source=source, label=label, split=split)


def _images(folder: Path, pattern: str) -> Iterator[Path]:
    for path in folder.glob(pattern):
        if not path.name.startswith(".") and path.is_file() and _is_image(path):
            yield path


def _is_image(path: Path) -> bool:
    """By the suffix; DICOM files often have none, and then by the first bytes."""
    if path.suffix:
        return path.suffix.lower() in IMAGE_SUFFIXES
    try:
        with path.open("rb") as file:
            return sniff(file.read(HEAD_BYTES)) is not None
    except OSError:
        return False


def _folders(folder: Path) -> list[Path]:
    return sorted(
        child for child in folder.iterdir() if child.is_dir() and child.name[:1] not in "._"
    )
