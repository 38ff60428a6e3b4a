"""``tumorlens users token add|revoke``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tumorlens.cli.extras import serving_extra
from tumorlens.cli.users.opening import (
    EPILOG,
    ConfigOption,
    DatabaseOption,
    DataDirOption,
    NameArgument,
    opened,
    taken_down,
)
from tumorlens.errors import AccountError

__all__ = ["EPILOG", "add", "revoke"]


class ScopeName(StrEnum):
    """The scopes, as the service names them; the service is not imported for the help."""

    READ = "read"
    ANALYSE = "analyse"
    FEEDBACK = "feedback"
    DELETE = "delete"
    METRICS = "metrics"
    ADMIN = "admin"


@serving_extra("Managing accounts")
def add(
    name: NameArgument,
    purpose: Annotated[str, typer.Argument(help="What it is for, such as archive.")],
    *,
    scope: Annotated[list[ScopeName], typer.Option(help="What it allows; may be given again.")],
    days: Annotated[
        float | None, typer.Option(min=0.001, help="Days until it ends.", show_default="no end")
    ] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    database: DatabaseOption = None,
) -> None:
    """Make a token, and write it on standard output this once."""
    from tumorlens.serve.audit import Action
    from tumorlens.serve.people import Scope

    with opened(config, data_dir, database) as accounts:
        scopes = [Scope(one.value) for one in scope]
        new = accounts.add_token(accounts.named(name), purpose, scopes, days)
        taken_down(accounts, Action.TOKEN_ADD, new.record.id)
    typer.echo(f"token {new.record.id}, told this once:", err=True)
    typer.echo(new.text)


@serving_extra("Managing accounts")
def revoke(
    name: NameArgument,
    token_id: Annotated[str, typer.Argument(help="As tumorlens users token list tells it.")],
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    database: DatabaseOption = None,
) -> None:
    """Take a token back, from the next request on."""
    from tumorlens.serve.audit import Action

    with opened(config, data_dir, database) as accounts:
        account = accounts.named(name)
        taken_down(accounts, Action.TOKEN_REVOKE, token_id)
        if not accounts.revoke(account.id, token_id):
            msg = f"{account.name} has no token {token_id} that could be used"
            raise AccountError(msg)
    typer.echo("revoked")
