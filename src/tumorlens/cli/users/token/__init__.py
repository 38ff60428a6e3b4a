"""``tumorlens users token``: what programs show in place of a login."""

from __future__ import annotations

from typing import ClassVar

import typer

from tumorlens.cli.lazy import LazyGroup

EPILOG = """
**Examples**

`tumorlens users token add ada archive --scope analyse --scope read --days 90`

`curl -H "Authorization: Bearer $TOKEN" -F files=@scan.jpg https://HOST/api/v1/findings`
"""


class _TokenCommands(LazyGroup):
    modules: ClassVar = {
        "add": f"{__name__}.commands",
        "list": f"{__name__}.show",
        "revoke": f"{__name__}.commands",
    }


group = typer.Typer(
    name="token",
    cls=_TokenCommands,
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@group.callback()
def token() -> None:
    """Make, list and revoke the tokens of an account."""
