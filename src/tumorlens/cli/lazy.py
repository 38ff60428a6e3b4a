"""Groups of sub-commands that are imported only when they are asked for."""

from __future__ import annotations

import importlib
import keyword
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command

from tumorlens.cli.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Mapping


def python_name(command: str) -> str:
    """A command's name in Python, where ``import`` is a word of the language."""
    return f"{command}_" if keyword.iskeyword(command) else command


class LazyGroup(TyperGroup):
    """A group whose commands are imported when they are asked for.

    So answering a scan does not wait for the libraries of training. A module of a command holds a
    function of the command's name (`python_name`), with its examples in ``EPILOG``; a module of a
    nested group holds a Typer program of its own, named ``group``.
    """

    modules: ClassVar[Mapping[str, str]] = {}
    """Sub-command → the module that holds it, in the order of the help."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """The names of all sub-commands."""
        return list(self.modules)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one sub-command; None where there is none of this name."""
        if cmd_name not in self.modules:
            return None
        module = importlib.import_module(self.modules[cmd_name])
        nested = getattr(module, "group", None)
        if nested is not None:
            return get_command(nested)
        single = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        shows_tracebacks = bool(ctx.find_root().params.get("debug"))
        function = guarded(
            getattr(module, python_name(cmd_name)), shows_tracebacks=shows_tracebacks
        )
        single.command(cmd_name, epilog=module.EPILOG)(function)
        return get_command(single)
