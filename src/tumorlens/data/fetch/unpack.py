"""Taking files out of a zip or a folder, and never anywhere but where they belong."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

from tumorlens.data.index import IMAGE_SUFFIXES
from tumorlens.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

LARGEST_UNPACKED = 8 * 10**9
"""Bytes that an archive may unpack to: several times the largest public set."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError)
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive or folder: its path in it, its size in bytes, and how to open it."""

    path: PurePosixPath
    size: int
    open: Callable[[], BinaryIO]


@contextmanager
def opened(source: Path) -> Iterator[list[Member]]:
    """The files of a zip, or of a folder, in the order of their names.

    Raises:
        DatasetError: It is not a whole zip, is encrypted, holds a path that leads out of it or a
            link, or would unpack to more than `LARGEST_UNPACKED`; also if damage shows while a
            member is read.
    """
    if source.is_dir():
        yield _members_of_folder(source)
        return
    try:
        with zipfile.ZipFile(source) as archive:
            yield _members_of_zip(source, archive)
    except _DAMAGE as error:
        msg = (
            f"{source}: not a whole zip ({error}); the download was cut short or is another file. "
            "Remove it and fetch it again"
        )
        raise DatasetError(msg) from error
    except FileNotFoundError as error:
        msg = f"{source}: no such file; give the zip that you downloaded"
        raise DatasetError(msg) from error


def copy(member: Member, target: Path) -> None:
    """Write a member to a file; its folder is made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as stream, target.open("xb") as file:
        shutil.copyfileobj(stream, file)


def place_folders(members: Sequence[Member], folders: Sequence[str], target: Path) -> int:
    """Lay out the images below some folders, wherever in the archive those stand.

    Where they stand twice, the ones nearest to the top are taken.

    Args:
        members: The files of the archive.
        folders: The folders that the set must have (``Training``, ``Testing``), in any case.
        target: Where they are put, spelt as in `folders`.

    Returns:
        The number of images.

    Raises:
        DatasetError: The archive does not hold them all.
    """
    root = _root_of(members, folders)
    spelling = {name.lower(): name for name in folders}
    count = 0
    for member in members:
        parts = member.path.parts
        below = parts[len(root) :]
        if parts[: len(root)] != root or len(below) < 2:  # noqa: PLR2004 - a folder and a file
            continue
        folder = spelling.get(below[0].lower())
        if folder and member.path.suffix.lower() in IMAGE_SUFFIXES:
            copy(member, target.joinpath(folder, *below[1:]))
            count += 1
    return count


def _root_of(members: Iterable[Member], folders: Sequence[str]) -> tuple[str, ...]:
    wanted = {name.lower() for name in folders}
    found: dict[tuple[str, ...], set[str]] = {}
    for member in members:
        parents = member.path.parts[:-1]
        for depth, part in enumerate(parents):
            if part.lower() in wanted:
                found.setdefault(parents[:depth], set()).add(part.lower())
                break
    whole = [root for root, names in found.items() if names == wanted]
    if not whole:
        msg = (
            f"this is not the set: it does not hold the folders {' and '.join(folders)}. "
            "Is it the right file?"
        )
        raise DatasetError(msg)
    return min(whole, key=lambda root: (len(root), root))


def _members_of_folder(source: Path) -> list[Member]:
    return [
        Member(
            PurePosixPath(path.relative_to(source).as_posix()),
            path.stat().st_size,
            lambda path=path: path.open("rb"),  # type: ignore[misc]
        )
        for path in sorted(source.rglob("*"))
        if path.is_file() and not path.is_symlink()
    ]


def _members_of_zip(source: Path, archive: zipfile.ZipFile) -> list[Member]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    for info in infos:
        _check(source, info)
    if sum(info.file_size for info in infos) > LARGEST_UNPACKED:
        msg = f"{source}: would unpack to more than {LARGEST_UNPACKED // 10**9} GB; not unpacked"
        raise DatasetError(msg)
    return [
        Member(
            PurePosixPath(info.filename),
            info.file_size,
            lambda info=info: cast("BinaryIO", archive.open(info)),  # type: ignore[misc]
        )
        for info in sorted(infos, key=lambda info: info.filename)
    ]


def _check(source: Path, info: zipfile.ZipInfo) -> None:
    name = info.filename
    path = PurePosixPath(name)
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    if is_link or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        msg = f"{source}: holds {name!r}, which leads out of it; nothing was unpacked"
        raise DatasetError(msg)
    if info.flag_bits & _ENCRYPTED:
        msg = f"{source}: is encrypted; unpack it yourself and give the folder with --from"
        raise DatasetError(msg)
