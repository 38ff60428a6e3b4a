"""Lossless JPEG of one component (ISO/IEC 10918-1, annex H), as DICOM uses it for MR.

It is the commonest compression of clinical archives, and the libraries that decode it are either
under the GPL or very large; this decoder needs NumPy only. A 512 x 512 slice takes about a tenth
of a second.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Values = NDArray[np.int64]
    Words = NDArray[np.uint16]


class _Predictor(IntEnum):
    """How a sample is guessed from those left of it, above it and above left (table H.1)."""

    LEFT = 1
    ABOVE = 2
    ABOVE_LEFT = 3
    PLANE = 4
    LEFT_AND_HALF_SLOPE = 5
    ABOVE_AND_HALF_SLOPE = 6
    MEAN = 7


_FILL = 0xFF
_SOF3, _DHT, _SOS, _DRI, _EOI = 0xC3, 0xC4, 0xDA, 0xDD, 0xD9
_RESTARTS = re.compile(rb"\xff[\xd0-\xd7]")
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_LONGEST_CODE = 16
_DEEPEST_CATEGORY = 16  # the difference 32768, which has no further bits
_BLOCK_BYTES = 64 * 1024
"""So much of the codestream is looked up at once: it bounds the memory beside the picture."""

_LEAST_PRECISION, _MOST_PRECISION = 2, 16
_MODULUS = 0xFFFF
_LOOKAHEAD = 8  # bytes that a code and its value can reach beyond where they start


@dataclass(frozen=True, slots=True, eq=False)
class _Codes:
    """For each 16 bits that can follow: length of the code, and the category that it stands for."""

    length: NDArray[np.uint8]
    category: NDArray[np.uint8]

    @property
    def steps(self) -> NDArray[np.uint8]:
        """How many bits code and value take together; 0 where no code fits."""
        extra = np.where(self.category < _DEEPEST_CATEGORY, self.category, 0)
        return np.where(self.length > 0, self.length + extra, 0).astype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class _Stream:
    """What the markers of a codestream say, and its entropy-coded bytes."""

    rows: int
    columns: int
    precision: int
    predictor: _Predictor
    point_transform: int
    restart_interval: int
    codes: _Codes
    coded: bytes


def decode_lossless(frame: bytes) -> NDArray[np.uint16]:
    """Decode one frame.

    Args:
        frame: A whole codestream, from SOI to EOI.

    Returns:
        (rows, columns); bit patterns, so that signed values still need their sign.

    Raises:
        ValueError: The codestream is not lossless JPEG of one component, or is damaged.
        IndexError: It is cut off.
        struct.error: A marker segment is cut off.
    """
    stream = _parse(frame)
    initial = 1 << (stream.precision - stream.point_transform - 1)
    picture = np.empty((stream.rows, stream.columns), dtype=np.uint16)
    row = 0
    for segment in _RESTARTS.split(stream.coded):
        if row >= stream.rows:
            break
        rows = stream.rows - row
        if stream.restart_interval:
            rows = min(rows, stream.restart_interval // stream.columns)
        differences = _differences(segment, stream.codes, rows * stream.columns)
        block = differences.reshape(rows, stream.columns)
        picture[row : row + rows] = _predicted(block, stream.predictor, initial)
        row += rows
    if row < stream.rows:
        msg = f"lossless JPEG of {stream.rows} rows ends after {row}"
        raise ValueError(msg)
    picture <<= np.uint16(stream.point_transform)
    return picture


def _parse(frame: bytes) -> _Stream:
    tables: dict[int, _Codes] = {}
    size: tuple[int, int, int] | None = None
    restart_interval = 0
    for marker, body, end in _segments(frame):
        if marker == _SOF3:
            precision, rows, columns, components = struct.unpack_from(">BHHB", body)
            if components != 1:
                msg = f"lossless JPEG of {components} components"
                raise ValueError(msg)
            size = rows, columns, precision
        elif marker == _DHT:
            tables.update(_tables(body))
        elif marker == _DRI:
            (restart_interval,) = struct.unpack_from(">H", body)
        elif marker == _SOS:
            if size is None:
                break
            _, _, table, predictor, _, transform = struct.unpack_from(">6B", body)
            return _checked(
                _Stream(
                    *size,
                    predictor=_Predictor(predictor),
                    point_transform=transform & 0x0F,
                    restart_interval=restart_interval,
                    codes=tables[table >> 4],
                    coded=_entropy_coded(frame, end),
                )
            )
    msg = "no lossless JPEG frame and scan"
    raise ValueError(msg)


def _checked(stream: _Stream) -> _Stream:
    interval = stream.restart_interval
    sound = (
        _LEAST_PRECISION <= stream.precision <= _MOST_PRECISION
        and stream.point_transform < stream.precision
        and stream.rows > 0
        and stream.columns > 0
        and interval % max(stream.columns, 1) == 0
    )
    if not sound:
        msg = "a lossless JPEG header with impossible values"
        raise ValueError(msg)
    return stream


def _segments(frame: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker segments: the marker, its body, and where it ends."""
    offset = 2
    while offset + 4 <= len(frame):
        if frame[offset] != _FILL:
            msg = f"no marker at byte {offset} of a lossless JPEG"
            raise ValueError(msg)
        marker = frame[offset + 1]
        if marker == _FILL:
            offset += 1
            continue
        length = int.from_bytes(frame[offset + 2 : offset + 4], "big")
        end = offset + 2 + length
        yield marker, frame[offset + 4 : end], end
        if marker == _EOI or not length:
            return
        offset = end


