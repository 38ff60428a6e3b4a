"""If these fail, the program misbehaves between other programs: in a pipe, at a terminal, when it
is stopped, or with a file's name that is not text."""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM

TRACEBACK = "Traceback"
MANY = 1500


@pytest.fixture
def predict(start, tiny_model_path):
    """Starts ``tumorlens predict`` with the tiny model."""

    def run(*arguments, **options):
        return start("predict", "--model", tiny_model_path, *arguments, **options)

    return run


def test_a_reader_that_goes_away_ends_it_quietly(predict, finish, lesion_png):
    process = predict(*[lesion_png] * MANY, "-f", "json")
    first = process.stdout.readline()
    process.stdout.close()
    process.stdout = open(os.devnull, "rb")  # noqa: SIM115, PTH123
    run = finish(process)
    assert json.loads(first)["record"] == "finding"
    assert run.code == 141
    assert run.err == ""


def test_ctrl_c_stops_it_with_what_was_answered(predict, finish, interrupt, lesion_png):
    process = predict(*[lesion_png] * MANY, "-f", "json")
    first = process.stdout.readline()
    interrupt(process)
    run = finish(process, first)
    assert run.code == 130
    assert TRACEBACK not in run.err
    assert 1 <= len([json.loads(line) for line in run.out.splitlines()]) < MANY


def test_ctrl_c_keeps_the_rows_of_the_table(predict, finish, interrupt, lesion_png, tmp_path):
    pictures = tmp_path / "pictures"
    process = predict(*[lesion_png] * MANY, "--overlay", pictures)
    while not (pictures.is_dir() and any(pictures.iterdir())):
        assert process.poll() is None
    interrupt(process)
    run = finish(process)
    assert run.code == 130
    assert "tumor found" in run.out
    assert TRACEBACK not in run.err


def test_a_name_that_is_not_text_is_answered(predict, finish, lesion_png, tmp_path):
    name = os.fsencode(tmp_path) + b"/sc\xffan.png"
    shutil.copy(os.fsencode(lesion_png), name)
    for form in ("json", "table", "csv"):
        run = finish(predict(name, "-f", form, "--overlay", tmp_path / "out"))
        assert run.code == 0, run.err
        assert "tumor" in run.out
        assert "sc" in run.out
    assert len(list((tmp_path / "out").iterdir())) == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_old_terminal_shows_what_it_can(predict, finish, lesion_png, tmp_path, encoding):
    path = tmp_path / "größe 脑.png"
    shutil.copy(lesion_png, path)
    env = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    run = finish(predict(path, env=env))
    assert run.code == 0
    assert TRACEBACK not in run.err
    run = finish(predict(path, "-f", "json", env=env))
    assert json.loads(run.out)["scan"]["source"] == str(path)


def test_the_bar_is_drawn_on_the_terminal_and_never_in_the_output(
    predict, finish, lesion_png, healthy_png
):
    terminal, its_end = pty.openpty()
    process = predict(*[lesion_png, healthy_png] * 10, "-f", "json", stderr=its_end)
    os.close(its_end)
    process.stderr = os.fdopen(terminal, "rb", buffering=0)
    lines = process.stdout.read().splitlines()
    drawn = _read_all(terminal)
    assert process.wait() == 0
    process.stdout.close()
    process.stderr.close()
    assert [json.loads(line)["status"] for line in lines] == ["tumor", "no_tumor"] * 10
    assert b"answering" in drawn
    assert b"20 slices" in drawn


def _read_all(terminal: int) -> bytes:
    data = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            return data
        if not piece:
            return data
        data += piece


def test_elsewhere_there_is_no_bar(predict, finish, lesion_png):
    run = finish(predict(*[lesion_png] * 3))
    assert "\x1b" not in run.err
    assert "\x1b" not in run.out
    assert len(run.err.splitlines()) == 2


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_closed_output_does_not_stop_the_work(tiny_model_path, lesion_png, tmp_path, form):
    words = (*PROGRAM, "predict", lesion_png, "-m", tiny_model_path, "-f", form)
    for closed, name in ((">&-", "out"), ("2>&-", "err"), (">&- 2>&-", "both")):
        pictures = tmp_path / name
        command = shlex.join(map(str, [*words, "--overlay", pictures]))
        done = subprocess.run(
            ["sh", "-c", f"{command} {closed}"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert len(list(pictures.iterdir())) == 1
        assert ("tumor" in done.stdout) == (name == "err")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [["--help"], ["--version"], ["predict", "--help"], ["doctor"]])
def test_output_without_room_is_told_in_one_line(words):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "the output cannot be used: No space left on device" in done.stderr
    assert "report" not in done.stderr
    assert TRACEBACK not in done.stderr


def test_a_reader_of_the_table_that_goes_away_is_told_by_the_code(predict, finish, lesion_png):
    process = predict(lesion_png)
    process.stdout.close()
    process.stdout = open(os.devnull, "rb")  # noqa: SIM115, PTH123
    run = finish(process)
    assert run.code == 141
    assert TRACEBACK not in run.err
