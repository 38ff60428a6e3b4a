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

import numpy as np

from tumorlens.data.duplicates import SAME, find_pairs, group, thumbnail
from tumorlens.data.index import index
from tumorlens.errors import DatasetError, ScanError
from tumorlens.scan import read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.index import Sample

    Progress = Callable[[int, int], None]

FOLDS = 5


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


def build(
    root: Path,
    sources: Sequence[str],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Entry]:
    """The manifest of some sets below a folder.

    1. A set whose author gave folds by patient keeps every image and those folds; near-copies
       within a fold form a group.
    2. Of any other set, one file is kept of each distinct picture, and the near-copies of one
       another (or the images of one patient) form a group.
    3. Groups are dealt to `FOLDS` folds, balanced over the labels, so that none crosses.

    Args:
        root: The folder that holds the sets.
        sources: Names of the sets, each a folder in `root`.
        seed: Decides the deal.
        progress: Called with (images read, images in all) of each set.

    Raises:
        DatasetError: A set is missing, empty, or too small to be dealt; or no image can be read.
    """
    entries: list[Entry] = []
    for source in sources:
        samples = index(root / source)
        if all(sample.fold is not None for sample in samples):
            entries += _authored(root, samples, progress)
        else:
            entries += _dealt(root, samples, seed, progress)
    return entries


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


def _authored(root: Path, samples: list[Sample], progress: Progress | None) -> list[Entry]:
    """Every image of a set whose author gave folds by patient.

    Which patient an image is of may not be known, so the near-copies within a fold are the groups
    that intervals are drawn over; the author's folds keep patients apart.
    """
    readable, vectors = _thumbnails(samples, progress)
    entries = []
    for fold in sorted({sample.fold or 0 for sample in readable}):
        chosen = [i for i, sample in enumerate(readable) if sample.fold == fold]
        near = group(len(chosen), find_pairs(vectors[chosen]))
        for i, number in zip(chosen, near, strict=True):
            name = readable[i].patient or f"fold{fold}-near{number}"
            entries.append(_entry(root, readable[i], name, fold))
    return sorted(entries, key=lambda entry: entry.name)


def _dealt(root: Path, samples: list[Sample], seed: int, progress: Progress | None) -> list[Entry]:
    from sklearn.model_selection import StratifiedGroupKFold

    readable, vectors = _thumbnails(samples, progress)
    pairs = find_pairs(vectors)
    _, first_of_each = np.unique(group(len(readable), pairs, SAME), return_index=True)
    kept = sorted(int(i) for i in first_of_each)
    near = group(len(readable), pairs)
    chosen = [readable[i] for i in kept]
    groups = [readable[i].patient or f"near{near[i]}" for i in kept]
    labels = [sample.label for sample in chosen]
    if len(set(groups)) < FOLDS:
        msg = (
            f"{root / samples[0].source}: only {len(set(groups))} independent groups of images; "
            f"{FOLDS} folds need at least {FOLDS}"
        )
        raise DatasetError(msg)
    folds = [0] * len(chosen)
    dealer = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (_, side) in enumerate(dealer.split(labels, labels, groups), start=1):
        for i in side:
            folds[i] = number
    return [_entry(root, *row) for row in zip(chosen, groups, folds, strict=True)]


def _thumbnails(
    samples: list[Sample], progress: Progress | None
) -> tuple[list[Sample], NDArray[np.float32]]:
    """The samples that can be read, and a thumbnail of each."""
    readable: list[Sample] = []
    vectors: list[NDArray[np.float32]] = []
    for number, sample in enumerate(samples, start=1):
        try:
            scan = next(read(sample.path))
        except ScanError:
            continue  # an audit names these; a split only leaves them out
        readable.append(sample)
        vectors.append(thumbnail(scan.pixels))
        if progress:
            progress(number, len(samples))
    if not readable:
        msg = f"{samples[0].source}: none of its {len(samples)} images can be read"
        raise DatasetError(msg)
    return readable, np.stack(vectors)


def _entry(root: Path, sample: Sample, group_name: str, fold: int) -> Entry:
    return Entry(
        name=sample.path.relative_to(root).as_posix(),
        sha256=sample.sha256(),
        source=sample.source,
        label=sample.label,
        group=f"{sample.source}/{group_name}",
        fold=fold,
    )
