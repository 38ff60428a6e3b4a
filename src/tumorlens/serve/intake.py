"""From received files to kept answers, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tumorlens.analysis import find
from tumorlens.scan import Source
from tumorlens.scan.sniff import is_zip
from tumorlens.serve.engine import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from tumorlens.analysis import Found
    from tumorlens.scan import Limits
    from tumorlens.serve.engine import Engine, Outcome
    from tumorlens.serve.keep import Sending
    from tumorlens.serve.upload import File

# How often a batch looks whether the queue has room again, where none of its own files wait.
LOOK_AGAIN_SECONDS = 0.02


@dataclass(slots=True, eq=False)
class _Pending:
    """A file that the engine has; what it gives comes through a queue, None at the end."""

    outcomes: asyncio.Queue[Outcome | BaseException | None] = field(default_factory=asyncio.Queue)

    async def all(self) -> AsyncIterator[Outcome]:
        while (outcome := await self.outcomes.get()) is not None:
            if isinstance(outcome, BaseException) and not _is_answer(outcome):
                raise outcome
            yield outcome  # type: ignore[misc]


async def answer(
    files: Sequence[File], sending: Sending, engine: Engine, *, limits: Limits, share: int
) -> AsyncIterator[Outcome]:
    """Answer files; results come in the order of the files, as soon as they are there.

    Args:
        files: As they were received; zips are opened, DICOM series come in slice order.
        sending: What is common to them.
        engine: What answers.
        limits: What one file may ask of this process.
        share: How many of them may wait in the engine at a time.

    Yields:
        Slices that are kept, and errors of files that cannot be answered.

    Raises:
        Refused: The engine took nothing; or it is being stopped.
        TumorLensError: The model or the history failed.
    """
    found = _found(files, limits)
    pending: deque[_Pending] = deque()
    upcoming = await _next(found)
    has_begun = False
    while upcoming is not None or pending:
        while upcoming is not None and len(pending) < share:
            try:
                pending.append(_submit(upcoming, sending, engine))
            except Refused:
                if not has_begun or not engine.is_open:
                    raise
                break
            has_begun = True
            upcoming = await _next(found)
        if not pending:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            continue
        async for outcome in pending.popleft().all():
            yield outcome


def _submit(found: Found, sending: Sending, engine: Engine) -> _Pending:
    loop = asyncio.get_running_loop()
    pending = _Pending()

    def tell(outcome: Outcome | BaseException | None) -> None:
        if not loop.is_closed():  # nobody waits any more
            loop.call_soon_threadsafe(pending.outcomes.put_nowait, outcome)

    done = engine.submit(found, sending, tell)
    done.add_done_callback(lambda future: tell(future.exception()))
    return pending


def _is_answer(outcome: BaseException) -> bool:
    from tumorlens.errors import ScanError

    return isinstance(outcome, ScanError)


def _found(files: Sequence[File], limits: Limits) -> Iterator[Found] | deque[Found]:
    """What there is to answer: looked for as it is asked for, or at hand already."""
    sources = [Source.from_bytes(one.name, one.data) for one in files]
    if len(files) == 1 and not is_zip(files[0].data):
        return deque(sources)
    return find(sources, limits=limits)


async def _next(found: Iterator[Found] | deque[Found]) -> Found | None:
    """The next file; looking for it may open a zip, and that not in the event loop."""
    if isinstance(found, deque):
        return found.popleft() if found else None
    return await asyncio.to_thread(next, found, None)
