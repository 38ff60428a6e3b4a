"""If these fail, a user cannot tell which models there are, or what they are worth."""

from __future__ import annotations

import hashlib
import json

import pytest

from tumorlens.model import registry
from tumorlens.model.format import Metric


@pytest.fixture
def own_folder(tmp_path, no_bundled_model, monkeypatch, tiny_model):
    """A folder of the user's own with one good model and one damaged file."""
    metric = Metric(name="AUROC", value=0.87654, low=0.81, high=0.92, on="fold 1", count=321)
    metadata = tiny_model().metadata.model_copy(update={"metrics": (metric,)})
    tiny_model(metadata=metadata).save(tmp_path / "good.onnx")
    (tmp_path / "damaged.onnx").write_bytes(b"nothing")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    return tmp_path


def test_the_table_shows_hash_size_classes_and_figures(own_folder, tumorlens):
    run = tumorlens("models")
    digest = hashlib.sha256((own_folder / "good.onnx").read_bytes()).hexdigest()
    assert run.code == 0
    for words in ("tiny", "1.2", "no_tumor, glioma", "0.0 MB", digest[:12]):
        assert words in run.out
    figures = run.out.splitlines()[-1]
    for words in ("AUROC", "0.877", "0.810 to 0.920", "fold 1", "321"):
        assert words in figures
    assert "damaged cannot be used" in run.err


def test_json_has_all_of_it(own_folder, tumorlens):
    records = [json.loads(line) for line in tumorlens("models", "-f", "json").out.splitlines()]
    damaged, good = sorted(records, key=lambda record: record["name"])
    assert good["sha256"] == hashlib.sha256((own_folder / "good.onnx").read_bytes()).hexdigest()
    assert good["size_bytes"] == (own_folder / "good.onnx").stat().st_size
    assert good["classes"] == ["no_tumor", "glioma", "meningioma", "pituitary"]
    assert good["metrics"][0]["high"] == 0.92
    assert good["problem"] is None
    assert "damaged.onnx" in damaged["problem"]


def test_without_models_it_says_so(tumorlens):
    run = tumorlens("models")
    assert (run.code, run.out) == (0, "")
    assert "no model is installed" in run.err
