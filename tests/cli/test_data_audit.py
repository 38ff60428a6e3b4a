"""If these fail, a person who audits a data set is told the wrong thing, or nothing at all."""

import pytest

from tests.data.audit.conftest import draw_head, make_leaky

TRACEBACK = "Traceback"


def test_the_group_explains_itself_and_its_commands(tumorlens):
    run = tumorlens("data", "--help")
    assert run.code == 0
    assert " audit " in run.out
    assert "tumorlens data audit" in tumorlens("data", "audit", "--help").out.replace("\n", " ")


def test_a_leaking_set_is_told_and_written(tumorlens, tmp_path):
    run = tumorlens("data", "audit", make_leaky(tmp_path), "--out", tmp_path / "out")
    assert run.code == 0
    assert "2 of 6 (33.3%) test images of leaky have a copy in train" in " ".join(run.out.split())
    assert "different pictures" in run.out
    for name in ("audit.html", "audit.json", "files.csv", "copies.csv", "problems.csv"):
        assert (tmp_path / "out" / name).is_file()
    assert "audit.html shows the pictures" in run.err


@pytest.mark.parametrize(("seeds", "code"), [((1, 2, 3, 1), 1), ((1, 2, 3, 4), 0)])
def test_fail_on_leak_decides_the_exit_code(tumorlens, tmp_path, seeds, code):
    for i, seed in enumerate(seeds):
        draw_head(tmp_path / "set" / ("train", "test")[i // 2] / "ab"[i % 2] / f"{i}.png", seed)
    assert tumorlens("data", "audit", tmp_path / "set", "--fail-on-leak").code == code
    assert tumorlens("data", "audit", tmp_path / "set").code == 0


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no labelled images"),
        ({"notes.txt": "x"}, "no labelled images"),
        ({"index.csv": "picture,kind\na,b\n"}, "needs the columns image and label"),
        ({"index.csv": ""}, "has none"),
    ],
    ids=["empty", "no images", "missing columns", "empty table"],
)
def test_what_cannot_be_audited_is_wrong_use(tumorlens, tmp_path, files, words):
    root = tmp_path / "set"
    root.mkdir()
    for name, text in files.items():
        (root / name).write_text(text)
    run = tumorlens("data", "audit", root)
    assert run.code == 2
    assert words in " ".join(run.err.split())
    assert str(root) in "".join(run.err.split())
    assert TRACEBACK not in run.err


def test_a_folder_that_is_not_there_is_wrong_use(tumorlens, tmp_path):
    run = tumorlens("data", "audit", tmp_path / "gone")
    assert run.code == 2
    assert "no such folder" in run.err


def test_a_missing_library_is_told_with_what_installs_it(tumorlens, tmp_path, monkeypatch):
    import builtins

    real = builtins.__import__

    def without_scikit_learn(name, *arguments, **options):
        if name.split(".")[0] == "sklearn":
            raise ModuleNotFoundError(name, name=name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_scikit_learn)
    run = tumorlens("data", "audit", make_leaky(tmp_path))
    assert run.code == 2
    assert 'pip install "tumorlens[data]"' in run.err


def test_hostile_names_reach_no_terminal(tumorlens, tmp_path):
    draw_head(tmp_path / "set" / "a\x1b[31mred" / "x\x1b[2J.png", 1)
    draw_head(tmp_path / "set" / "b" / "y.png", 1)
    run = tumorlens("data", "audit", tmp_path / "set")
    assert run.code == 0
    assert "\x1b" not in run.out + run.err
