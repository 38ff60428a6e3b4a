"""If these fail, what is published of a model speaks of another file, or is measured twice."""

import json

import numpy as np
import pytest
from PIL import Image

from tumorlens.evaluate import controls, holdout, metrics
from tumorlens.model.load import load_file
from tumorlens.scan import draw_phantom


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A set of heads, and beside it pictures of which the evidence makes no use."""
    root = tmp_path_factory.mktemp("sets") / "drawn"
    for number, kind in enumerate((None, "glioma", "meningioma", "pituitary")):
        for i in range(6):
            folder = root / ("Testing" if i < 2 else "Training") / (kind or "no_tumor")
            folder.mkdir(parents=True, exist_ok=True)
            pixels = draw_phantom(10 * number + i, tumor=kind, size=96).pixels
            Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(folder / f"{i}.png")
    return root


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(metrics, "RESAMPLES", 20)
    monkeypatch.setattr(controls, "TREES", 3)


@pytest.mark.usefixtures("quick")
def test_one_command_measures_publishes_and_writes_the_evidence_of_one_file(
    tumorlens, drawn, tiny_model_path, tmp_path, monkeypatch
):
    calls = []
    measure = holdout.beside_controls
    monkeypatch.setattr(
        holdout, "beside_controls", lambda *a, **k: calls.append(a) or measure(*a, **k)
    )
    target = tmp_path / "installed" / "tiny.onnx"
    done = tumorlens(
        "evaluate", tiny_model_path, "--data", drawn, "--out", tmp_path / "out",
        "--evidence", tmp_path / "evidence", "--publish", target,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert len(calls) == 1
    assert not list((tmp_path / "evidence").glob("*.html"))
    evaluation = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    evidence = json.loads((tmp_path / "evidence" / "evidence.json").read_text())
    registry = json.loads((tmp_path / "installed" / "registry.json").read_text())
    published = load_file(target, threads=1)
    assert published.sha256 == registry["models"]["tiny"]["sha256"]
    assert published.sha256 == evaluation["model_sha256"] == evidence["subject"]["sha256"]
    inside = [metric.model_dump(mode="json") for metric in published.metadata.metrics]
    assert inside == evaluation["metrics"] == evidence["evaluation"]["metrics"]
    picture = draw_phantom(1, tumor="glioma", size=64).pixels[None, None]
    before = load_file(tiny_model_path, threads=1).run(picture).probabilities
    np.testing.assert_array_equal(published.run(picture).probabilities, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the folder to write to"),
        (("--out", "o", "--also", "other.onnx"), "for the evidence"),
        (("--evidence", "e", "--publish", "new.onnx"), "--out must be given"),
        (("--out", "o", "--publish", "new.zip"), "ends in .onnx"),
        (("--evidence", "e", "--also", "gone.onnx"), "gone.onnx"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_measured(
    tumorlens, drawn, tiny_model_path, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    done = tumorlens("evaluate", tiny_model_path, "--data", drawn, *arguments)
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert list(tmp_path.iterdir()) == []


def test_evidence_of_a_table_of_answers_is_refused(tumorlens, drawn, tmp_path):
    done = tumorlens("evaluate", "answers.csv", "--data", drawn, "--evidence", tmp_path / "e")
    assert done.code == 2
    assert "table of answers" in " ".join(done.err.split())
