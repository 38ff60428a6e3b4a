"""Bytes become a pydicom Dataset, with and without the preamble, deflated or not."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from tumorlens.errors import ScanTooLarge, UnreadableScan
from tumorlens.scan.damage import named_damage
from tumorlens.scan.limits import readable_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import FileDataset

    from tumorlens.scan.limits import Limits

_PREAMBLE = 128
_PREFIX = b"DICM"
_META_GROUP = 0x0002
_TRANSFER_SYNTAX = (0x0002, 0x0010)
_LONG_VRS = frozenset({b"OB", b"OW", b"OF", b"SQ", b"UN", b"UT"})
_HEADER_BYTES = 1024 * 1024
"""Enough of a file for its header up to the pixels, but for very long private elements."""


def parse(name: str, data: bytes, limits: Limits) -> FileDataset:
    """Read a whole DICOM object.

    Raises:
        UnreadableScan: The bytes are no DICOM dataset.
        ScanTooLarge: A deflated dataset inflates beyond the limit.
    """
    with named_damage(name, "the DICOM data"):
        data = _inflated(name, data, limits)
        dataset = dcmread(BytesIO(data), force=True)
    if len(dataset) == 0:
        raise UnreadableScan(name, "the DICOM data hold nothing", "Get the file again")
    return dataset


def parse_header(
    name: str, stream: BinaryIO, keywords: Sequence[str], limits: Limits
) -> FileDataset:
    """Read some elements of a DICOM object, and nothing from its pixels on.

    Raises:
        UnreadableScan: The bytes are no DICOM dataset.
        ScanTooLarge: A deflated dataset inflates beyond the limit.
    """
    with named_damage(name, "the DICOM data"):
        data = stream.read(_HEADER_BYTES)
        if _is_deflated(data):
            data = _inflated(name, data + stream.read(limits.max_file_bytes), limits)
        return dcmread(
            BytesIO(data), force=True, stop_before_pixels=True, specific_tags=list(keywords)
        )


def _is_deflated(data: bytes) -> bool:
    return _meta(data)[1] == DeflatedExplicitVRLittleEndian


def _inflated(name: str, data: bytes, limits: Limits) -> bytes:
    """The same object with its dataset inflated; pydicom would inflate it without any limit."""
    end, syntax = _meta(data)
    if syntax != DeflatedExplicitVRLittleEndian:
        return data
    limit = limits.max_volume_bytes
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    dataset = inflater.decompress(memoryview(data)[end:], limit + 1)
    if len(dataset) > limit:
        raise ScanTooLarge(
            name,
            f"its dataset inflates beyond the limit of {readable_size(limit)}",
            "Raise max_volume_bytes if you know where it comes from",
        )
    uid = ExplicitVRLittleEndian.encode() + b"\0"
    element = struct.pack("<HH2sH", *_TRANSFER_SYNTAX, b"UI", len(uid)) + uid
    return b"".join((bytes(_PREAMBLE), _PREFIX, element, dataset))


def _meta(data: bytes) -> tuple[int, str | None]:
    """Where the file meta information ends, and the transfer syntax that it names (PS3.10 7.1)."""
    offset = _PREAMBLE + len(_PREFIX) if data[_PREAMBLE:][: len(_PREFIX)] == _PREFIX else 0
    syntax = None
    while offset + 8 <= len(data):
        group, element, vr, length = struct.unpack_from("<HH2sH", data, offset)
        if group != _META_GROUP:
            break
        start = offset + 8
        if vr in _LONG_VRS:
            if start + 4 > len(data):
                break
            (length,) = struct.unpack_from("<I", data, start)
            start += 4
        if (group, element) == _TRANSFER_SYNTAX:
            syntax = data[start : start + length].rstrip(b"\0 ").decode("ascii", "replace")
        offset = start + length
    return offset, syntax
