"""Zip archives: their members as Sources, with bombs, encryption and nesting refused by name."""

from __future__ import annotations

import struct
import sys
import weakref
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from tumorlens.errors import ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.scan.limits import RATIO_FLOOR_BYTES, Limits, readable_size
from tumorlens.scan.source import Source, named_errors, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tumorlens.errors import ScanError

MEMBER_SEPARATOR = "::"

# The directory of an archive is read in one piece: this much for each member that is allowed is
# room for long names, and keeps a directory of millions of empty members out of memory.
_DIRECTORY_BYTES_PER_MEMBER = 400

_ENCRYPTED_FLAG = 0x1

# Of the methods of a zip, these need little memory; LZMA asks for as much as the file says.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class Archive:
    """One open zip; its members can be read from several threads.

    Args:
        source: The archive.
        limits: What may be read of it.

    Raises:
        UnreadableScan: It is not a whole zip.
        ScanTooLarge: It has more members, or more bytes inflated, than the limits allow.
    """

    def __init__(self, source: Source, limits: Limits) -> None:
        self.name = source.name
        self._limits = limits
        with named_errors(self.name):
            stream = source.origin.open()
            weakref.finalize(self, stream.close)
            self._zip = self._open(stream)
        self._check_whole()

    def members(self) -> Iterator[Source]:
        """The files in it, in the order of its directory."""
        for info in self._files():
            name = f"{self.name}{MEMBER_SEPARATOR}{printable(info.filename)}"
            yield Source(name, _Member(name, self, info))

    def is_encrypted(self) -> bool:
        """Whether every file in it is encrypted."""
        files = self._files()
        return bool(files) and all(info.flag_bits & _ENCRYPTED_FLAG for info in files)

    def open(self, name: str, info: zipfile.ZipInfo) -> BinaryIO:
        """A file over one member, inflated as it is read.

        Raises:
            ScanError: It is encrypted, a bomb, or packed in a way that is not read here.
        """
        self._check_member(name, info)
        return cast("BinaryIO", self._zip.open(info))

    def _files(self) -> list[zipfile.ZipInfo]:
        infos = self._zip.infolist()
        return [info for info in infos if info.filename and not info.is_dir()]

    def _open(self, stream: BinaryIO) -> zipfile.ZipFile:
        limit = _DIRECTORY_BYTES_PER_MEMBER * self._limits.max_zip_members
        bounded = _BoundedReads(stream, limit)
        try:
            archive = zipfile.ZipFile(cast("BinaryIO", bounded))
        except _ReadTooLong as error:
            raise self._too_many_members() from error
        except struct.error as error:
            raise UnreadableScan(
                self.name, f"the zip is damaged ({error})", "Get the file again"
            ) from error
        except NotImplementedError as error:
            raise UnsupportedScan(self.name, f"a zip of a kind not read here ({error})") from error
        bounded.limit = sys.maxsize  # members are read in small pieces
        return archive

    def _check_whole(self) -> None:
        infos = self._zip.infolist()
        if len(infos) > self._limits.max_zip_members:
            raise self._too_many_members()
        total = sum(info.file_size for info in infos)
        if total > self._limits.max_total_bytes:
            raise ScanTooLarge(
                self.name,
                f"the zip holds {readable_size(total)}, over the limit of "
                f"{readable_size(self._limits.max_total_bytes)}",
                "Unpack it and name the folder, or raise max_total_bytes",
            )

    def _too_many_members(self) -> ScanTooLarge:
        return ScanTooLarge(
            self.name,
            f"the zip holds more than {self._limits.max_zip_members} files",
            "Unpack it and name the folder, or raise max_zip_members",
        )

    def _check_member(self, name: str, info: zipfile.ZipInfo) -> None:
        if info.flag_bits & _ENCRYPTED_FLAG:
            raise encrypted(name)
        if info.compress_type not in _METHODS:
            raise UnsupportedScan(
                name,
                f"it is packed by zip method {info.compress_type}",
                "Pack it again with the usual method (deflate)",
            )
        ratio = info.file_size / max(info.compress_size, 1)
        if info.file_size > RATIO_FLOOR_BYTES and ratio > self._limits.max_zip_ratio:
            raise ScanTooLarge(
                name,
                f"it inflates {ratio:.0f} times, to {readable_size(info.file_size)}, as a zip bomb "
                "does",
                "Unpack it first, or raise max_zip_ratio, if you know where it comes from",
            )


def encrypted(name: str) -> ScanError:
    """The error for an archive, or a member, that needs a password."""
    return UnsupportedScan(name, "it is encrypted", "Unpack it with its password first")


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    archive: Archive
    info: zipfile.ZipInfo

    def open(self) -> BinaryIO:
        return self.archive.open(self.name, self.info)

    def size(self) -> int:
        return self.info.file_size


class _ReadTooLong(Exception):
    """A single read asked for more than the directory of an archive may take."""


class _BoundedReads:
    """A file that refuses to read more than `limit` bytes in one piece."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self.limit = limit
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, count: int = -1) -> bytes:
        """At most the limit in one piece."""
        if count > self.limit:
            raise _ReadTooLong
        return self._stream.read(count)
