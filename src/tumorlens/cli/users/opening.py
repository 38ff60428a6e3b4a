"""What the commands share: options, opening the accounts, asking for a password, the audit log."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tumorlens.errors import AccountError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tumorlens.serve.audit import Action
    from tumorlens.serve.auth.accounts import Accounts

SAME = "The same as for tumorlens serve."
ConfigOption = Annotated[Path | None, typer.Option("--config", help=f"TOML file. {SAME}")]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help=f"Folder of the database and the secret key. {SAME}",
        show_default="~/.local/share/tumorlens",
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        help=f"Database. {SAME} A password belongs into TUMORLENS_DATABASE_URL.",
        show_default="a file in the data folder",
    ),
]
NameArgument = Annotated[str, typer.Argument(help="Name of the account, capitals or not.")]
PasswordOption = Annotated[
    bool,
    typer.Option(
        "--password-stdin", help="Read the password from the first line of standard input."
    ),
]
EPILOG = """
Name the same --data-dir, --database or --config as for `tumorlens serve`, which may run meanwhile.
Every change is taken down in the audit log.
"""


@contextmanager
def opened(config: Path | None, data_dir: Path | None, database: str | None) -> Iterator[Accounts]:
    """The accounts of an installation.

    Raises:
        SettingsError: The settings are wrong, or the secret key cannot be had.
        StoreError: The database cannot be opened.
    """
    from tumorlens.serve.auth.accounts import Accounts
    from tumorlens.serve.auth.secret import load_secret
    from tumorlens.serve.settings import load_settings
    from tumorlens.serve.store import Store

    given: dict[str, Any] = {"data_dir": data_dir, "database_url": database}
    options = {name: value for name, value in given.items() if value is not None}
    settings = load_settings(config, options)
    store = Store(settings.store_url)
    try:
        yield Accounts(settings, store.database, load_secret(settings))
    finally:
        store.close()


def taken_down(accounts: Accounts, action: Action, target: str) -> None:
    """Take down in the audit log what is done here."""
    from tumorlens.serve.audit import Entry
    from tumorlens.serve.people import Role, User

    user = User(id="", name="command line", role=Role.ADMIN, via="cli")
    accounts.audit.record(Entry(user=user, action=action, target=target))


def asked_password(*, reads_stdin: bool) -> str:
    """A password, typed twice where a person types it; it is never an argument, which others see.

    Raises:
        AccountError: There is none.
    """
    if reads_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = ""
    if not password:
        msg = "no password: type it in a terminal, or send it with --password-stdin"
        raise AccountError(msg)
    return password
