"""``tumorlens doctor``: what works here, and what to do about what does not."""

from __future__ import annotations

import typer

from tumorlens.cli.checks import State, all_checks
from tumorlens.cli.guard import ExitCode, tell

EPILOG = """
**Examples**

`tumorlens doctor`

Exit codes: 0 answering works, though optional parts may be absent; 1 something that answering
needs is broken.
"""

_STYLES = {State.OK: "cyan", State.ABSENT: "dim", State.BROKEN: "bold red"}


def doctor() -> None:
    """Say what works on this machine: libraries, decoders, extras, models, and a first answer."""
    from rich.table import Table
    from rich.text import Text

    from tumorlens.cli.console import OutputConsole

    checks = list(all_checks())
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for check in checks:
        state = Text(check.state.value, style=_STYLES[check.state])
        table.add_row(state, Text(check.about), Text(check.detail, overflow="fold"))
    OutputConsole().print(table)
    broken = [check.about for check in checks if check.state is State.BROKEN]
    if broken:
        tell(f"broken: {', '.join(broken)}")
        raise typer.Exit(ExitCode.SOME_UNANSWERED)
    tell("answering works here")