def _entropy_coded(frame: bytes, start: int) -> bytes:
    stop = _NEXT_MARKER.search(frame, start)
    return frame[start : stop.start() if stop else len(frame)]


def _tables(body: bytes) -> Iterator[tuple[int, _Codes]]:
    """The Huffman tables of a DHT segment, ready for look-up by the next 16 bits."""
    offset = 0
    while offset < len(body):
        number = body[offset] & 0x0F
        counts = body[offset + 1 : offset + 1 + _LONGEST_CODE]
        values = body[offset + 17 : offset + 17 + sum(counts)]
        if len(counts) < _LONGEST_CODE or len(values) < sum(counts):
            msg = "a Huffman table that is cut off"
            raise ValueError(msg)
        yield number, _codes(counts, values)
        offset += 17 + sum(counts)


def _codes(counts: bytes, values: bytes) -> _Codes:
    length = np.zeros(1 << _LONGEST_CODE, dtype=np.uint8)
    category = np.zeros(1 << _LONGEST_CODE, dtype=np.uint8)
    if max(values, default=0) > _DEEPEST_CATEGORY:
        msg = "a Huffman table of something other than lossless JPEG"
        raise ValueError(msg)
    start = used = 0
    for bits, count in enumerate(counts, start=1):
        for symbol in values[used : used + count]:
            end = start + (1 << (_LONGEST_CODE - bits))
            length[start:end], category[start:end] = bits, symbol
            start = end
        used += count
    if start > 1 << _LONGEST_CODE:
        msg = "a Huffman table with more codes than there can be"
        raise ValueError(msg)
    return _Codes(length, category)


def _differences(segment: bytes, codes: _Codes, count: int) -> Words:
    """Decode `count` differences, mod 2^16: for each a code for its category, then its bits.

    Every bit position is looked up as if a code started there, which NumPy does at once; only
    following the chain from one code to the next is left to a loop.
    """
    coded = np.frombuffer(segment.replace(b"\xff\x00", b"\xff") + bytes(_LOOKAHEAD), dtype=np.uint8)
    steps = codes.steps
    found = np.empty(count, dtype=np.uint16)
    done = position = 0
    while done < count:
        first = position >> 3
        block = coded[first : first + _BLOCK_BYTES + _LOOKAHEAD]
        if len(block) <= _LOOKAHEAD:
            msg = f"cut off after {done} of {count} values"
            raise ValueError(msg)
        windows = _windows(block)
        places = _chain(steps[windows].tobytes(), position & 7, count - done)
        found[done : done + len(places)] = _values(block, windows, places, codes) & _MODULUS
        done += len(places)
        position = (first << 3) + int(places[-1]) + int(steps[windows[places[-1]]])
    return found


