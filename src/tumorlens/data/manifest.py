"""The manifest: which image files a model was trained and tested on, and on which side each stood.

A manifest holds names and hashes only, no pixels, so it can be published where the images
cannot.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from tumorlens.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One image of a manifest.

    Attributes:
        name: The file, relative to the folder that holds the sets.
        sha256: SHA-256 of its bytes.
        source: The set that it belongs to.
        label: A class name, ``tumor`` where the kind is unknown, or ``no_tumor``.
        group: Equal for images that must stand on one side: one patient's, or near-copies.
        fold: From 1.
    """

    name: str
    sha256: str
    source: str
    label: str
    group: str
    fold: int


def write(entries: Sequence[Entry], path: Path) -> str:
    """Write a manifest as CSV; returns the SHA-256 of the file."""
    text = to_csv(entries)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return hashlib.sha256(text.encode()).hexdigest()


def to_csv(entries: Sequence[Entry]) -> str:
    """The manifest as CSV text, one line an image, in order."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [f.name for f in fields(Entry)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(entry) for entry in entries)
    return buffer.getvalue()


def hash_by_source(entries: Sequence[Entry]) -> dict[str, str]:
    """Set → SHA-256 of its lines of a manifest: equal only for the same images on one side."""
    return {
        source: hashlib.sha256(
            to_csv([entry for entry in entries if entry.source == source]).encode()
        ).hexdigest()
        for source in sorted({entry.source for entry in entries})
    }


def load(path: Path) -> list[Entry]:
    """Read a manifest.

    Raises:
        DatasetError: No such file, or not a manifest.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        entries = [Entry(**{**row, "fold": int(row["fold"])}) for row in rows]  # type: ignore[arg-type]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        msg = f"{path}: not a manifest ({error}); it needs the columns " + ", ".join(
            f.name for f in fields(Entry)
        )
        raise DatasetError(msg) from error
    if not entries:
        msg = f"{path}: not a manifest (it names no image)"
        raise DatasetError(msg)
    crossing = groups_on_two_sides(entries)
    if crossing:
        msg = f"{path}: these groups stand in more than one fold: {', '.join(crossing[:5])}"
        raise DatasetError(msg)
    return entries


def groups_on_two_sides(entries: Sequence[Entry]) -> list[str]:
    """The groups whose images stand in more than one fold: there must be none."""
    folds: dict[str, set[int]] = defaultdict(set)
    for entry in entries:
        folds[entry.group].add(entry.fold)
    return sorted(name for name, numbers in folds.items() if len(numbers) > 1)


def verify(entries: Sequence[Entry], root: Path) -> None:
    """Check that every file of a manifest is there, with the bytes that the manifest names.

    Raises:
        DatasetError: Files are missing or differ; says how many and which first.
    """
    missing = [e.name for e in entries if not (root / e.name).is_file()]
    if missing:
        msg = f"{root}: {len(missing)} files of the manifest are not there, such as {missing[0]}"
        raise DatasetError(msg)
    changed = [
        e.name
        for e in entries
        if hashlib.sha256((root / e.name).read_bytes()).hexdigest() != e.sha256
    ]
    if changed:
        msg = f"{root}: {len(changed)} files differ from the manifest, such as {changed[0]}"
        raise DatasetError(msg)
