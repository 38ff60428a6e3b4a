"""``tumorlens users``: who may log in to the service, what they may do, and their tokens."""

from __future__ import annotations

from typing import ClassVar

import typer

from tumorlens.cli.lazy import LazyGroup

EPILOG = """
**Examples**

`tumorlens users add ada --role admin` makes an admin, and asks for a password.

`tumorlens users list` lists all accounts.

`tumorlens users disable ada` shuts an account out, with its sessions and tokens.

`tumorlens users token add ada archive --scope analyse --scope read --days 90` makes a token.

`tumorlens users audit --action login_refused` lists logins that were refused.

The service may run meanwhile; it follows at once. Name the same --data-dir, --database or --config
as for `tumorlens serve`.
"""


class _UsersCommands(LazyGroup):
    modules: ClassVar = {
        **dict.fromkeys(("add", "password", "role", "disable", "enable"), f"{__name__}.change"),
        **dict.fromkeys(("list", "audit"), f"{__name__}.show"),
        "token": f"{__name__}.token",
    }


group = typer.Typer(
    name="users",
    cls=_UsersCommands,
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@group.callback()
def users() -> None:
    """Say who may log in to the service (tumorlens serve --accounts)."""
