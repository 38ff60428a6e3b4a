"""How many frames a GIF has, without decoding any of them."""

from __future__ import annotations

from enum import IntEnum

_SCREEN_DESCRIPTOR = slice(6, 13)
_FLAGS = 4  # of the screen descriptor
_IMAGE_FLAGS = 9  # from the separator
_HAS_TABLE, _TABLE_SIZE = 0x80, 0x07


class _Block(IntEnum):
    """What the first byte of a block says that it is."""

    IMAGE = 0x2C
    EXTENSION = 0x21


def gif_frame_count(data: bytes) -> int:
    """Count the image descriptors of a GIF (GIF89a, sections 20 and 24).

    Pillow sets up every frame to count them, which takes minutes for millions of empty ones.

    Args:
        data: The file; where it is cut off or damaged, the frames before that are counted.
    """
    screen = data[_SCREEN_DESCRIPTOR]
    offset = _SCREEN_DESCRIPTOR.stop + _table_bytes(screen[_FLAGS : _FLAGS + 1])
    count = 0
    while offset < len(data):
        match data[offset]:
            case _Block.IMAGE:
                count += 1
                flags = data[offset + _IMAGE_FLAGS : offset + _IMAGE_FLAGS + 1]
                offset += _IMAGE_FLAGS + 1 + _table_bytes(flags) + 1  # and the code size
            case _Block.EXTENSION:
                offset += 2
            case _:
                break
        offset = _after_blocks(data, offset)
    return count


def _table_bytes(flags: bytes) -> int:
    if not flags or not flags[0] & _HAS_TABLE:
        return 0
    return 3 << ((flags[0] & _TABLE_SIZE) + 1)


def _after_blocks(data: bytes, offset: int) -> int:
    while offset < len(data) and data[offset]:
        offset += data[offset] + 1
    return offset + 1
