"""``tumorlens users add|password|role|disable|enable``: making and changing accounts."""

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
    PasswordOption,
    asked_password,
    opened,
    taken_down,
)

__all__ = ["EPILOG", "add", "disable", "enable", "password", "role"]


class RoleName(StrEnum):
    """The roles, as the service names them; the service itself is not imported for the help."""

    READER = "reader"
    REVIEWER = "reviewer"
    ADMIN = "admin"


ROLE_HELP = (
    "reader: sends scans, sees their own findings; reviewer: sees everyone's; admin: also manages "
    "accounts."
)


@serving_extra("Managing accounts")
def add(
    name: NameArgument,
    *,
    role: Annotated[RoleName, typer.Option(help=ROLE_HELP)] = RoleName.READER,
    must_change: Annotated[
        bool,
        typer.Option(
            "--must-change/--no-must-change", help="Change the password at the first login."
        ),
    ] = False,
    password_stdin: PasswordOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    database: DatabaseOption = None,
) -> None:
    """Make an account, and ask for its password."""
    from tumorlens.serve.audit import Action
    from tumorlens.serve.people import Role

    with opened(config, data_dir, database) as accounts:
        chosen = asked_password(reads_stdin=password_stdin)
        account = accounts.add(name, Role(role.value), chosen, must_change=must_change)
        taken_down(accounts, Action.USER_ADD, account.id)
    typer.echo(f"{account.name} may log in, as {account.role}.")


@serving_extra("Managing accounts")
def password(
    name: NameArgument,
    *,
    must_change: Annotated[
        bool,
        typer.Option("--must-change/--no-must-change", help="Change it at the next login."),
    ] = False,
    password_stdin: PasswordOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    database: DatabaseOption = None,
) -> None:
    """Set a password; all browsers of the account have to log in again."""
    from tumorlens.serve.audit import Action

    with opened(config, data_dir, database) as accounts:
        account = accounts.named(name)
        chosen = asked_password(reads_stdin=password_stdin)
        taken_down(accounts, Action.USER_PASSWORD, account.id)
        accounts.set_password(account, chosen, must_change=must_change)
    typer.echo(f"The password of {account.name} is set.")


@serving_extra("Managing accounts")
def role(
    name: NameArgument,
    role: Annotated[RoleName, typer.Argument(help=ROLE_HELP)],
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    database: DatabaseOption = None,
) -> None:
    """Let an account do more, or less; the last admin stays one."""
    from tumorlens.serve.audit import Action
    from tumorlens.serve.people import Role

    with opened(config, data_dir, database) as accounts:
        account = accounts.named(name)
        taken_down(accounts, Action.USER_ROLE, account.id)
        accounts.set_role(account, Role(role.value))
    typer.echo(f"{account.name} is {role.value} now.")


@serving_extra("Managing accounts")
def disable(
    name: NameArgument,
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    database: DatabaseOption = None,
) -> None:
    """Shut an account out, with its sessions and tokens; its findings stay."""
    from tumorlens.serve.audit import Action

    with opened(config, data_dir, database) as accounts:
        account = accounts.named(name)
        taken_down(accounts, Action.USER_DISABLE, account.id)
        accounts.disable(account)
    typer.echo(f"{account.name} may not log in any more.")


@serving_extra("Managing accounts")
def enable(
    name: NameArgument,
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    database: DatabaseOption = None,
) -> None:
    """Let an account in again, with the password and the tokens that it had."""
    from tumorlens.serve.audit import Action

    with opened(config, data_dir, database) as accounts:
        account = accounts.named(name)
        taken_down(accounts, Action.USER_ENABLE, account.id)
        accounts.enable(account)
    typer.echo(f"{account.name} may log in again.")
