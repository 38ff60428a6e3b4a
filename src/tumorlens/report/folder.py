"""A folder that files are written into: safe names, none written twice, no other file replaced."""

from __future__ import annotations

import gzip
import re
import secrets
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from tumorlens.errors import TumorLensError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import BinaryIO

    from tumorlens.decide.finding import ScanInfo

# File systems take 255 bytes a name; a letter takes up to four, and a number may follow.
LONGEST_STEM = 50
# The mark of a file lies in its first bytes, also of what is gzipped in it.
MARK_WITHIN = 512
_MEMBER = "::"
_UNSAFE = re.compile(r"[^\w.-]+")
_GZIP_MAGIC = b"\x1f\x8b"


class OutputFolder:
    """A folder that files of one kind are written into.

    Args:
        folder: Made where it does not exist.
        what: What is written, to start a sentence with ("overlays").
        mark: Stands near the start of every such file, so that a later run may replace it and
            nothing else.

    Raises:
        TumorLensError: The folder cannot be made or written to.
    """

    def __init__(self, folder: str | os.PathLike[str], *, what: str, mark: str) -> None:
        self.folder = Path(folder)
        self._what, self._mark = what, mark.encode()
        self._taken: set[str] = set()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failed(error) from error

    def save(self, stem: str, suffix: str, write: Callable[[BinaryIO], None]) -> Path:
        """Write one file, whole or not at all.

        Args:
            stem: Its name, from `stem_of`; a number is added where it is taken.
            suffix: What its name ends with.
            write: Writes its bytes.

        Returns:
            Where it was written: ``<stem>[-number]<suffix>``.

        Raises:
            TumorLensError: It cannot be written.
        """
        temporary = self.folder / f".{secrets.token_hex(8)}.part"
        try:
            path = self._free_path(stem, suffix)
            with temporary.open("xb") as stream:
                write(stream)
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise self._failed(error) from error
        return path

    def _free_path(self, stem: str, suffix: str) -> Path:
        """The first name that is neither taken in this run nor another file's."""
        number = 1
        while True:
            name = f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}"
            path = self.folder / name
            # Some file systems do not tell upper from lower case.
            if name.casefold() not in self._taken and self._may_replace(path):
                self._taken.add(name.casefold())
                return path
            number += 1

    def _may_replace(self, path: Path) -> bool:
        """Whether nothing is there, or a file of an earlier run."""
        try:
            return self._mark in _first_bytes(path)
        except FileNotFoundError:
            return not path.is_symlink()
        except (OSError, EOFError, zlib.error):
            return False

    def _failed(self, error: OSError) -> TumorLensError:
        return TumorLensError(
            f"{self._what} cannot be written to {self.folder}: {error.strerror or error}. "
            "Name another folder."
        )


def stem_of(scan: ScanInfo) -> str:
    """A file name for a slice; slices of one file are told apart by their number, from 1."""
    stem = file_stem(scan.source)
    return f"{stem}-{scan.frame + 1:04d}" if scan.frame_count > 1 else stem


def file_stem(source: str) -> str:
    """A file name from the last part of an input's name, with nothing that leads elsewhere."""
    last = re.split(r"[/\\]", source.rsplit(_MEMBER, maxsplit=1)[-1])[-1]
    stem = _UNSAFE.sub("_", last.rsplit(".", 1)[0] if "." in last[1:] else last).strip("._-")
    # What the file system's encoding cannot write is left out of the name.
    encoding = sys.getfilesystemencoding()
    return stem.encode(encoding, "ignore").decode(encoding)[:LONGEST_STEM] or "scan"


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        head = stream.read(MARK_WITHIN)
    if not head.startswith(_GZIP_MAGIC):
        return head
    with gzip.open(path, "rb") as packed:
        return packed.read(MARK_WITHIN)
