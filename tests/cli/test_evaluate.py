"""If these fail, a model from elsewhere cannot be measured, or its figures claim too much."""

import csv
import json

import pytest

from tests.cli.conftest import draw
from tumorlens.data import manifest
from tumorlens.data.split import SplitBy, split
from tumorlens.evaluate import controls, metrics

KINDS = {"notumor": None, "glioma_tumor": "glioma", "meningioma_tumor": "meningioma"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(metrics, "RESAMPLES", 30)
    monkeypatch.setattr(controls, "TREES", 5)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A set with Training and Testing; one of its test slices is learnt from."""
    import numpy as np
    from PIL import Image

    from tumorlens.scan import draw_phantom

    root = tmp_path_factory.mktemp("sets") / "drawn"
    for number, (name, kind) in enumerate(KINDS.items()):
        for i in range(8):
            side = "Training" if i < 5 else "Testing"
            folder = root / side / name
            folder.mkdir(parents=True, exist_ok=True)
            pixels = draw_phantom(10 * number + i, tumor=kind, size=96).pixels
            Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(folder / f"{i}.png")
    copied = root / "Training" / "notumor" / "0.png"
    (root / "Testing" / "notumor" / "copy.png").write_bytes(copied.read_bytes())
    return root


def test_a_model_from_elsewhere_is_measured_on_folders_of_classes(
    tumorlens, drawn, tiny_model_path, tmp_path
):
    out = tmp_path / "out"
    done = tumorlens("evaluate", tiny_model_path, "--data", drawn, "--out", out)
    assert done.code == 0, done.err
    result = json.loads((out / "evaluation.json").read_text())
    assert result["images"] == 10
    assert result["leak"] == {"images": 10, "same": 1, "near": 1}
    assert result["protocol"] == "authors"
    assert {one["control"] for one in result["controls"]} >= {"copy-detector", "frame only"}
    assert "nothing proves" in " ".join(result["notes"])
    assert "nothing proves" in " ".join(done.out.split())
    assert (out / "evaluation.html").stat().st_size > 10_000


def test_a_set_without_sides_is_measured_whole(tumorlens, drawn, tiny_model_path, tmp_path):
    done = tumorlens(
        "evaluate", tiny_model_path, "--data", drawn / "Training", "--out", tmp_path / "out"
    )
    assert done.code == 0, done.err
    result = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert (result["fold"], result["images"], result["protocol"]) == (None, 15, "grouped")
    assert result["controls"]
    assert result["parts"][0]["on"] == "all of Training"


def test_answers_of_anything_are_measured_from_a_table(tumorlens, drawn, tmp_path):
    entries = split([drawn], by=SplitBy.OFFICIAL).entries
    manifest.write(entries, tmp_path / "m.csv")
    with (tmp_path / "answers.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "no_tumor", "glioma", "meningioma"])
        for entry in entries:
            right = ["no_tumor", "glioma", "meningioma"].index(entry.label)
            writer.writerow([entry.name, *(0.8 if i == right else 0.1 for i in range(3))])
    arguments = ["--data", drawn.parent, "--manifest", tmp_path / "m.csv", "--out", tmp_path / "o"]
    done = tumorlens("evaluate", tmp_path / "answers.csv", *arguments)
    assert done.code == 0, done.err
    result = json.loads((tmp_path / "o" / "evaluation.json").read_text())
    assert (result["model"], result["leak"]) == ("answers", None)
    values = {m["name"]: m["value"] for m in result["metrics"]}
    assert values["accuracy"] == 1
    assert "No answer was wrong." in (tmp_path / "o" / "evaluation.html").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--data": "gone"}, "no such folder"),
        ({"--manifest": "gone.csv"}, "not a manifest"),
        ({"--unseen": "gone"}, "no such folder"),
        ({"--out": "picture.png"}, "name another folder"),
    ],
)
def test_wrong_use_is_a_sentence(
    tumorlens, drawn, tiny_model_path, tmp_path, monkeypatch, changes, message
):
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "picture.png")
    options = {"--data": drawn, "--out": tmp_path / "out"} | changes
    pairs = [part for pair in options.items() for part in pair]
    done = tumorlens("evaluate", tiny_model_path, *pairs)
    assert done.code in {1, 2}
    assert message in " ".join(done.err.split())
    assert "Traceback" not in done.err
