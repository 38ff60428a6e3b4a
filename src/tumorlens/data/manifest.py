"""The manifest: which image files a model was trained and tested on, and on which side each stood.

A manifest holds names and hashes only, no pixels, so it can be published where the images
cannot. One that repeats the split of a set's authors, copies on both sides and all, says so of each
of its images; in any other no group stands on two sides.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING

from tumorlens.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Protocol(StrEnum):
    """What keeps the sides of a manifest apart.

    GROUPED: no group stands on two sides. AUTHORS: the sides are those of the set's authors, who
    did not look for copies, so groups may cross; every figure on them needs to say so.
    """

    GROUPED = "grouped"
    AUTHORS = "authors"


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
        protocol: What keeps it apart from the other sides.
        picture: Equal for files of the same picture, however encoded, sized, mirrored or rotated;
            recorded where copies may stand on two sides, else empty.
    """

    name: str
    sha256: str
    source: str
    label: str
    group: str
    fold: int
    protocol: Protocol = Protocol.GROUPED
    picture: str = ""


_ALWAYS = ("name", "sha256", "source", "label", "group", "fold")
_AUTHORS_ONLY = ("protocol", "picture")
"""Columns of manifests with images that are split as their authors did, and of no others: the
lines of a grouped manifest, and their hashes, are the same as before there were other protocols."""


def write(entries: Sequence[Entry], path: Path) -> str:
    """Write a manifest as CSV; returns the SHA-256 of the file."""
    text = to_csv(entries)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return hashlib.sha256(text.encode()).hexdigest()


def to_csv(entries: Sequence[Entry]) -> str:
    """The manifest as CSV text, one line an image, in order."""
    crosses = any(entry.protocol is not Protocol.GROUPED for entry in entries)
    columns = (*_ALWAYS, *_AUTHORS_ONLY) if crosses else _ALWAYS
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
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
        DatasetError: No such file, not a manifest, or groups cross in it without its saying so.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        entries = [_entry(row) for row in rows]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        msg = f"{path}: not a manifest ({error}); it needs the columns " + ", ".join(_ALWAYS)
        raise DatasetError(msg) from error
    if not entries:
        msg = f"{path}: not a manifest (it names no image)"
        raise DatasetError(msg)
    crossing = groups_on_two_sides(entries)
    if crossing:
        msg = (
            f"{path}: these groups stand in more than one fold: {', '.join(crossing[:5])}; a split "
            "that is meant to cross, as its authors' does, is made by `tumorlens data split "
            "--by authors`"
        )
        raise DatasetError(msg)
    return entries


def groups_on_two_sides(entries: Sequence[Entry]) -> list[str]:
    """The groups that stand in more than one fold, where none may: not by the authors' split."""
    folds: dict[str, set[int]] = defaultdict(set)
    for entry in entries:
        if entry.protocol is Protocol.GROUPED:
            folds[entry.group].add(entry.fold)
    return sorted(name for name, numbers in folds.items() if len(numbers) > 1)


def protocol_of(entries: Sequence[Entry]) -> Protocol:
    """AUTHORS where any of the images is split so, since a figure over all of them then leaks."""
    crosses = any(entry.protocol is Protocol.AUTHORS for entry in entries)
    return Protocol.AUTHORS if crosses else Protocol.GROUPED


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


def _entry(row: dict[str, str]) -> Entry:
    """A line of a manifest; its protocol is the first one where the file names none.

    Raises:
        KeyError, TypeError, ValueError: The line is of something else.
    """
    known = {f.name for f in fields(Entry)}
    if unknown := set(row) - known:
        msg = f"unknown column {', '.join(sorted(map(str, unknown)))}"
        raise ValueError(msg)
    protocol = Protocol(row.get("protocol") or Protocol.GROUPED)
    return Entry(**{**row, "fold": int(row["fold"]), "protocol": protocol})  # type: ignore[arg-type]
