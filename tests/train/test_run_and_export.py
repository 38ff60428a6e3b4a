"""If these fail, the model file does not say what the trained network says."""

import json
import shutil

import numpy as np
import onnx
import pytest
import torch

from tumorlens.cli.display import Display
from tumorlens.data import manifest
from tumorlens.errors import DatasetError, ModelCorrupt, ModelIncompatible, RecipeError
from tumorlens.evaluate.holdout import evaluate, held_out_entries, predict
from tumorlens.model.format import Metric
from tumorlens.model.prepare import prepare
from tumorlens.model.registry import installed_models, load_model
from tumorlens.scan import read
from tumorlens.train.decision.graph import take_temperature
from tumorlens.train.export import convert as export_module
from tumorlens.train.export.compare import Tolerance
from tumorlens.train.export.convert import export
from tumorlens.train.export.publish import register
from tumorlens.train.run import choose_device, train


@pytest.fixture(scope="module")
def model_file(drawn_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "drawn.onnx"
    export(drawn_run.folder, path)
    return path


def test_a_run_leaves_what_a_person_and_an_export_need(drawn_run):
    for part in ("select", "refit"):
        lines = (drawn_run.folder / part / "curves.csv").read_text().splitlines()
        assert lines[0].startswith("epoch,learning_rate,train_loss")
        assert (drawn_run.folder / part / "curves.png").read_bytes()[:4] == b"\x89PNG"
    for file in (drawn_run.manifest, drawn_run.calibration, drawn_run.weights, drawn_run.novelty):
        assert file.is_file(), file


def test_the_graph_says_what_the_network_says(drawn_run, tmp_path):
    found = export(drawn_run.folder, tmp_path / "again.onnx").differences.by_output
    assert found.keys() == {"probabilities", "heatmap", "novelty"}
    assert max(found.values()) < 1e-4


def test_the_mean_of_a_heatmap_is_the_logit_of_its_class(model_file):
    model = load_model(model_file)
    image = np.random.default_rng(0).random((2, 1, 64, 64), np.float32)
    outputs = model.run(image)
    logits = outputs.heatmap.mean(axis=(2, 3))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.allclose(powers / powers.sum(axis=1, keepdims=True), outputs.probabilities, atol=1e-4)


def test_the_temperature_can_be_taken_out_of_an_exported_graph(drawn_run, model_file, tmp_path):
    kept = json.loads(drawn_run.calibration.read_text())["temperature"]
    assert kept != 1.0
    proto = onnx.load(model_file)
    assert take_temperature(proto) == pytest.approx(kept)
    onnx.save(proto, tmp_path / "undivided.onnx")
    image = np.random.default_rng(0).random((4, 1, 64, 64), np.float32)
    before, after = (
        np.log(load_model(path).run(image).probabilities)
        for path in (model_file, tmp_path / "undivided.onnx")
    )
    before, after = (one - one.mean(axis=1, keepdims=True) for one in (before, after))
    assert np.allclose(after, kept * before, atol=1e-3)


def test_a_graph_that_differs_is_never_left_behind(drawn_run, tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "SAME_GRAPH", Tolerance(-1.0, -1.0, -1.0))
    with pytest.raises(ModelIncompatible, match="differs from what it was made of"):
        export(drawn_run.folder, tmp_path / "wrong.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_file_carries_what_an_answer_needs_and_no_path_of_this_machine(drawn_run, model_file):
    metadata = load_model(model_file).metadata
    assert metadata.classes == ("no_tumor", "glioma", "meningioma", "pituitary")
    assert metadata.thresholds.conformal is not None
    assert metadata.thresholds.novelty_rejected >= metadata.thresholds.novelty_uncertain
    assert metadata.data[0].images == 32  # of 40, the 8 of the test fold are not training data
    content = model_file.read_bytes()
    assert b"site-packages" not in content
    assert str(drawn_run.folder).encode() not in content


def test_novelty_is_higher_for_noise_than_for_learnt_heads(drawn_run, model_file, drawn_root):
    model = load_model(model_file)
    scans = [next(read(drawn_root / e.name)) for e in manifest.load(drawn_run.manifest)]
    heads = [prepare(scan.pixels, model.metadata.input).tensor for scan in scans]
    noise = np.random.default_rng(0).random((8, 1, 64, 64), np.float32)
    assert np.median(model.run(noise).novelty) > np.median(model.run(np.stack(heads)).novelty)


def test_an_evaluation_counts_every_test_image_once(drawn_run, model_file, drawn_root):
    model = load_model(model_file)
    entries = [e for e in manifest.load(drawn_run.manifest) if e.fold == 1]
    result = evaluate(model, entries, predict(model, drawn_root, entries))
    assert sum(map(sum, result.confusion.counts)) == len(entries) == 8
    assert {m.name for m in result.metrics} >= {"accuracy", "tumor kind accuracy", "tumor AUROC"}
    assert all(m.low <= m.value <= m.high for m in result.metrics)


def test_the_test_fold_is_proven_unseen(drawn_run, model_file, drawn_root, tmp_path):
    metadata = load_model(model_file).metadata
    assert held_out_entries(metadata, drawn_root, None) == held_out_entries(
        metadata, drawn_root, drawn_run.manifest
    )
    swapped = drawn_run.manifest.read_text().replace(",1\n", ",9\n").replace(",3\n", ",1\n")
    (tmp_path / "other.csv").write_text(swapped)
    with pytest.raises(DatasetError, match="could be among the test images"):
        held_out_entries(metadata, drawn_root, tmp_path / "other.csv")


def test_figures_travel_in_the_file_and_its_hash_in_the_registry(drawn_run, tmp_path, monkeypatch):
    figure = Metric(name="accuracy", value=0.5, low=0.4, high=0.6, on="fold 1 of drawn", count=8)
    path = tmp_path / "drawn.onnx"
    register(path, export(drawn_run.folder, path, [figure]).metadata.name)
    monkeypatch.setenv("TUMORLENS_MODELS", str(tmp_path))
    listed = [m for m in installed_models() if m.path == path]
    assert [m.published_sha256 for m in listed] == [load_model(path).sha256]
    assert load_model(path).metadata.metrics == (figure,)


def test_going_on_with_other_settings_is_refused(drawn_run, drawn_root, small_recipe):
    with pytest.raises(RecipeError, match="another recipe or with other settings"):
        train(
            small_recipe("seed=7"), drawn_root, drawn_run.folder,
            init=None, device=torch.device("cpu"), watcher=Display(),
        )  # fmt: skip


def test_going_on_by_another_manifest_is_refused(drawn_run, drawn_root, small_recipe):
    entries = manifest.load(drawn_run.manifest)
    recipe = small_recipe("fit.epochs=2", "fit.batch=8")
    with pytest.raises(RecipeError, match="another manifest"):
        train(
            recipe, drawn_root, drawn_run.folder,
            init=None, device=torch.device("cpu"), watcher=Display(), entries=entries[1:],
        )  # fmt: skip


def test_a_start_that_failed_does_not_bind_the_next_one(drawn_root, small_recipe, tmp_path):
    folder = tmp_path / "run"
    for settings in ("data.validation_fold=9", "data.validation_fold=8"):
        with pytest.raises(DatasetError, match="validation folds hold no image"):
            train(
                small_recipe(settings), drawn_root, folder,
                init=None, device=torch.device("cpu"), watcher=Display(),
            )  # fmt: skip


def test_a_wrong_weight_file_is_told_before_anything_else(drawn_root, small_recipe, tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"nonsense")
    with pytest.raises(ModelCorrupt, match="not a Keras model: it is neither HDF5"):
        train(
            small_recipe(), drawn_root, tmp_path / "run",
            init=tmp_path / "weights.h5", device=torch.device("cpu"), watcher=Display(),
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["weights.pt", "novelty.npz", "calibration.json"])
def test_a_damaged_run_is_named_and_not_exported(drawn_run, tmp_path, name):
    shutil.copytree(drawn_run.folder, tmp_path / "run")
    file = tmp_path / "run" / name
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ModelCorrupt, match=f"{name}: it is damaged"):
        export(tmp_path / "run", tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_an_unfinished_run_cannot_be_exported(tmp_path, small_recipe):
    with pytest.raises(RecipeError, match="no training run"):
        export(tmp_path, tmp_path / "x.onnx")
    (tmp_path / "recipe.json").write_text(small_recipe().model_dump_json())
    with pytest.raises(RecipeError, match="not finished"):
        export(tmp_path, tmp_path / "x.onnx")


def test_cuda_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    assert choose_device("auto").type == "cpu"
    with pytest.raises(RecipeError, match="no CUDA device"):
        choose_device("cuda")


def test_a_device_that_is_none_is_refused():
    with pytest.raises(RecipeError, match="auto, cpu, cuda"):
        choose_device("gpu")
