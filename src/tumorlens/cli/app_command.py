"""``tumorlens app``: the Streamlit app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tumorlens.app.folders import is_loopback
from tumorlens.app.launch import Launch, address, check_installed, free_port, start
from tumorlens.cli.guard import tell
from tumorlens.decide.finding import NOTICE
from tumorlens.errors import SettingsError

EPILOG = """
**Examples**

`tumorlens app` opens the app in the browser, for this machine only.

`tumorlens app --folder sets/` also lets its audit page read what lies in sets/, and nothing else.

`tumorlens app --host 0.0.0.0 --insecure-no-accounts` lets anyone who can reach this machine in.

`tumorlens serve` is the service for several people, with accounts and a database.
"""


def app(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port.", show_default="the first free from 8501"),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            "--folder",
            metavar="DIR",
            help="A folder that the audit page may read; may be given several times.",
            show_default="all, for a visitor at this machine",
        ),
    ] = None,
    insecure_no_accounts: Annotated[
        bool,
        typer.Option(
            "--insecure-no-accounts",
            help="Let anyone who can reach the address in: the app has no accounts.",
        ),
    ] = False,
) -> None:
    """Open the Streamlit app: drop scans, read and compare answers, weigh thresholds, audit."""
    check_installed()
    if not is_loopback(host) and not insecure_no_accounts:
        msg = (
            f"{host} lets others than this machine in, and the app has no accounts. Use "
            "`tumorlens serve --accounts`, or add --insecure-no-accounts where that is meant."
        )
        raise SettingsError(msg)
    chosen = free_port(host, port)
    tell(f"the app is at {address(host, chosen)}; Ctrl-C ends it")
    tell(NOTICE)
    launch = Launch(host=host, opens_browser=browser, folders=tuple(folder or ()))
    start(launch, chosen)
