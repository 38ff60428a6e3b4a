"""Where bytes come from: a file, a member of a zip, or memory, each behind one `Source`."""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from tumorlens.errors import ScanError, ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.scan.limits import Limits, readable_size
from tumorlens.scan.sniff import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator


_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")


class Origin(Protocol):
    """Something whose bytes can be read again and again, from any thread."""

    def open(self) -> BinaryIO:
        """A binary file over the bytes, at their start."""

    def size(self) -> int:
        """How many bytes there are."""


@dataclass(frozen=True, slots=True)
class Source:
    """One input: a name, and a way to its bytes. May be read from several threads.

    Attributes:
        name: The input as the user named it; a member of a zip is ``archive.zip::member``.
        origin: Where the bytes lie.
    """

    name: str
    origin: Origin

    @classmethod
    def from_path(cls, path: str | os.PathLike[str]) -> Source:
        """A Source of one file; nothing is opened until it is read."""
        return cls(printable(os.fspath(path)), _File(os.fspath(path)))

    @classmethod
    def from_bytes(cls, name: str, data: bytes) -> Source:
        """A Source of bytes that are in memory already, such as an upload."""
        return cls(name, _Memory(data))

    def read_bytes(self, limits: Limits | None = None) -> bytes:
        """All bytes of the input.

        Raises:
            UnreadableScan: It is gone, not permitted, damaged or empty.
            UnsupportedScan: It is a folder, a device, or encrypted.
            ScanTooLarge: It is larger than ``limits.max_file_bytes``.
        """
        limit = (limits or Limits()).max_file_bytes
        with named_errors(self.name):
            size = self.origin.size()
            if size > limit:
                raise ScanTooLarge(
                    self.name,
                    f"{readable_size(size)} is over the limit of {readable_size(limit)} a file",
                    "Raise max_file_bytes if this is one scan",
                )
            with self.origin.open() as stream:
                data = stream.read(size)
        if not data:
            raise UnreadableScan(self.name, "the file is empty", "Get the file again")
        return data

    def read_head(self, count: int = HEAD_BYTES) -> bytes:
        """The first bytes of the input: `count`, or all where it is shorter.

        Raises:
            ScanError: As `read_bytes`.
        """
        with named_errors(self.name), self.origin.open() as stream:
            return stream.read(count)


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Turn what reading a file or an archive can raise into a ScanError of that name."""
    try:
        yield
    except OSError as error:
        raise _from_os_error(name, error) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise UnreadableScan(
            name, f"it is damaged ({printable(str(error))})", "Get the file again"
        ) from error
    except MemoryError as error:
        raise ScanTooLarge(name, "there is not enough memory to read it") from error


def printable(name: str) -> str:
    """The name of a file as text that every output can carry, whatever bytes it has on disk.

    Bytes that are no UTF-8, and control characters, which a terminal would obey, are replaced.
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def _from_os_error(name: str, error: OSError) -> ScanError:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return UnreadableScan(name, "no such file or folder", "Check the path")
        case PermissionError():
            return UnreadableScan(name, "no permission to read it", "Change its permissions")
        case IsADirectoryError():
            return UnsupportedScan(name, "it is a folder", "Name the files in it, or discover it")
        case _:
            return UnreadableScan(name, f"it cannot be read ({error.strerror or error})")


@dataclass(frozen=True, slots=True)
class _Memory:
    data: bytes

    def open(self) -> BinaryIO:
        return BytesIO(self.data)

    def size(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class _File:
    path: str

    def open(self) -> BinaryIO:
        mode = Path(self.path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError
        if not stat.S_ISREG(mode):  # a pipe would block for ever, and a device never ends
            raise UnsupportedScan(printable(self.path), "it is not a regular file")
        return Path(self.path).open("rb")

    def size(self) -> int:
        return Path(self.path).stat().st_size
