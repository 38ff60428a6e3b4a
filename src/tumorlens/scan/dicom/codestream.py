"""What a compressed frame says of its own size, read before a decoder believes it.

A decoder allocates what the codestream asks for, which need not be what the DICOM header says.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_J2K_START = b"\xff\x4f\xff\x51"  # SOC, SIZ (ISO/IEC 15444-1, annex A)
_J2K_SIZE = struct.Struct(">8IHB")  # right, bottom, left, top, those of a tile, components, depth
_J2K_SIZE_OFFSET = len(_J2K_START) + 4  # after Lsiz and Rsiz

_JPEG_START = b"\xff\xd8"
# Start-of-frame markers: all of C0 to CF but the tables DHT, JPG and DAC, and F7 of JPEG-LS.
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_JPEG_SCAN = 0xDA
_JPEG_FILL = 0xFF
_JPEG_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})


class CodedSize(NamedTuple):
    """What the header of a compressed frame says."""

    rows: int
    columns: int
    components: int
    precision: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and components."""
        return self.rows, self.columns, self.components


def jpeg2000_size(frame: bytes) -> CodedSize:
    """The size in a JPEG 2000 codestream, bare or in a JP2 file.

    Raises:
        ValueError: There is no codestream.
    """
    start = frame.find(_J2K_START)
    if start < 0:
        msg = "no JPEG 2000 codestream"
        raise ValueError(msg)
    right, bottom, left, top, *_, components, depth = _J2K_SIZE.unpack_from(
        frame, start + _J2K_SIZE_OFFSET
    )
    return CodedSize(bottom - top, right - left, components, (depth & 0x7F) + 1)


def jpeg_size(frame: bytes) -> CodedSize:
    """The size in a JPEG or JPEG-LS codestream (ISO/IEC 10918-1 B.2.2, 14495-1 C.2.2).

    Raises:
        ValueError: There is no start of a frame before the first scan.
    """
    offset = len(_JPEG_START)
    while frame.startswith(_JPEG_START) and offset + 4 <= len(frame):
        if frame[offset] != _JPEG_FILL:
            break
        marker = frame[offset + 1]
        if marker == _JPEG_FILL:
            offset += 1
            continue
        if marker in _JPEG_STANDALONE:
            offset += 2
            continue
        if marker in _JPEG_FRAMES:
            depth, rows, columns, components = struct.unpack_from(">BHHB", frame, offset + 4)
            return CodedSize(rows, columns, components, depth)
        if marker == _JPEG_SCAN:
            break
        offset += 2 + int.from_bytes(frame[offset + 2 : offset + 4], "big")
    msg = "no JPEG frame header"
    raise ValueError(msg)
