"""How far training, splitting, auditing and measuring are: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tumorlens.train.fit import Epoch, Step

SECONDS_BETWEEN_LINES = 30.0
"""Where there is no terminal, a line this often says that the work goes on."""


SECONDS_A_MINUTE, SECONDS_AN_HOUR = 60.0, 3600.0

LEAST_SHARE = 1e-3
"""Before this share of the work is done, the time left is not worth much, but it is finite."""


class Display:
    """Shows how far long work is, on standard error; a `tumorlens.train.run.Watcher`."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._spoken = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, soft_wrap=True)

    def epoch(self, line: Epoch) -> None:
        """Print an epoch's line of the curves."""
        held_out = (
            ""
            if line.validation_loss is None or line.validation_accuracy is None
            else f", validation loss {line.validation_loss:.4f}"
            f" accuracy {line.validation_accuracy:.3f}"
        )
        self.say(f"epoch {line.epoch}: loss {line.train_loss:.4f}{held_out} ({line.seconds:.0f} s)")

    @contextmanager
    def counting(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Gives a function to call with (done, in all)."""
        with self._bar() as bar:
            task = bar.add_task(what, total=None)
            started = time.monotonic()

            def update(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)
                self._say_sometimes(f"{what}: {done} of {total}", started, done / max(total, 1))

            yield update

    @contextmanager
    def fitting(self, what: str) -> Iterator[Callable[[Step], None]]:
        """Gives a function to call after each step of a fit."""
        with self._bar() as bar:
            task = bar.add_task(what, total=None)
            started, before = time.monotonic(), 0

            def update(step: Step) -> None:
                nonlocal before
                done = (step.epoch - 1) * step.steps + step.step
                before = before or done - 1  # a resumed fit begins in the middle
                text = f"{what} epoch {step.epoch}/{step.epochs} loss {step.loss:.3f}"
                bar.update(task, completed=done, total=step.epochs * step.steps, description=text)
                share = (done - before) / (step.epochs * step.steps - before)
                self._say_sometimes(f"{text} step {step.step}/{step.steps}", started, share)

            yield update

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def _say_sometimes(self, text: str, started: float, share: float) -> None:
        """Print a line now and then, with the time that the rest takes if it goes on like this."""
        now = time.monotonic()
        if not self._console.is_terminal and now - self._spoken > SECONDS_BETWEEN_LINES:
            self._spoken = now
            left = (now - started) * (1 - share) / max(share, LEAST_SHARE)
            self.say(f"{text}, about {_duration(left)} left")


def _duration(seconds: float) -> str:
    """``40 s``, ``3 min``, ``2.5 h``."""
    if seconds < SECONDS_A_MINUTE:
        return f"{seconds:.0f} s"
    if seconds < SECONDS_AN_HOUR:
        return f"{seconds / SECONDS_A_MINUTE:.0f} min"
    return f"{seconds / SECONDS_AN_HOUR:.1f} h"
