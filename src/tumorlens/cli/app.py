"""The ``tumorlens`` program: its sub-commands, each imported only when it is called."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer
from typer.main import get_command

from tumorlens._version import __version__
from tumorlens.cli.guard import telling_lost_output
from tumorlens.cli.lazy import LazyGroup, python_name

if TYPE_CHECKING:
    from typing import TextIO

PROGRAM = "tumorlens"
COMMANDS = (
    "predict",
    "segment",
    "explain",
    "models",
    "doctor",
    "serve",
    "users",
    "app",
    "data",
    "train",
    "tune",
    "calibrate",
    "evaluate",
    "monitor",
    "compare",
    "export",
    "import",
)
"""The sub-commands in the order of the help, each in the module of its name in this package."""
# This module has the name of one of them.
ELSEWHERE = {"app": "app_command"}

EPILOG = """
**Examples**

`tumorlens predict scan.jpg` answers one slice.

`tumorlens predict study/ --format json > findings.jsonl` answers all slices of a folder.

`tumorlens predict brain.nii.gz --overlay pictures/` draws where the evidence lies.

`tumorlens doctor` says what works on this machine.

Exit codes: 0 done; 1 some inputs could not be answered; 2 wrong use.

For research and education only. Not a medical device; not for diagnosis or treatment.
"""


class _Commands(LazyGroup):
    modules: ClassVar = {
        name: f"{__package__}.{ELSEWHERE.get(name, python_name(name))}" for name in COMMANDS
    }


app = typer.Typer(
    cls=_Commands,
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
) -> None:
    """Find tumors in brain MRI, say how sure, show why, and say when it does not know."""


def program() -> None:
    """Run the program and exit with its code."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        _keep_going_on_any_letter(stream)
    with telling_lost_output():
        try:
            get_command(app)(prog_name=PROGRAM)
        finally:
            sys.stdout.flush()


def _nowhere() -> TextIO:
    """Takes what is written where the caller has closed the output; the work is done anyway."""
    return Path(os.devnull).open("w", encoding="utf-8")


def _keep_going_on_any_letter(stream: TextIO) -> None:
    """Let an old terminal show a letter that it does not know as an escape instead of failing."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
