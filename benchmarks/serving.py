"""How fast the service answers, and what it takes, beside Flask with Keras in the same run.

    python benchmarks/serving.py [--requests 10000] [--seconds 20] [--write]

Prints a Markdown table; ``--write`` puts it into docs/reference/benchmarks.md. Every request
uploads a 512 x 512 JPEG of a drawn head that the service has not seen before. The client runs on
the same cores as the service. Flask with Keras (PyTorch as its backend) is measured where both are
installed: `pip install flask keras`.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import load
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from load import Outcome

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"
BEGIN, END = "<!-- serving -->\n", "<!-- end of serving -->"
SIDE, QUALITY, DISTINCT = 512, 90, 12
# One user's requests, after some that are not counted.
ALONE, UNCOUNTED = 100, 10
# What the service is held to, and how far beyond what it can do it is pushed.
WANTED_RATE, PUSHED = 60.0, 3.0
USERS = 8
STARTS = 3
START_SECONDS = 400.0
# Requests of the peer, which is slower, while its memory is looked at.
PEER_REQUESTS = 300
STEPS = 4
# So that the benchmark measures the service and not its limit for one client.
UNLIMITED = ("--set", "rate_per_second=0", "--set", "log_level=warning")

Row = tuple[str, str, str, str]
Figure = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A service that can be measured.

    Attributes:
        command: What starts it; its port follows.
        ready: What answers 200 when it takes work.
        path: Where files are sent.
        name: Of the field of the form.
    """

    command: tuple[str, ...]
    ready: str
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Running:
    """A service that runs.

    Attributes:
        port: Its port.
        process: It.
        started: Seconds from its start to its first readiness.
        requests: Requests to it, without end.
    """

    port: int
    process: subprocess.Popen[bytes]
    started: float
    requests: Iterator[bytes]

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (line,) = [one for one in status.splitlines() if one.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024 / 1e6

    @property
    def processor(self) -> float:
        """Seconds of the processor that it has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")")[1]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


OURS = Kind(
    (sys.executable, "-m", "tumorlens", "serve", *UNLIMITED, "--port"),
    "/api/v1/ready",
    "/api/v1/findings",
    "files",
)
PEER = Kind(
    (sys.executable, str(Path(__file__).with_name("flask_peer.py"))), "/", "/predict", "file"
)


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000, help="while memory is looked at")
    parser.add_argument("--seconds", type=float, default=20, help="of each load")
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    options = parser.parse_args()
    pictures = [jpeg(seed) for seed in range(DISTINCT)]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUMORLENS_DATA_DIR"] = folder
        rows = list(told(our_rows(pictures, options.requests, options.seconds)))
        peers = {what: figure for what, figure, _ in told(peer_rows(pictures))}
    text = table([(what, ours, peers.get(what, ""), aim) for what, ours, aim in rows])
    print(text)
    if options.write:
        write(text)


def told(rows: Iterator[Figure]) -> Iterator[Figure]:
    """Rows, each told as soon as it is there: the whole takes minutes."""
    for row in rows:
        print(*row, sep=" | ", file=sys.stderr)
        yield row


def jpeg(seed: int) -> bytes:
    """A drawn head, 512 x 512."""
    from tumorlens.scan import draw_phantom

    kind = (None, "glioma", "meningioma", "pituitary")[seed % 4]
    stream = io.BytesIO()
    pixels = draw_phantom(seed, tumor=kind, size=SIDE).pixels
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


@contextmanager
def running(kind: Kind, pictures: list[bytes], *more: str) -> Iterator[Running]:
    """Start a service, wait until it takes work, and stop it in the end."""
    with socket.create_server((load.HOST, 0)) as free:
        port = free.getsockname()[1]
    start = time.perf_counter()
    with subprocess.Popen(
        [*kind.command, str(port), *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            while not is_ready(port, kind.ready):
                if process.poll() is not None or time.perf_counter() - start > START_SECONDS:
                    msg = f"{' '.join(kind.command)} did not start"
                    raise RuntimeError(msg)
                time.sleep(0.01)
            started = time.perf_counter() - start
            requests = load.uploads(kind.path, port, pictures, kind.name)
            yield Running(port, process, started, requests)
        finally:
            process.send_signal(signal.SIGTERM)


def is_ready(port: int, path: str) -> bool:
    """Whether a service answers 200."""
    connection = HTTPConnection(load.HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == load.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def our_rows(pictures: list[bytes], requests: int, seconds: float) -> Iterator[Figure]:
    """What, figure, aim."""
    starts = []
    for _ in range(STARTS):
        with running(OURS, pictures) as one:
            starts.append(one.started)
    yield "start to ready", f"{statistics.median(starts):.2f} s", "< 2 s"
    with running(OURS, pictures) as one:
        yield "memory at the start", f"{one.memory:.0f} MB", ""
        yield from alone_rows(one)
        steady = load.run(
            partial(load.at_rate, one.requests, one.port, rate=WANTED_RATE, seconds=seconds)
        )
        yield from steady_rows(steady)
        most = many_users(one, round(WANTED_RATE * seconds))
        rate = most.answered / most.wall
        yield f"{USERS} users at once, answered", f"{rate:.0f} a second", f"> {WANTED_RATE:.0f}"
        pushed = load.run(
            partial(load.at_rate, one.requests, one.port, rate=PUSHED * rate, seconds=seconds / 2)
        )
        yield from pushed_rows(pushed)
        yield from memory_rows(one, requests)
    with running(OURS, pictures, "--history") as one:
        kept = many_users(one, round(WANTED_RATE * seconds / 2))
        figure = f"{kept.answered / kept.wall:.0f} a second"
        yield f"{USERS} users at once, with a history in SQLite", figure, ""


def steady_rows(outcome: Outcome) -> Iterator[Figure]:
    """What became of requests at the rate that the service is held to."""
    rate = f"{WANTED_RATE:.0f} requests a second"
    yield f"{rate}, answered", f"{outcome.answered / outcome.wall:.1f} a second", "all"
    yield f"{rate}, half of them within", f"{outcome.quantile(0.5):.0f} ms", ""
    yield f"{rate}, 99 of 100 within", f"{outcome.quantile(0.99):.0f} ms", "< 500 ms"
    yield f"{rate}, refused and failed", f"{outcome.refused}, {outcome.failed}", "none"


def pushed_rows(outcome: Outcome) -> Iterator[Figure]:
    """What became of requests at several times the rate that the service can answer."""
    rate = f"{PUSHED:.0f} times as many"
    yield f"{rate}, answered", f"{outcome.answered / outcome.wall:.0f} a second", ""
    yield f"{rate}, 99 of 100 of the answered within", f"{outcome.quantile(0.99):.0f} ms", ""
    refused = f"{outcome.refused}, {outcome.retry_after}"
    yield f"{rate}, refused with 503, and told when to come again", refused, "equal"
    yield f"{rate}, failed otherwise", str(outcome.failed), "none"


def memory_rows(one: Running, requests: int) -> Iterator[Figure]:
    """Resident memory while requests go on."""
    seen = []
    for _ in range(STEPS):
        many_users(one, requests // STEPS)
        seen.append(one.memory)
    part = requests // STEPS
    figure = ", ".join(f"{memory:.0f}" for memory in seen)
    yield (
        f"memory after {part}, {2 * part}, {3 * part}, {requests} more",
        f"{figure} MB",
        "< 400 MB",
    )


def alone_rows(one: Running) -> Iterator[Figure]:
    """One user, whose next request waits for the last."""
    load.run(partial(load.together, one.requests, one.port, count=UNCOUNTED, users=1))
    before = one.processor
    alone = load.run(partial(load.together, one.requests, one.port, count=ALONE, users=1))
    spent = 1000 * (one.processor - before) / ALONE
    yield "one user, upload to answer, median", f"{alone.quantile(0.5):.0f} ms", "< 150 ms"
    yield "one user, 99 of 100 within", f"{alone.quantile(0.99):.0f} ms", ""
    yield "one user, processor time of the service for one", f"{spent:.0f} ms", ""


def peer_rows(pictures: list[bytes]) -> Iterator[Figure]:
    """The same of Flask with Keras, under the same names; none where one is not installed."""
    if find_spec("flask") is None or find_spec("keras") is None:
        return
    with running(PEER, pictures) as one:
        yield "start to ready", f"{one.started:.2f} s", ""
        yield "memory at the start", f"{one.memory:.0f} MB", ""
        yield from alone_rows(one)
        most = many_users(one, PEER_REQUESTS)
        yield f"{USERS} users at once, answered", f"{most.answered / most.wall:.0f} a second", ""


def many_users(one: Running, count: int) -> Outcome:
    """As many as are answered."""
    return load.run(partial(load.together, one.requests, one.port, count=count, users=USERS))


def table(rows: list[Row]) -> str:
    """A Markdown table with the machine above it."""
    head = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = ["| what | TumorLens | Flask + Keras | aim |", "| --- | --- | --- | --- |"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return f"{head}\n\n" + "\n".join(lines) + "\n"


def write(text: str) -> None:
    """Put the table between its marks on the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
