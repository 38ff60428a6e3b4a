"""How far a long run of answers is: a bar on a terminal, a line now and then elsewhere.

Apart from `display`, which knows its totals, so that answering never waits for rich to load.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tumorlens.cli.guard import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Advance = Callable[[float], None]

# Where there is no terminal, a line this often says that the work goes on.
SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def bar(total: int) -> Iterator[Advance]:
    """A bar on standard error over `total` inputs; gives a function that moves it on."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    # Output is left alone: it may go to a file or to another program.
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    ) as progress:
        task = progress.add_task("answering", total=total)
        yield lambda step: progress.advance(task, step)


@contextmanager
def lines() -> Iterator[Advance]:
    """A line on standard error every few seconds; gives a function that counts one slice."""
    count = 0
    start = spoken = time.monotonic()

    def advance(_: float) -> None:
        nonlocal count, spoken
        count += 1
        now = time.monotonic()
        if now - spoken > SECONDS_BETWEEN_LINES:
            spoken = now
            tell(f"{count} slices so far, {count / (now - start):.0f} a second")

    yield advance


def is_terminal_free(*, writes_output: bool) -> bool:
    """Whether a bar can be drawn: on a terminal to which no output is written meanwhile."""
    return sys.stderr.isatty() and not (writes_output and sys.stdout.isatty())