def _windows(block: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """The 16 bits from each bit position on, but for the last eight bytes."""
    wide = block.astype(np.uint32)
    words = ((wide[:-8] << 16) | (wide[1:-7] << 8) | wide[2:-6])[:, None]
    return ((words >> np.arange(8, 0, -1, dtype=np.uint32)) & 0xFFFF).astype(np.uint16).ravel()


def _chain(steps: bytes, start: int, count: int) -> NDArray[np.intp]:
    """The bit positions at which codes start, as far as the steps reach."""
    places: list[int] = []
    place, end = start, len(steps)
    while place < end and len(places) < count:
        step = steps[place]
        if not step:
            msg = "bits that are no Huffman code"
            raise ValueError(msg)
        places.append(place)
        place += step
    return np.array(places, dtype=np.intp)


def _values(
    block: NDArray[np.uint8], windows: NDArray[np.uint16], places: NDArray[np.intp], codes: _Codes
) -> Values:
    """The differences whose codes start at these bit positions (table H.2)."""
    at = windows[places]
    category = codes.category[at].astype(np.int64)
    start = places + codes.length[at]
    byte = start >> 3
    words = np.zeros(len(places), dtype=np.int64)
    for step in range(4):
        words = (words << 8) | block[byte + step]
    bits = np.where(category < _DEEPEST_CATEGORY, category, 0)
    extra = ((words << (start & 7)) & 0xFFFFFFFF) >> (32 - bits)
    half = (1 << bits) >> 1
    value = np.where(extra < half, extra - (1 << bits) + 1, extra)
    return np.where(category < _DEEPEST_CATEGORY, value, 1 << 15)


def _predicted(differences: Words, predictor: _Predictor, initial: int) -> Words:
    """Add each difference to its prediction from the neighbours before it (table H.1), mod 2^16.

    The first row is predicted from the left, the first column from above, whatever the predictor.
    """
    differences[0, :1] += np.uint16(initial)  # as an array, which wraps without a warning
    if predictor is _Predictor.LEFT:
        differences[:, 0] = _running_sum(differences[:, 0])
        return _running_sum(differences)
    picture = np.empty_like(differences)
    picture[0] = _running_sum(differences[0])
    for row in range(1, len(picture)):
        picture[row] = _predicted_row(picture[row - 1], differences[row], predictor)
    return picture


def _running_sum(values: Words) -> Words:
    return np.cumsum(values, axis=-1, dtype=np.uint16)  # which wraps, as the standard wants


def _predicted_row(above: Words, change: Words, predictor: _Predictor) -> Words:
    if predictor is _Predictor.ABOVE:
        return above + change
    if predictor is _Predictor.ABOVE_LEFT:
        return np.concatenate((above[:1], above[:-1])) + change
    if predictor is _Predictor.PLANE:
        return above + _running_sum(change)
    if predictor is _Predictor.LEFT_AND_HALF_SLOPE:
        heights = above.astype(np.int32)
        guess = np.empty_like(heights)
        guess[0], guess[1:] = heights[0], (heights[1:] - heights[:-1]) >> 1
        return _running_sum(change + guess.astype(np.uint16))
    return _predicted_one_by_one(above.tolist(), change.tolist(), predictor)


def _predicted_one_by_one(above: list[int], change: list[int], predictor: _Predictor) -> Words:
    """Predictors 6 and 7 halve what the pixel before came to, so that each waits for it."""
    is_mean = predictor is _Predictor.MEAN
    left = (above[0] + change[0]) & _MODULUS
    row = [left]
    for (corner, top), difference in zip(pairwise(above), change[1:], strict=True):
        guess = (left + top) >> 1 if is_mean else top + ((left - corner) >> 1)
        left = (guess + difference) & _MODULUS
        row.append(left)
    return np.array(row, dtype=np.uint16)
