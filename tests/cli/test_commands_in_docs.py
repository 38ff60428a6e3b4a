"""If these fail, a page shows a command that the program does not take."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from tumorlens.cli.app import app

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CALL = re.compile(r"(?:\$ )?(?:torchrun .* -m |\w+=\S+ )*tumorlens (.+)")


def commands_of(page):
    """The words after ``tumorlens`` of each command that a page shows."""
    for block in re.findall(r"```(?:console|sh)\n(.*?)```", page.read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if found := CALL.fullmatch(line.strip()):
                yield shlex.split(found[1], comments=True)


def unknown_in(words):
    """The first sub-command or option that the program does not have; None where all are known."""
    command = get_command(app)
    context = typer.Context(command)
    words = list(words)
    while hasattr(command, "list_commands") and words and not words[0].startswith("-"):
        if words[0] not in command.list_commands(context):
            return words[0]
        command = command.get_command(context, words.pop(0))
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    options = [word.split("=")[0] for word in words if word.startswith("--")]
    return next((name for name in options if name not in {*known, "--help"}), None)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(commands_of(page))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_command_of_a_page_is_there_with_its_options(page):
    wrong = {" ".join(words): name for words in commands_of(page) if (name := unknown_in(words))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("line", "wrong"),
    [("teach cnn-4class", "teach"), ("train cnn-4class --epochs 3", "--epochs"), ("doctor", None)],
)
def test_what_is_not_there_is_found(line, wrong):
    assert unknown_in(line.split()) == wrong
