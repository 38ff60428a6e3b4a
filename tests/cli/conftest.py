"""The program as a user runs it: in this process for speed, or as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tumorlens.cli.app import app
from tumorlens.model import registry
from tumorlens.scan import draw_phantom

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = (sys.executable, "-m", "tumorlens")
TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Run:
    """What the program did.

    Attributes:
        code: Its exit code.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
        peak_bytes: The most memory that it held; 0 where it was not measured.
    """

    code: int
    out: str
    err: str
    peak_bytes: int = 0


@pytest.fixture
def no_bundled_model(tmp_path, monkeypatch):
    """The program finds no models but those that the test gives it."""
    monkeypatch.setattr(registry, "BUNDLED", tmp_path / "none")
    monkeypatch.delenv(registry.FOLDERS_VARIABLE, raising=False)


@pytest.fixture
def tumorlens(no_bundled_model):
    """Runs the program in this process."""

    def run(*arguments: object) -> Run:
        done = CliRunner().invoke(app, [str(one) for one in arguments], prog_name="tumorlens")
        return Run(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def start():
    """Starts the program as a process of its own, with pipes for its output."""

    def run(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        command = [*PROGRAM, *(one if isinstance(one, bytes) else str(one) for one in arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, **(pipes | options))

    return run


@pytest.fixture
def finish():
    """Waits for a started program, measures its memory, and collects what it wrote."""

    def run(process: subprocess.Popen[bytes], out: bytes = b"") -> Run:
        # Errors are few and fit their pipe; reading output to its end lets the program end.
        out += process.stdout.read()
        err = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        process.returncode = code
        process.stdout.close()
        process.stderr.close()
        text, said = out.decode(errors="replace"), err.decode(errors="replace")
        return Run(code, text, said, usage.ru_maxrss * 1024)

    return run


@pytest.fixture(scope="session")
def lesion_png(tmp_path_factory) -> Path:
    """A drawn slice with a tumor that the tiny model finds."""
    return draw(tmp_path_factory.mktemp("scans") / "lesion.png", tumor="meningioma")


@pytest.fixture(scope="session")
def healthy_png(tmp_path_factory) -> Path:
    """The same drawn slice without the tumor."""
    return draw(tmp_path_factory.mktemp("scans") / "healthy.png")


def draw(path: Path, tumor: str | None = None) -> Path:
    pixels = draw_phantom(2, tumor=tumor, size=128).pixels
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def interrupt():
    """Sends the signal of Ctrl-C to a started program."""
    return lambda process: process.send_signal(signal.SIGINT)
