"""The bounded queue in front of the model, and the threads that work it off.

The unit of work is one file. A file that would wait behind too many others is refused at once, so
that a caller learns it while it can still do something else; what was taken is always finished,
also while the service is being stopped.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tumorlens.analysis import HEAVY_BYTES, answer_found
from tumorlens.errors import ScanError, TumorLensError
from tumorlens.scan import Plane, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tumorlens.analysis import Answer, Found
    from tumorlens.model.run import Model
    from tumorlens.scan import Limits
    from tumorlens.serve.keep import Keeper, Kept, Sending

    Outcome = Kept | ScanError
    Take = Callable[[Outcome], None]

# Slices of a volume that are written to the history together: enough that the disk does not slow
# the answers, and few enough that they come as a stream.
KEPT_AT_ONCE = 16
# What is told of the wait before anything was measured.
FIRST_GUESS_SECONDS = 0.1
# How much the latest file counts in the mean time a file takes.
LATEST_SHARE = 0.1


class Refused(TumorLensError):
    """The engine does not take a file now.

    Args:
        why: As a sentence.
        retry_after: After how many seconds it may.
    """

    def __init__(self, why: str, retry_after: int) -> None:
        self.why = why
        self.retry_after = retry_after
        super().__init__(why)


@dataclass(slots=True, eq=False)
class _Job:
    found: Found
    sending: Sending
    take: Take
    is_heavy: bool
    done: Future[None] = field(default_factory=Future)


class Engine:
    """Answers files with one model, a few at a time.

    Args:
        model: What answers.
        keeper: Where answers go.
        limits: What one file may ask of this process.
        workers: How many files are worked on at a time.
        queue_size: How many may wait.
    """

    def __init__(
        self, model: Model, keeper: Keeper, *, limits: Limits, workers: int, queue_size: int
    ) -> None:
        self.model = model
        self._keeper, self._limits = keeper, limits
        self._workers, self._queue_size = workers, queue_size
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._running = 0
        self._heavy_running = False
        self._is_closed = False
        self._seconds = FIRST_GUESS_SECONDS
        self._threads = [
            threading.Thread(target=self._work, name=f"engine-{index}", daemon=True)
            for index in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, found: Found, sending: Sending, take: Take) -> Future[None]:
        """Queue one file.

        Args:
            found: The file, or why there is none, as `tumorlens.analysis.find` gives it.
            sending: What is common to the files of its request.
            take: Called for each slice that is kept, and each error, in order, from a thread of
                the engine.

        Returns:
            Done after the last call of `take`; fails where the model or the history does.

        Raises:
            Refused: The queue is full, or the service is being stopped.
        """
        job = _Job(found, sending, take, _is_heavy(found))
        with self._changed:
            if self._is_closed:
                why = "the service is being stopped"
                raise Refused(why, math.ceil(self._wait_seconds()))
            if len(self._waiting) >= self._queue_size:
                why = f"{len(self._waiting)} files are waiting already"
                raise Refused(why, math.ceil(self._wait_seconds()))
            self._waiting.append(job)
            self._changed.notify()
        return job.done

    @property
    def waiting(self) -> int:
        """How many files wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many files are worked on."""
        return self._running

    @property
    def is_open(self) -> bool:
        """Whether it takes files at all."""
        return not self._is_closed

    @property
    def takes_more(self) -> bool:
        """Whether a file would be taken now."""
        return not self._is_closed and len(self._waiting) < self._queue_size

    def close(self, timeout: float | None = None) -> None:
        """Take no more, and finish what was taken.

        Args:
            timeout: So many seconds are waited for it; None for as long as it takes.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        end = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if end is None else max(0.0, end - time.monotonic()))

    def _wait_seconds(self) -> float:
        return max(1.0, self._seconds * (len(self._waiting) + self._running) / self._workers)

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            start = time.perf_counter()
            try:
                self._answer(job)
            except BaseException as error:  # noqa: BLE001  (told to whoever waits for the file)
                job.done.set_exception(error)
            else:
                job.done.set_result(None)
            with self._changed:
                self._running -= 1
                self._heavy_running = self._heavy_running and not job.is_heavy
                spent = time.perf_counter() - start
                self._seconds += LATEST_SHARE * (spent - self._seconds)
                self._changed.notify_all()

    def _next_job(self) -> _Job | None:
        """The earliest file that may be worked on now; None when all is done and closed."""
        with self._changed:
            while True:
                job = self._startable()
                if job is not None:
                    self._waiting.remove(job)
                    self._running += 1
                    self._heavy_running = self._heavy_running or job.is_heavy
                    return job
                if self._is_closed and not self._waiting:
                    return None
                self._changed.wait()

    def _startable(self) -> _Job | None:
        """Files that take much memory are worked on one after another."""
        free = (job for job in self._waiting if not (job.is_heavy and self._heavy_running))
        return next(free, None)

    def _answer(self, job: _Job) -> None:
        found = job.found
        if isinstance(found, Source):
            try:
                data = found.read_bytes(self._limits)
            except ScanError as error:
                job.take(error)
                return
            known = self._keeper.known(hashlib.sha256(data).hexdigest(), found.name, job.sending)
            for kept in known:
                job.take(kept)
            if known:
                return
            found = Source.from_bytes(found.name, data)
        answers = answer_found(
            [found],
            model=self.model,
            limits=self._limits,
            plane=Plane(job.sending.plane),
            workers=1,
        )
        created = datetime.now(UTC)
        for chunk in _chunks(answers):
            self._keep(chunk, job, created)

    def _keep(self, answers: list[Answer], job: _Job, created: datetime) -> None:
        answered = [
            (one.outcome, one.scan)
            for one in answers
            if one.scan is not None and not isinstance(one.outcome, ScanError)
        ]
        for kept in self._keeper.keep(answered, job.sending, created):
            job.take(kept)
        for one in answers:
            if isinstance(one.outcome, ScanError):  # always the last of a file
                job.take(one.outcome)


def _chunks(answers: Iterator[Answer]) -> Iterator[list[Answer]]:
    while chunk := list(itertools.islice(answers, KEPT_AT_ONCE)):
        yield chunk


def _is_heavy(found: Found) -> bool:
    try:
        return isinstance(found, Source) and found.origin.size() > HEAVY_BYTES
    except (OSError, ScanError):
        return False  # reading it will say what is wrong
