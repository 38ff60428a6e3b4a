"""Work on many streams of items with several threads, in order, holding only a few at a time.

A stream is one input; its items are its slices, and asking for the next one decodes it. So the
decoding of different inputs runs at the same time, as does the work on slices of one volume.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

# Results that wait for an earlier, slower one, for each worker: enough that none stands idle.
WAITING_A_WORKER = 4


@dataclass(slots=True, eq=False)
class Stream(Generic[Item]):
    """Items that are made one after another when asked for.

    Attributes:
        items: The items.
        is_heavy: Whether it holds much memory while it is open; only one such is open at a time.
    """

    items: Iterator[Item]
    is_heavy: bool = False


@dataclass(slots=True, eq=False)
class _Opened(Generic[Item, Result]):
    """A stream in work: how far it has been asked and emitted, and what waits in between."""

    stream: Stream[Item]
    is_asked: bool = False
    is_ended: bool = False
    asked: int = 0
    emitted: int = 0
    waiting: dict[int, Result] = field(default_factory=dict)
    large: set[int] = field(default_factory=set)

    @property
    def is_finished(self) -> bool:
        return self.is_ended and self.emitted == self.asked


def never(_: object) -> bool:
    """No item is large."""
    return False


def in_order(
    streams: Iterable[Stream[Item]],
    work: Callable[[Item], Result],
    *,
    workers: int,
    is_large: Callable[[Item], bool] = never,
) -> Iterator[Result]:
    """Apply `work` to every item of every stream, and give the results in their order.

    Memory does not grow with the number of streams or items. An exception of a stream or of
    `work` is raised here, in place of the result, and ends the work.

    Args:
        streams: The inputs; taken lazily, from any of the threads but never from two at once.
        work: What is done with an item; called from several threads.
        workers: How many threads; with 1, all is done in the caller's.
        is_large: Whether an item, once made, takes so much memory that no further one should be
            made before its result is given.
    """
    if workers == 1:
        for stream in streams:
            yield from map(work, stream.items)
        return
    crew = _Crew(iter(streams), work, is_large, workers)
    try:
        yield from crew.results()
    finally:
        crew.stop()


class _Crew(Generic[Item, Result]):
    """Threads that share the streams.

    Every item that is being made, worked on or waiting holds one of `_room` places. A thread
    that gets a place always takes the earliest stream that it can, so the stream whose result is
    waited for never starves while later ones hold the places.
    """

    def __init__(
        self,
        streams: Iterator[Stream[Item]],
        work: Callable[[Item], Result],
        is_large: Callable[[Item], bool],
        workers: int,
    ) -> None:
        self._work = work
        self._is_large = is_large
        self._streams = streams
        self._next: Stream[Item] | None = None
        self._opened: deque[_Opened[Item, Result]] = deque()
        self._room = workers * WAITING_A_WORKER
        self._changed = threading.Condition()
        self._is_opening = False
        self._is_exhausted = False
        self._is_stopped = False
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, name=f"tumorlens-{index}", daemon=True)
            for index in range(workers)
        ]

    def results(self) -> Iterator[Result]:
        """The results in order."""
        for thread in self._threads:
            thread.start()
        while True:
            with self._changed:
                self._changed.wait_for(self._has_news)
                if self._failure is not None:
                    raise self._failure
                if not self._opened:
                    return
                head = self._opened[0]
                if head.is_finished:
                    self._opened.popleft()
                    self._changed.notify_all()
                    continue
                result = head.waiting.pop(head.emitted)
                head.large.discard(head.emitted)
                head.emitted += 1
                self._room += 1
                self._changed.notify_all()
            yield result
            del result  # it may be large, and the next one may take long

    def stop(self) -> None:
        """End the threads, each after the item that it has in hand."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _has_news(self) -> bool:
        if self._failure is not None:
            return True
        if not self._opened:
            return self._is_exhausted
        head = self._opened[0]
        return head.is_finished or head.emitted in head.waiting

    def _run(self) -> None:
        try:
            while (stream := self._claim()) is not None:
                self._advance(stream)
        except BaseException as error:  # noqa: BLE001  (raised again in the caller's thread)
            with self._changed:
                self._failure = self._failure or error
                self._is_stopped = True
                self._changed.notify_all()

    def _advance(self, stream: _Opened[Item, Result]) -> None:
        """Make the next item of a claimed stream, let others have the stream, and work on it."""
        items = list(_first(stream.stream.items))
        with self._changed:
            stream.is_asked = False
            stream.is_ended = not items
            position = stream.asked
            stream.asked += len(items)
            stream.large.update(position for item in items if self._is_large(item))
            self._room += not items
            self._changed.notify_all()
        for item in items:
            result = self._work(item)
            with self._changed:
                stream.waiting[position] = result
                self._changed.notify_all()

    def _claim(self) -> _Opened[Item, Result] | None:
        """Wait for a place and a stream; None when there is nothing left to do."""
        while True:
            with self._changed:
                self._changed.wait_for(self._can_claim)
                if self._is_stopped or self._is_done():
                    return None
                self._room -= 1
                if (free := self._free()) is not None:
                    free.is_asked = True
                    return free
                self._is_opening = True
            # Finding the next input may read a folder: that must not hold up the others.
            upcoming = self._next or next(self._streams, None)
            with self._changed:
                self._is_opening = False
                self._next = upcoming
                self._is_exhausted = upcoming is None
                self._changed.notify_all()
                if upcoming is None or not self._may_open(upcoming):
                    self._room += 1
                    continue
                self._next = None
                opened: _Opened[Item, Result] = _Opened(upcoming, is_asked=True)
                self._opened.append(opened)
                return opened

    def _can_claim(self) -> bool:
        if self._is_stopped or self._is_done():
            return True
        if self._room == 0 or self._must_wait_for_large():
            return False
        if self._free() is not None:
            return True
        if self._is_opening or self._is_exhausted:
            return False
        return self._next is None or self._may_open(self._next)

    def _must_wait_for_large(self) -> bool:
        """Whether a large item must be given first; not if it waits for the earliest stream."""
        if not any(one.large for one in self._opened):
            return False
        head = self._opened[0]
        return head.is_ended or head.is_asked or head.asked > head.emitted

    def _free(self) -> _Opened[Item, Result] | None:
        open_ones = (one for one in self._opened if not one.is_asked and not one.is_ended)
        return next(open_ones, None)

    def _may_open(self, stream: Stream[Item]) -> bool:
        others = (one for one in self._opened if not one.is_ended)
        return not (stream.is_heavy and any(one.stream.is_heavy for one in others))

    def _is_done(self) -> bool:
        return self._is_exhausted and all(one.is_ended for one in self._opened)


def _first(items: Iterator[Item]) -> Iterator[Item]:
    """The next item, or nothing at the end; an item may be None."""
    for item in items:
        yield item
        return
