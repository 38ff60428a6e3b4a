"""If these fail, the network that marks lesions cannot be calibrated, explained or watched."""

import numpy as np
import onnx
import pytest
import torch
from rich.console import Console

import tumorlens
from tests.train.dense.test_training import SMALL, draw
from tumorlens import drift
from tumorlens.analysis import analyze_one
from tumorlens.cli.calibrate import _show
from tumorlens.decide.finding import Status
from tumorlens.drift import monitor
from tumorlens.evaluate import controls, metrics
from tumorlens.evaluate.evidence import gather as gathering
from tumorlens.evaluate.evidence.gather import gather
from tumorlens.evaluate.evidence.pages import pages
from tumorlens.evaluate.evidence.record import to_json
from tumorlens.explanation import explain_scan
from tumorlens.model.load import load_file
from tumorlens.scan import read
from tumorlens.train.decision import fit
from tumorlens.train.decision.fit import Calibrated, calibrate_file
from tumorlens.train.decision.graph import pooled_features
from tumorlens.train.dense.level import LEVELS
from tumorlens.train.export.convert import export
from tumorlens.train.recipe import load_recipe
from tumorlens.train.run import Silent, train


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("marked")
    draw(folder / "drawn")
    return folder


@pytest.fixture(scope="module")
def files(root, tmp_path_factory):
    """The model file that training wrote, and the calibrated one."""
    folder = tmp_path_factory.mktemp("run")
    settings = (*SMALL, "fit.epochs=1", "dense.small_first.epochs=0", "dense.draws.images=16")
    run = train(
        load_recipe("tumorlens-v1", settings), root, folder / "run",
        init=None, device=torch.device("cpu"), watcher=Silent(),
    )  # fmt: skip
    written, target = folder / "model.onnx", folder / "calibrated.onnx"
    export(run.folder, written)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "FEWEST_HELD_OUT", 8)
        calibrate_file(load_file(written, threads=1), root, target, manifest=run.manifest)
    return written, target


@pytest.fixture(scope="module")
def model(files):
    return load_file(files[1], threads=1)


@pytest.fixture
def findings(root, model):
    return list(tumorlens.analyze(root / "drawn/images", model=model))


def test_every_part_of_the_decision_is_fitted(model):
    decision = model.metadata.decision
    assert decision.picture is not None
    assert decision.operating.sensitivity >= 0.97
    assert len(decision.conformal) == 50
    assert decision.frame_energy > 0
    assert decision.neighbours is not None
    assert [one.name for one in decision.reference]
    assert model.gives_mask


def test_what_counts_as_marked_is_fitted_on_the_same_pictures_as_in_training(files, model):
    written = load_file(files[0], threads=1).metadata.mask
    assert model.metadata.mask == written
    assert written.level in LEVELS


def test_what_counts_as_marked_is_told(model):
    console = Console(record=True, width=200)
    _show(console, Calibrated(model.metadata, held_out=1, notes=()))
    told = console.export_text()
    assert f"outlines from a probability of {model.metadata.mask.level:.2f} up" in told


def test_its_deepest_features_are_what_examples_are_compared_by(files):
    before = onnx.load(files[0])
    assert pooled_features(before) is not None
    assert load_file(files[1], threads=1).metadata.decision.neighbours.dimensions > 1


def test_calibrating_changes_no_mark(files, root):
    picture = next(read(root / "drawn/images/100.png")).pixels[16:80, 16:80][None, None]
    before, after = (load_file(path, threads=1).run(picture.copy()) for path in files)
    np.testing.assert_allclose(before.mask, after.mask, atol=1e-5)
    assert after.embedding.shape[0] == 1


def test_what_is_no_brain_is_rejected_by_it(model):
    noise = np.random.default_rng(0).random((96, 96)).astype(np.float32)
    found = analyze_one(noise, model=model)
    assert found.status is Status.REJECTED
    assert "picture" in [reason.code for reason in found.reasons]


def test_its_answers_are_explained(root, model):
    found = explain_scan(next(read(root / "drawn/images/100.png")), model).explanation
    assert len(found.neighbours) == 5
    assert 0 <= found.stability <= 1


def test_its_scans_are_watched(findings, model, monkeypatch):
    monkeypatch.setattr(drift, "FEWEST", 20)
    records = [one.model_dump(mode="json") for one in findings]
    found = monitor(records, model)
    assert {one.name for one in found.figures} == {"novelty", "unlikeness", "tumor_probability"}


def test_its_evidence_is_measured_and_written(root, model, monkeypatch):
    monkeypatch.setattr(metrics, "RESAMPLES", 20)
    monkeypatch.setattr(gathering, "LEVEL_IMAGES", 4)
    monkeypatch.setattr(controls, "TREES", 3)
    found = gather(model, root, counting=lambda _: lambda _d, _t: None).evidence
    assert found.subject.gives_mask
    assert [one.who for one in found.maps] == ["the model", "shuffled weights"]
    assert all(np.isfinite(figure.value) for one in found.maps for figure in one.figures)
    assert "a mask" in pages(found)["model-card.md"]
    assert to_json(found)
