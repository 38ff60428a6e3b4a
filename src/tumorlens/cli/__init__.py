"""The command line, one module a sub-command."""

from __future__ import annotations


def run() -> None:
    """Run the ``tumorlens`` program with the process's arguments, and exit."""
    from tumorlens.cli.app import program

    program()
