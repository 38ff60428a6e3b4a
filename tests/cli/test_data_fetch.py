"""If these fail, people get sets whose licence they never saw, or cannot get them at all."""

import dataclasses
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from tumorlens.data import sources


@pytest.fixture
def archive(tmp_path):
    """A zip of a small yes/no set, as a person downloads it."""
    picture = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(picture, "PNG")
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("yes/a.png", "yes/b.png", "no/c.png"):
            file.writestr(name, picture.getvalue())
    return path


def test_without_a_name_every_set_is_listed_with_its_terms(tumorlens):
    for arguments in ((), ("--list",), ("cheng", "--list")):
        done = tumorlens("data", "fetch", *arguments)
        assert done.code == 0
        for one in sources.SETS.values():
            assert one.licence in done.out
            assert one.citation in done.out
            assert one.page in done.out


def test_an_unknown_name_offers_the_nearest(tumorlens):
    done = tumorlens("data", "fetch", "chang")
    assert done.code == 2
    assert "did you mean cheng?" in done.err


def test_nothing_is_fetched_before_the_terms_are_accepted(tumorlens, archive, tmp_path):
    done = tumorlens("data", "fetch", "br35h", "--from", archive, "--out", tmp_path / "sets")
    assert done.code == 2
    assert "do not hand it on" in done.err
    assert "tumorlens data fetch br35h --yes" in done.err
    assert not (tmp_path / "sets").exists()


def test_a_zip_that_was_downloaded_is_laid_out(tumorlens, archive, tmp_path):
    out = tmp_path / "sets"
    done = tumorlens("data", "fetch", "br35h", "--from", archive, "--out", out, "--yes")
    assert done.code == 0, done.err
    assert "3 labelled images; the set is ready" in done.err
    assert "3000 were expected" in done.err
    assert (out / "br35h" / "yes" / "a.png").is_file()
    again = tumorlens("data", "fetch", "br35h", "--out", out)
    assert again.code == 0
    assert "unchanged since it was fetched" in again.err


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2)])
def test_on_a_terminal_a_person_is_asked(archive, tmp_path, monkeypatch, answer, code):
    from typer.testing import CliRunner

    from tumorlens.cli import data_fetch
    from tumorlens.cli.app import app

    monkeypatch.setattr(data_fetch, "_has_terminal", lambda: True)
    out = tmp_path / "sets"
    done = CliRunner().invoke(
        app, ["data", "fetch", "br35h", "--from", str(archive), "--out", str(out)], input=answer
    )
    assert done.exit_code == code
    assert "Get it under these terms?" in done.stderr
    assert (out / "br35h").exists() == (code == 0)


def test_no_network_is_said_in_one_line(tumorlens, tmp_path, monkeypatch):
    gone = dataclasses.replace(sources.SETS["br35h"], base="http://127.0.0.1:9/")
    monkeypatch.setitem(sources.SETS, "br35h", gone)
    monkeypatch.setattr("tumorlens.data.fetch.download.SECONDS_BETWEEN_TRIES", 0.0)
    done = tumorlens("data", "fetch", "br35h", "--yes", "--out", tmp_path)
    assert done.code == 1
    assert "is there a network" in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []
