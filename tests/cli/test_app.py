"""If these fail, the program cannot be found, explained or completed, or fails with a traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer

from tumorlens import __version__
from tumorlens.cli.app import COMMANDS
from tumorlens.cli.guard import ExitCode, guarded
from tumorlens.errors import MissingExtra, ModelCorrupt, ModelNotFound


def test_the_version_is_told(tumorlens):
    run = tumorlens("--version")
    assert (run.code, run.out) == (0, f"tumorlens {__version__}\n")


def test_help_lists_every_command_and_teaches(tumorlens):
    run = tumorlens("--help")
    assert run.code == 0
    assert "Examples" in run.out
    for command in COMMANDS:
        assert f" {command} " in run.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(tumorlens, command):
    run = tumorlens(command, "--help")
    assert run.code == 0
    assert "Examples" in run.out
    assert f"tumorlens {command}" in run.out.replace("\n", " ")


def test_no_command_shows_the_help(tumorlens):
    run = tumorlens()
    assert "predict" in run.out + run.err
    assert run.code in (0, 2)


def test_a_command_that_does_not_exist_ends_with_2_and_a_guess(tumorlens):
    run = tumorlens("predict")
    assert run.code == 2
    assert "predict" in run.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_options(shell):
    script = subprocess.run(
        [sys.executable, "-m", "tumorlens"],
        env=os.environ | {"_TUMORLENS_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "_TUMORLENS_COMPLETE" in script


@pytest.mark.parametrize(
    ("words", "completed"),
    [("tumorlens pre", "predict"), ("tumorlens predict --over", "--overlay")],
)
def test_completion_knows_the_lazy_commands(words, completed):
    env = {
        "_TUMORLENS_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tumorlens"],
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed in done.stdout.split()


def test_answering_imports_no_other_command():
    code = (
        "import sys; from tumorlens.cli.app import app;"
        "from typer.testing import CliRunner;"
        "CliRunner().invoke(app, ['predict', '--help']);"
        "print([n for n in sys.modules if n in ('tumorlens.cli.train', 'tumorlens.cli.export',"
        " 'tumorlens.cli.doctor', 'torch')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def fail_with(error: BaseException):
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModelNotFound("no such model"), ExitCode.WRONG_USE),
        (MissingExtra("train", "Training"), ExitCode.WRONG_USE),
        (ModelCorrupt("damaged"), ExitCode.SOME_UNANSWERED),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (ZeroDivisionError("a fault"), ExitCode.SOME_UNANSWERED),
    ],
)
def test_every_error_becomes_a_line_and_a_code(error, code, capsys):
    with pytest.raises(typer.Exit) as raised:
        guarded(fail_with(error), shows_tracebacks=False)()
    assert raised.value.exit_code == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("tumorlens: ")
    if isinstance(error, ZeroDivisionError):
        assert "ZeroDivisionError: a fault" in said.err
        assert "--debug" in said.err


def test_debug_shows_the_traceback_of_a_fault():
    with pytest.raises(ZeroDivisionError):
        guarded(fail_with(ZeroDivisionError()), shows_tracebacks=True)()


@pytest.mark.parametrize("kind", [typer.Exit, typer.Abort])
def test_the_programs_own_exits_pass(kind):
    with pytest.raises(kind):
        guarded(fail_with(kind()), shows_tracebacks=False)()
