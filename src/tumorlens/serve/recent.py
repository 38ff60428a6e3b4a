"""Slices that were just answered, in memory only: a bounded number of bytes for a bounded time.

A page shows pictures of what it has just sent; this is where it gets them from, and without a
history nothing else remembers the slice.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tumorlens.serve.keep import Kept

Key = tuple[str, str, str, str]
# Counted for each slice beside its pixels: the Finding and the bookkeeping.
OVERHEAD_BYTES = 8192


@dataclass(slots=True)
class _Entry:
    kept: Kept
    key: Key
    size: int
    until: float


class Recent:
    """A cache of the latest slices.

    Args:
        max_bytes: So much memory they may take together; the oldest go first.
        seconds: After so long a slice is forgotten.
        clock: Seconds that only ever rise.
    """

    def __init__(
        self, max_bytes: int, seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes, self._seconds, self._clock = max_bytes, seconds, clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._files: dict[Key, dict[int, str]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def put(self, kept: Kept, key: Key) -> Kept:
        """Remember a slice, and give it back; one that is remembered already is given instead.

        Args:
            kept: The slice.
            key: Equal for all slices of one file of one sender.
        """
        size = kept.picture.byte_count + OVERHEAD_BYTES
        frame = kept.picture.finding.scan.frame
        with self._lock:
            self._forget_old()
            known = self._files.get(key, {}).get(frame)
            if known is not None:
                return self._entries[known].kept
            if size > self._max_bytes:
                return kept
            self._entries[kept.id] = _Entry(kept, key, size, self._clock() + self._seconds)
            self._files.setdefault(key, {})[frame] = kept.id
            self._bytes += size
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._entries)))
        return kept

    def get(self, finding_id: str) -> Kept | None:
        """A slice, or None where it is not remembered."""
        with self._lock:
            self._forget_old()
            entry = self._entries.get(finding_id)
            return None if entry is None else entry.kept

    def known(self, key: Key) -> list[Kept]:
        """The slices of a file, in order; empty unless all of them are remembered."""
        with self._lock:
            self._forget_old()
            frames = self._files.get(key, {})
            found = [self._entries[frames[frame]].kept for frame in sorted(frames)]
        is_whole = bool(found) and len(found) == found[0].picture.finding.scan.frame_count
        return found if is_whole else []

    def delete(self, finding_id: str) -> bool:
        """Forget a slice; whether it was remembered."""
        with self._lock:
            if finding_id not in self._entries:
                return False
            self._drop(finding_id)
            return True

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._files.clear()
            self._bytes = 0

    @property
    def byte_count(self) -> int:
        """How much memory it takes now."""
        with self._lock:
            self._forget_old()
            return self._bytes

    def _forget_old(self) -> None:
        now = self._clock()
        # All live equally long, so the oldest are the first.
        while self._entries and (first := next(iter(self._entries.values()))).until <= now:
            self._drop(first.kept.id)

    def _drop(self, finding_id: str) -> None:
        entry = self._entries.pop(finding_id)
        self._bytes -= entry.size
        frames = self._files[entry.key]
        del frames[entry.kept.picture.finding.scan.frame]
        if not frames:
            del self._files[entry.key]
