"""If these fail, a model that marks tumors is measured as if it did not, or in a wrong unit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tumorlens.evaluate import controls, metrics
from tumorlens.scan import draw_phantom

pytest.importorskip("monai")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(metrics, "RESAMPLES", 30)
    monkeypatch.setattr(controls, "TREES", 5)


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """A set whose table names a mask for each tumor."""
    folder = tmp_path_factory.mktemp("sets") / "masked"
    folder.mkdir()
    lines = ["image,mask,label"]
    for seed in range(15):
        kind = ("glioma", "meningioma", None)[seed % 3]
        phantom = draw_phantom(seed, tumor=kind, size=96)
        Image.fromarray((phantom.pixels * 255).astype(np.uint8)).save(folder / f"{seed}.png")
        Image.fromarray(phantom.mask.astype(np.uint8) * 255).save(folder / f"{seed}.mask.png")
        lines.append(f"{seed}.png,{seed}.mask.png,{kind or 'no_tumor'}")
    (folder / "index.csv").write_text("\n".join(lines))
    return folder


def test_masks_are_measured_with_the_rest(tumorlens, tiny_model, masked, tmp_path):
    model = tiny_model(mask=True).save(tmp_path / "m.onnx")
    out = tmp_path / "out"
    done = tumorlens("evaluate", model, "--data", masked, "--out", out, "--pixel-mm", "masked=1.5")
    assert done.code == 0, done.err
    names = [
        metric["name"] for metric in json.loads((out / "evaluation.json").read_text())["metrics"]
    ]
    assert names[-4:] == [
        "mask Dice",
        "mask Dice as answered",
        "lesions found",
        "tumor-free images marked",
    ]
    assert "mask Dice" in done.out
    report = json.loads((out / "segmentation.json").read_text())
    assert any("(mm)" in metric["name"] for metric in report["metrics"])


def test_a_model_without_masks_has_no_such_files(tumorlens, tiny_model_path, masked, tmp_path):
    out = tmp_path / "out"
    done = tumorlens("evaluate", tiny_model_path, "--data", masked, "--out", out)
    assert done.code == 0, done.err
    assert not list(out.glob("segmentation*"))


@pytest.mark.parametrize("given", ["masked", "masked=far", "masked=0", "=0.5", "masked=nan"])
def test_a_size_that_no_pixel_has_is_refused(tumorlens, tiny_model_path, masked, given, tmp_path):
    command = ("evaluate", tiny_model_path, "--data", masked, "--out", tmp_path / "out")
    run = tumorlens(*command, "--pixel-mm", given)
    assert run.code == 2
    assert "mm a pixel" in " ".join(run.err.replace("│", " ").split())
