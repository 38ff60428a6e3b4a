"""What every sub-command does with an error: one line for a person, and an exit code."""

from __future__ import annotations

import functools
import os
import sys
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import typer

from tumorlens.errors import (
    AccountError,
    DatasetError,
    MissingExtra,
    ModelNotFound,
    RecipeError,
    SettingsError,
    TumorLensError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ExitCode(IntEnum):
    """What the exit code of the program means.

    The last two are 128 plus the number of the signal, as shells have it.
    """

    DONE = 0
    SOME_UNANSWERED = 1
    WRONG_USE = 2
    INTERRUPTED = 130
    READER_GONE = 141


# What the user named does not exist or cannot serve; everything else failed while it was done.
_WRONG_USE = (
    *(AccountError, DatasetError, ModelNotFound, RecipeError, SettingsError, MissingExtra),
)


def guarded(command: Callable[..., Any], *, shows_tracebacks: bool) -> Callable[..., Any]:
    """A sub-command that tells its errors instead of raising them.

    Args:
        command: The function of the sub-command.
        shows_tracebacks: Whether an unexpected error is raised on, for its traceback.
    """

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
            sys.stdout.flush()
        except TumorLensError as error:
            tell(f"error: {error}")
            wrong_use = isinstance(error, _WRONG_USE)
            code = ExitCode.WRONG_USE if wrong_use else ExitCode.SOME_UNANSWERED
            raise typer.Exit(code) from None
        except KeyboardInterrupt:
            tell("stopped")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except BrokenPipeError:
            _discard_output()
            raise typer.Exit(ExitCode.READER_GONE) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except OSError as error:  # a disk that is full, a folder that may not be written to
            if shows_tracebacks:
                raise
            tell(f"error: {_of_system(error)}")
            _discard_output()
            raise typer.Exit(ExitCode.SOME_UNANSWERED) from None
        except Exception as error:
            if shows_tracebacks:
                raise
            tell(
                f"unexpected error: {type(error).__name__}: {error}. "
                "Please report it, with what `tumorlens --debug …` shows for the same command."
            )
            raise typer.Exit(ExitCode.SOME_UNANSWERED) from None

    return run


def tell(text: str) -> None:
    """Say something on standard error, which never spoils the output."""
    typer.echo(f"tumorlens: {text}", err=True)


@contextmanager
def telling_lost_output() -> Iterator[None]:
    """Tell in one line that what is written outside of a sub-command, such as help, has no room.

    Raises:
        SystemExit: It has none.
    """
    try:
        yield
    except BrokenPipeError:
        _discard_output()
        sys.exit(ExitCode.READER_GONE)
    except OSError as error:
        tell(f"error: {_of_system(error)}")
        _discard_output()
        sys.exit(ExitCode.SOME_UNANSWERED)


def _of_system(error: OSError) -> str:
    """What the system says went wrong, with which file; output has no file name."""
    where = "the output" if error.filename is None else error.filename
    return f"{where} cannot be used: {error.strerror or error}"


def _discard_output() -> None:
    """Let nothing more be written to output that takes nothing, not even when Python exits."""
    with suppress(OSError, ValueError):  # the output of a test is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
