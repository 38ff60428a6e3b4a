"""Finding the labelled images in a folder: the layouts of the public sets, and class folders.

Layouts that are recognised, from a folder's own content:

- ``cheng``: ``index.csv`` with ``image``, ``label`` and ``fold`` (the author's own five folds, by
  patient);
- ``tcia_btp``: ``index.csv`` with ``image``, ``patient`` and ``tumor_pixels``;
- yes / no folders: ``yes`` is a tumor of unknown kind, ``no`` is no tumor;
- class folders: a folder a class, optionally under Training/Testing or train/valid/test.
"""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tumorlens.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NO_TUMOR = "no_tumor"
TUMOR = "tumor"
"""The label of an image that shows a tumor of unknown kind."""

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".dcm", ".ima"}
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
        split: ``train``, ``validation`` or ``test`` where the set's folders say so, or None.
        mask: The tumor's mask, or None.
    """

    path: Path
    source: str
    label: str
    patient: str | None = None
    fold: int | None = None
    split: str | None = None
    mask: Path | None = None

    @property
    def name(self) -> str:
        """The file as ``set/folder/file``, the same on every machine."""
        parts = self.path.parts
        return "/".join(parts[parts.index(self.source) :] if self.source in parts else parts[-2:])

    def sha256(self) -> str:
        """SHA-256 of the file's bytes."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def index(folder: Path) -> list[Sample]:
    """The labelled images of one set, in a stable order.

    Raises:
        DatasetError: The folder is missing, holds no labelled image, or its table is wrong.
    """
    if not folder.is_dir():
        msg = f"{folder}: no such folder; name a folder of labelled images"
        raise DatasetError(msg)
    table = folder / "index.csv"
    samples = list(_from_table(table) if table.is_file() else _from_folders(folder))
    if not samples:
        msg = (
            f"{folder}: no labelled images; expected a folder a class (glioma/, no_tumor/, …), "
            "yes/ and no/, Training/ and Testing/ with such folders, or an index.csv"
        )
        raise DatasetError(msg)
    return samples


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


def _from_table(table: Path) -> Iterator[Sample]:
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or ())
        if "image" not in columns or not columns & {"label", "tumor_pixels"}:
            msg = (
                f"{table}: needs the columns image and label (or tumor_pixels), "
                f"has {', '.join(sorted(columns)) or 'none'}"
            )
            raise DatasetError(msg)
        for row in reader:
            yield _from_row(table, row)


def _from_row(table: Path, row: dict[str, str]) -> Sample:
    folder = table.parent
    path = folder / row["image"]
    if not path.is_file():
        msg = f"{table}: names {row['image']}, which is not there"
        raise DatasetError(msg)
    if "label" in row:
        label = class_name(row["label"])
    else:
        label = TUMOR if int(row["tumor_pixels"]) > 0 else NO_TUMOR
    return Sample(
        path=path,
        source=folder.name,
        label=label,
        patient=row.get("patient"),
        fold=int(row["fold"]) if row.get("fold") else None,
        mask=folder / row["mask"] if row.get("mask") else None,
    )


def _from_folders(folder: Path) -> Iterator[Sample]:
    for child in _folders(folder):
        split = split_name(child.name)
        if split is None:
            yield from _class_folder(folder.name, child, None)
        else:
            for class_folder in _folders(child):
                yield from _class_folder(folder.name, class_folder, split)


def _class_folder(source: str, folder: Path, split: str | None) -> Iterator[Sample]:
    label = class_name(folder.name)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            yield Sample(path=path, source=source, label=label, split=split)


def _folders(folder: Path) -> Iterable[Path]:
    return sorted(
        child for child in folder.iterdir() if child.is_dir() and child.name[:1] not in "._"
    )
