"""``tumorlens data``: what there is to do with labelled images before anything is trained."""

from __future__ import annotations

from typing import ClassVar

import typer

from tumorlens.cli.lazy import LazyGroup

EPILOG = """
**Examples**

`tumorlens data audit sets/nickparvar --out audit/` says what a data set is worth.

`tumorlens data split sets/mine --by group --out manifest.csv` splits it so that nothing leaks.

`tumorlens data fetch cheng --out sets/` gets a public set.
"""


class _DataCommands(LazyGroup):
    modules: ClassVar = {
        "audit": "tumorlens.cli.data_audit",
        "split": "tumorlens.cli.data_split",
        "fetch": "tumorlens.cli.data_fetch",
    }


group = typer.Typer(
    name="data",
    cls=_DataCommands,
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@group.callback()
def data() -> None:
    """Know the data before believing a number: audit it, split it, fetch public sets."""
