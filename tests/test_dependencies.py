"""If this fails, somebody installs a library without being told its licence and what it is for."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGE = (ROOT / "docs" / "concepts" / "dependencies.md").read_text().lower()


def libraries():
    given = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    names = {re.match(r"[\w.-]+", one)[0].lower() for some in given for one in some}
    return sorted(names - {"tumorlens"})


@pytest.mark.parametrize("name", libraries())
def test_every_library_has_its_line(name):
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", row) for row in rows)
