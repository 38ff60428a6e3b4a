"""``tumorlens serve``: the REST service and the web page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.extras import serving_extra

if TYPE_CHECKING:
    from tumorlens.serve.settings import Settings

EPILOG = """
**Examples**

`tumorlens serve` answers on http://127.0.0.1:8000, for this machine alone; `tumorlens serve --open`
also opens its page in a browser.

`tumorlens serve --history --history-days 7` keeps findings and thumbnails for a week.

`tumorlens serve --config tumorlens.toml --set queue_size=128`

`tumorlens serve --show-settings` lists every setting with its value and meaning.

Every setting can also stand in the TOML file, or in an environment variable: `history_days` is
`TUMORLENS_HISTORY_DAYS`. Options win over variables, and these over the file.

For research and education only. Not a medical device; not for diagnosis or treatment.
"""


@serving_extra("Serving")
def serve(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port.", show_default="8000")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Name of an installed model, or a model file.",
            show_default="the default model",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Slices at a time.", show_default="the cores")
    ] = None,
    history: Annotated[
        bool | None,
        typer.Option(
            "--history/--no-history", help="Keep findings and thumbnails.", show_default="no"
        ),
    ] = None,
    history_days: Annotated[
        float | None, typer.Option(help="Days that they are kept.", show_default="30")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="Database of the history: sqlite:///FILE or postgresql://USER@HOST/NAME. A "
            "password belongs into TUMORLENS_DATABASE_URL, where other users do not see it.",
            show_default="a file in the data folder",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of the database.", show_default="~/.local/share/tumorlens"),
    ] = None,
    accounts: Annotated[
        bool | None,
        typer.Option("--accounts/--no-accounts", help="Ask for a login.", show_default="no"),
    ] = None,
    insecure_no_accounts: Annotated[
        bool | None,
        typer.Option(
            "--insecure-no-accounts",
            help="Listen beyond this machine although nobody logs in.",
            show_default=False,
        ),
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(help="PEM file of the certificate, for HTTPS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of its private key.")] = None,
    log_format: Annotated[
        str | None, typer.Option(help="json, or text for a person.", show_default="json")
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Say where the page is, and open it in a browser.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting, as name=value; may be given several times."),
    ] = None,
    show_settings: Annotated[
        bool, typer.Option("--show-settings", help="Only list all settings, as they would be.")
    ] = False,
) -> None:
    """Answer scans over HTTP: a web page and a REST interface."""
    from tumorlens.serve.settings import load_settings, parsed

    given = {
        "host": host,
        "port": port,
        "model": model,
        "workers": workers,
        "history": history,
        "history_days": history_days,
        "database_url": database,
        "data_dir": data_dir,
        "accounts": accounts,
        "insecure_no_accounts": insecure_no_accounts,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "log_format": log_format,
    }
    options = {name: value for name, value in given.items() if value is not None}
    loaded = load_settings(config, parsed(settings or ()) | options)
    if show_settings:
        _show(loaded)
        return
    from tumorlens.cli.open_page import open_page
    from tumorlens.serve.run import run

    run(loaded, ready=open_page if open_browser else None)


def _show(settings: Settings) -> None:
    from tumorlens.serve.settings import listed

    for line in listed(settings):
        typer.echo(line)
