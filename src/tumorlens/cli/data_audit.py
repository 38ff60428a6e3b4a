"""``tumorlens data audit``: what folders of labelled images are worth."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.extras import data_extra
from tumorlens.cli.guard import ExitCode, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from tumorlens.cli.display import Display
    from tumorlens.data.audit.report import AuditReport

EPILOG = """
**Examples**

`tumorlens data audit sets/nickparvar --out audit/` writes audit.html, audit.json, files.csv,
copies.csv and problems.csv. The same command again goes on where a stopped run was.

`tumorlens data audit sets/cheng sets/sartaj --out audit/` also says what the sets share.

`tumorlens data audit mine/labels.csv` reads a table with the columns path and label, and where
there are any patient and split.

`tumorlens data audit sets/mine --fail-on-leak` fails in CI where a split leaks.

Exit codes: 0 done, whatever was found; 1 a split leaks and --fail-on-leak was given; 2 wrong use.
"""


def audit(
    *,
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Folders of labelled images, or CSV tables of them."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Where the page, the JSON and the tables go; used again, it is resumed."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Processes that read.", show_default="the cores"),
    ] = None,
    fail_on_leak: Annotated[
        bool, typer.Option("--fail-on-leak", help="Exit with 1 where a split leaks.")
    ] = False,
) -> None:
    """Find copies, leaks, shortcuts and wrong labels in folders of labelled images."""
    with data_extra("Auditing data"):
        from tumorlens.cli.audit_tables import show
        from tumorlens.cli.display import Display
        from tumorlens.data.audit import run
        from tumorlens.model.load import available_cores

        with _Stages(Display()) as stages:
            report = run.audit(
                folders, out=out, progress=stages.update, workers=workers or available_cores()
            )
    show(report)
    if out is not None:
        tell(f"{out / 'audit.html'} shows the pictures; audit.json and the tables are beside it")
    else:
        tell("nothing was written; --out DIR keeps the page, the JSON and the tables")
    if fail_on_leak and _leaks(report):
        tell("a split leaks")
        raise typer.Exit(ExitCode.SOME_UNANSWERED)


def _leaks(report: AuditReport) -> bool:
    return any(leak.same for leak in report.leaks) or bool(report.patients)


class _Stages:
    """Shows one stage of the work after another."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._current: str | None = None
        self._stack = ExitStack()
        self._count: Callable[[int, int], None] | None = None

    def __enter__(self) -> _Stages:  # noqa: PYI034  (private, and never subclassed)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def update(self, what: str, done: int, total: int) -> None:
        """Show how far a stage is; a new one ends the last."""
        if what != self._current:
            self._stack.close()
            self._current = what
            self._count = self._stack.enter_context(self._display.counting(what))
        if self._count is not None:
            self._count(done, total)
