"""What a person names (files, folders, zips, patterns) becomes Sources, one by one.

Nothing is read here but the first bytes of files; the DICOM files of one folder or archive are
put in the order of their slices, all others come in the natural order of their names.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from itertools import chain, groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tumorlens.errors import ScanError, UnreadableScan, UnsupportedScan
from tumorlens.scan.archive import MEMBER_SEPARATOR, Archive, encrypted
from tumorlens.scan.limits import Limits
from tumorlens.scan.series import in_series_order
from tumorlens.scan.sniff import is_gzip, is_zip, sniff
from tumorlens.scan.source import Source, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Source", "discover"]

Input = str | os.PathLike[str] | Source

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".tif", ".tiff"),
    *(".webp", ".gif", ".jp2", ".heic", ".avif", ".dcm", ".dicom", ".dic", ".ima"),
    *(".nii", ".nii.gz", ".mgz", ".mgh", ".nrrd", ".nhdr", ".mha", ".mhd"),
)
"""A file of these suffixes is taken from a folder as an image, so that a damaged one is named."""

_SKIPPED_NAMES = frozenset({"thumbs.db", "desktop.ini", "dicomdir", "__macosx"})
_ZIP_SUFFIX = ".zip"
_DIGITS = re.compile(r"(\d+)")
_AFTER_NUMBERS = sys.maxsize


def discover(
    inputs: Iterable[Input], *, limits: Limits | None = None
) -> Iterator[Source | ScanError]:
    """Find the images in what the user named, lazily.

    1. A file is taken as it is; a Source too, so that an uploaded zip can be expanded.
    2. A folder is walked, each folder in it once, hidden files and bookkeeping files left out; a
       file is taken where its suffix or its first bytes say that it is an image.
    3. A zip, wherever it is found, gives its members in the same way.
    4. A name that is no file is expanded as a pattern (``*``, ``?``, ``[…]``, ``**``).
    5. The DICOM files of one folder, zip or pattern, or of a run of files named one after
       another, come last, series by series, in the order of their position along the slice
       normal.

    Args:
        inputs: Paths, patterns or Sources.
        limits: What may be read of an archive.

    Yields:
        A Source for each image, and a ScanError (as a value) for each input that gives none.
    """
    limits = limits or Limits()
    for is_group, run in groupby(inputs, key=_is_group):
        if is_group:
            for one in run:
                yield from in_series_order(_candidates(one, limits))
        else:
            found = (_candidates(one, limits) for one in run)
            yield from in_series_order(chain.from_iterable(found))


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts ``slice 9`` before ``slice 10``; numbers may be as long as they like."""
    parts = _DIGITS.split(name.casefold())
    numbers = (part.lstrip("0") if part.isdecimal() else None for part in parts)
    return tuple(
        (_AFTER_NUMBERS, part) if number is None else (len(number), number)
        for part, number in zip(parts, numbers, strict=True)
    )


def _is_group(one: Input) -> bool:
    try:
        return not isinstance(one, Source) and not Path(os.fsdecode(one)).is_file()
    except (OSError, ValueError):  # its own turn names what is wrong with it
        return False


def _candidates(one: Input, limits: Limits) -> Iterator[Source | ScanError]:
    if isinstance(one, Source):
        yield from _file_or_archive(one, limits)
        return
    path = os.fsdecode(one)
    if not path or "\0" in path:
        what = "it is empty" if not path else "it holds a null byte"
        yield UnreadableScan(printable(path), f"no file can have this name ({what})")
        return
    try:
        is_folder, exists = Path(path).is_dir(), os.path.lexists(path)
    except (OSError, ValueError) as error:  # too long
        yield UnreadableScan(printable(path), f"no file can have this name ({error})")
        return
    if is_folder:
        yield from _folder(path, limits)
    elif exists or not glob.has_magic(path):
        yield from _file_or_archive(Source.from_path(path), limits)
    else:
        yield from _pattern(path, limits)


def _pattern(pattern: str, limits: Limits) -> Iterator[Source | ScanError]:
    # Not Path.glob, which refuses absolute patterns and forgets how the user wrote the folder.
    matches = sorted(glob.glob(pattern, recursive=True), key=natural_key)  # noqa: PTH207
    for match in matches:
        yield from _candidates(match, limits)
    if not matches:
        yield UnreadableScan(
            printable(pattern), "no file has this name or matches this pattern", "Check the path"
        )


def _folder(path: str, limits: Limits) -> Iterator[Source | ScanError]:
    is_empty = True
    for found in _walk(path, limits):
        is_empty = False
        yield found
    if is_empty:
        yield UnreadableScan(
            printable(path), "there are no images in this folder", "Name a folder that holds scans"
        )


def _walk(top: str, limits: Limits) -> Iterator[Source | ScanError]:
    pending = [top]
    visited: set[tuple[int, int]] = set()  # a link that leads back up is followed only once
    while pending:
        folder = pending.pop()
        try:
            status = Path(folder).stat()
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: natural_key(entry.name))
        except OSError as error:
            reason = f"the folder cannot be listed ({error.strerror})"
            yield UnreadableScan(printable(folder), reason, "Change its permissions")
            continue
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        shown = [entry for entry in entries if not _is_skipped(entry.name)]
        folders = dict.fromkeys(entry.path for entry in shown if _is_folder(entry))
        pending.extend(reversed(folders))
        for path in (entry.path for entry in shown if entry.path not in folders):
            if _is_image_or_zip(source := Source.from_path(path)):
                yield from _file_or_archive(source, limits)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _file_or_archive(source: Source, limits: Limits) -> Iterator[Source | ScanError]:
    try:
        if is_zip(source.read_head()):
            yield from _archive(source, limits)
        else:
            yield source
    except ScanError as error:
        yield error


def _archive(source: Source, limits: Limits) -> Iterator[Source | ScanError]:
    archive = Archive(source, limits)
    if archive.is_encrypted():
        raise encrypted(source.name)
    is_empty = True
    for member in sorted(archive.members(), key=lambda member: natural_key(member.name)):
        inner = PurePosixPath(member.name.split(MEMBER_SEPARATOR)[-1])
        if any(_is_skipped(part) for part in inner.parts) or not _is_image_or_zip(member):
            continue
        is_empty = False
        if inner.suffix.lower() == _ZIP_SUFFIX:
            yield UnsupportedScan(member.name, "it is a zip inside a zip", "Unpack the outer one")
        else:
            yield member
    if is_empty:
        raise UnreadableScan(source.name, "there are no images in this zip")


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _SKIPPED_NAMES


def _is_image_or_zip(source: Source) -> bool:
    if source.name.lower().endswith((*IMAGE_SUFFIXES, _ZIP_SUFFIX)):
        return True
    try:
        head = source.read_head()
    except ScanError:  # such as a text file that may not be read: nothing says it is an image
        return False
    # What is gzipped is a volume where its name says so, and else most often something else.
    return sniff(head) is not None and not is_gzip(head)
