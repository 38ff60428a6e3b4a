"""Requests to a service on this machine: one after another, as many as it takes, or at a rate.

A small HTTP/1.1 client of our own, because it shares the cores with the service that it measures:
the usual libraries take as long for a request as the service does.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = "127.0.0.1"
BOUNDARY = b"----------tumorlens"
OK, BUSY = 200, 503
# A request that takes longer has failed.
SECONDS = 30.0
# Marker of a comment in a JPEG, and of the start of the picture (ITU-T T.81, B.1.1.3).
_START, _COMMENT = b"\xff\xd8", b"\xff\xfe"


@dataclass(slots=True)
class Outcome:
    """What became of some requests.

    Attributes:
        seconds: How long each answered one took; at a rate, from when it was due.
        statuses: Status → how often; 0 for a connection that broke.
        retry_after: How many of the refused ones said when to come again.
        wall: Seconds for all.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    retry_after: int = 0
    wall: float = 0.0

    @property
    def answered(self) -> int:
        """How many were answered."""
        return self.statuses.get(OK, 0)

    @property
    def refused(self) -> int:
        """How many were turned away because too many waited."""
        return self.statuses.get(BUSY, 0)

    @property
    def failed(self) -> int:
        """How many were neither answered nor refused in good order."""
        return sum(self.statuses.values()) - self.answered - self.refused

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share of the answered ones was."""
        return 1000 * float(np.quantile(self.seconds, share)) if self.seconds else float("nan")

    def take(self, status: int, head: bytes, seconds: float) -> None:
        """Note one."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == OK:
            self.seconds.append(seconds)
        elif status == BUSY and b"\r\nretry-after:" in head.lower():
            self.retry_after += 1


def uploads(path: str, port: int, pictures: list[bytes], name: str = "files") -> Iterator[bytes]:
    """Requests without end, each with another file: a JPEG with its own comment in it."""
    number = 0
    while True:
        picture = pictures[number % len(pictures)]
        note = b"%016d" % (time.monotonic_ns() % 10**16)
        length = (len(note) + 2).to_bytes(2, "big")
        data = _START + _COMMENT + length + note + picture[2:]
        body = (
            b"--%s\r\nContent-Disposition: form-data; name=%s; filename=scan%d.jpg\r\n"
            b"Content-Type: image/jpeg\r\n\r\n%s\r\n--%s--\r\n"
            % (BOUNDARY, name.encode(), number, data, BOUNDARY)
        )
        yield (
            b"POST %s HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: multipart/form-data; boundary=%s\r\n"
            b"Content-Length: %d\r\n\r\n"
            % (path.encode(), HOST.encode(), port, BOUNDARY, len(body))
        ) + body
        number += 1


class Client:
    """One connection that is kept, and opened again where the service closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request: the status and head of its answer; status 0 where there is none."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._ask(request)
        except (OSError, TimeoutError, EOFError):
            self.close()
            return 0, b""

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(HOST, self._port)
        if self._reader is None:
            raise EOFError
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        length = int(lower.split(b"\r\ncontent-length:")[1].split(b"\r\n")[0])
        await self._reader.readexactly(length)
        if b"\r\nconnection: close" in lower or lower.startswith(b"http/1.0"):
            self.close()
        return int(head[9:12]), head

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def together(requests: Iterator[bytes], port: int, *, count: int, users: int) -> Outcome:
    """So many requests from some users, each of whom sends the next when the last is answered."""
    outcome, start = Outcome(), time.perf_counter()
    left = iter(range(count))

    async def user() -> None:
        client = Client(port)
        for _ in left:
            request, begun = next(requests), time.perf_counter()
            status, head = await client.ask(request)
            outcome.take(status, head, time.perf_counter() - begun)
        client.close()

    await asyncio.gather(*(user() for _ in range(users)))
    outcome.wall = time.perf_counter() - start
    return outcome


async def at_rate(requests: Iterator[bytes], port: int, *, rate: float, seconds: float) -> Outcome:
    """Requests that are due at a steady rate, whether the earlier ones are answered or not.

    What waits for a free connection counts as time: so a service that falls behind shows it.
    """
    outcome, start = Outcome(), time.perf_counter()
    idle: list[Client] = []

    async def one(due: float) -> None:
        client = idle.pop() if idle else Client(port)
        status, head = await client.ask(next(requests))
        outcome.take(status, head, time.perf_counter() - due)
        idle.append(client)

    running = []
    for number in range(round(rate * seconds)):
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        running.append(asyncio.create_task(one(due)))
    await asyncio.gather(*running)
    outcome.wall = time.perf_counter() - start
    for client in idle:
        client.close()
    return outcome


def run(measure: Callable[[], object]) -> Outcome:
    """Carry out one of the above from outside an event loop."""
    outcome: Outcome = asyncio.run(measure())  # type: ignore[arg-type]
    return outcome
