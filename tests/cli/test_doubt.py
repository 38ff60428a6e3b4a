"""If these fail, the commands about doubt answer with a traceback or a wrong exit code."""

import json

import pytest
from PIL import Image

from tumorlens.cli.app import app
from tumorlens.scan import draw_phantom


@pytest.fixture
def run(tiny_model_path):
    from typer.testing import CliRunner

    def invoke(*arguments, model=True):
        named = ["--model", str(tiny_model_path)] if model else []
        return CliRunner().invoke(app, [*map(str, arguments), *named])

    return invoke


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "scan.png"
    pixels = draw_phantom(4, tumor="meningioma", size=128).pixels
    Image.fromarray((255 * pixels).astype("uint8")).save(path)
    return path


def test_an_answer_is_explained_in_words_numbers_and_pictures(run, picture, tmp_path):
    done = run("explain", picture, "--out", tmp_path / "why")
    assert done.exit_code == 0, done.output
    assert "Stability" in done.stdout
    assert len(list((tmp_path / "why").glob("*.png"))) == 2
    done = run("explain", picture, "--format", "json")
    assert json.loads(done.stdout.splitlines()[0])["record"] == "explanation"


def test_what_cannot_be_explained_is_named(run, picture, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    black = tmp_path / "black.png"
    Image.new("L", (96, 96)).save(black)
    done = run("explain", bad, black, picture)
    assert done.exit_code == 1
    assert "bad.png" in done.stderr
    assert "rejected" in done.stderr
    assert "Stability" in done.stdout


def test_shapley_values_need_a_place(run, picture):
    assert run("explain", picture, "--shap").exit_code == 2


def test_a_model_without_other_coverages_says_so(run, picture):
    done = run("predict", picture, "--coverage", "0.8")
    assert done.exit_code == 2
    assert "coverage" in done.stderr


def test_monitoring_by_a_model_without_a_reference_fails_in_words(run, picture, tmp_path):
    findings = tmp_path / "findings.jsonl"
    findings.write_text(run("predict", picture, "--format", "json").stdout)
    done = run("monitor", findings)
    assert done.exit_code == 1
    assert "calibrate" in done.stderr


def test_calibrating_a_model_from_elsewhere_fails_in_words(run, tmp_path, tiny_model_path):
    given = ("calibrate", tiny_model_path, "--data", tmp_path, "--out", tmp_path / "a.onnx")
    done = run(*given, model=False)
    assert done.exit_code == 2
    assert "how it was trained" in done.stderr
