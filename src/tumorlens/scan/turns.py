"""Taking turns: very large slices are decoded one at a time, whatever number of threads reads.

A limit on pixels bounds the memory of one input; without turns, it would be multiplied by the
number of threads, since a small file can hold a very large slice.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Slices of MRI have at most a quarter of these pixels, and never wait.
LARGE_PIXELS = 2**22

_turn = Lock()


@contextmanager
def decoding_turn(pixels: int) -> Iterator[None]:
    """Wait until no other slice as large as this one is being decoded; small ones never wait."""
    if pixels <= LARGE_PIXELS:
        yield
        return
    with _turn:
        yield
