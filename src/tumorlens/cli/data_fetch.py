"""``tumorlens data fetch``: a public set, its licence accepted, checked and laid out."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.guard import ExitCode, tell
from tumorlens.data.sources import SETS, find, megabytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tumorlens.data.fetch import Fetched, Progress
    from tumorlens.data.sources import PublicSet

EPILOG = """
**Examples**

`tumorlens data fetch` lists the sets, with size, licence and citation.

`tumorlens data fetch cheng --out sets` shows them for one set, asks, and gets it into `sets/cheng`.

`tumorlens data fetch br35h --from Downloads/archive.zip --yes` lays out a zip that you have.

An interrupted download goes on when the same command is given again.
"""

# Where there is no bar, a line for each such part of a file says that the work goes on.
_STEPS = 10


def fetch(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The set; without, all are listed.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="The folder of sets; the set becomes a folder in it.")
    ] = Path("sets"),
    given: Annotated[
        Path | None,
        typer.Option("--from", help="A zip or folder that you downloaded, instead of a download."),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(help="The SHA-256 that the downloaded file must have.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Accept licence and size without being asked.")
    ] = False,
    list_sets: Annotated[
        bool, typer.Option("--list", help="List the sets and do nothing else.")
    ] = False,
) -> None:
    """Get a public set: size, licence and citation shown, download resumed and checked."""
    if name is None or list_sets:
        typer.echo("\n\n".join(_described(one) for one in SETS.values()))
        return
    wanted = find(name)
    from tumorlens.data.fetch import fetch as get

    folder = out / wanted.name
    if not folder.exists():
        typer.echo(_described(wanted), err=True)
        _accept(wanted, yes=yes)
    with _shown() as progress:
        done = get(wanted, out, given=given, sha256=sha256, progress=progress)
    _report(done)


def _described(one: PublicSet) -> str:
    """A set in a few lines: what a person accepts with ``--yes``."""
    return (
        f"{one.name}: {one.title}\n"
        f"  images    {one.images:,}\n"
        f"  download  about {megabytes(one.download_bytes)}\n"
        f"  licence   {one.licence}\n"
        f"  cite      {one.citation}\n"
        f"  page      {one.page}"
    )


def _accept(wanted: PublicSet, *, yes: bool) -> None:
    if yes:
        return
    if not _has_terminal():
        tell(
            "error: the licence has not been accepted, and there is no terminal to ask on; "
            f"if you accept it: tumorlens data fetch {wanted.name} --yes"
        )
        raise typer.Exit(ExitCode.WRONG_USE)
    if not typer.confirm("Get it under these terms?", err=True):
        tell("nothing was fetched")
        raise typer.Exit(ExitCode.WRONG_USE)


def _has_terminal() -> bool:
    return sys.stdin.isatty()


def _report(done: Fetched) -> None:
    state = "is there, and unchanged since it was fetched" if done.was_there else "is ready"
    tell(f"{done.folder}: {done.images:,} labelled images; the set {state}")
    if done.remark:
        tell(f"note: {done.remark}")
    if not done.was_there:
        tell(f"what it is worth: tumorlens data audit {done.folder}")


@contextmanager
def _shown() -> Iterator[Progress]:
    """A bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as shown:
        task = shown.add_task("", total=None)
        yield lambda what, count, total: shown.update(
            task, description=what, completed=count, total=total
        )


def _lines() -> Progress:
    last: tuple[str, int] = ("", -1)

    def progress(what: str, done: int, total: int | None) -> None:
        nonlocal last
        step = _STEPS * done // total if total else 0
        if (what, step) != last:
            last = (what, step)
            tell(f"{what}: {100 * step // _STEPS} %" if total else what)

    return progress
