"""If these fail, what the page on REST tells people to type does not work."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "rest.md"
ADDRESS = "http://127.0.0.1:8000"


def blocks(kind: str) -> list[str]:
    """The blocks of the page in one language."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def place(tmp_path, lesion):
    """A folder with a scan and a file that is none."""
    (tmp_path / "scan.png").write_bytes(lesion)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return tmp_path


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_line_for_the_shell_works_in_turn(place, start_server):
    server = start_server("--history")
    script = "set -eu\n" + "".join(blocks("sh")).replace(ADDRESS, server.url)
    done = subprocess.run(
        ["bash", "-c", script], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in ("overlay.png", "heatmap.png"):
        assert (place / name).read_bytes().startswith(b"\x89PNG")
    assert (place / "report.pdf").read_bytes().startswith(b"%PDF")
    records = [json.loads(line) for line in (place / "answers.jsonl").read_text().splitlines()]
    assert [one["record"] for one in records] == ["finding", "error", "summary"]
    assert json.loads((place / "tumors.json").read_text())["total"] == 1
    assert json.loads((place / "feedback.json").read_text())["verdict"] == "agree"
    assert (place / "findings.csv").read_text().count("scan.png") == 1


def test_every_python_block_works(place, start_server):
    server = start_server()
    said = []
    for code in blocks("py"):
        done = subprocess.run(
            [sys.executable, "-c", code.replace(ADDRESS, server.url)],
            cwd=place, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said += done.stdout.splitlines()
    assert said[0].startswith("scan.png tumor 0.99")
    assert said[-1] == "1 answered, 1 not"
    assert (place / "overlay.png").read_bytes().startswith(b"\x89PNG")
