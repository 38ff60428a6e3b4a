"""Tables on standard output: as wide as the screen, or as a file can be."""

from __future__ import annotations

import sys

from rich.console import Console

# A table that goes to a file or another program has no screen to fit; most names fit in this.
WIDTH_WITHOUT_TERMINAL = 140


class OutputConsole(Console):
    """Standard output; a reader that goes away ends the program as it ends any other output."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
        super().__init__(width=width, highlight=False)

    def on_broken_pipe(self) -> None:
        """Let the program say with its exit code that the reader is gone."""
        raise BrokenPipeError
