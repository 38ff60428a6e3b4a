"""Finished runs of tiny networks, made without training: their weights are chance."""

import numpy as np
import pytest
import torch

from tumorlens.data import manifest
from tumorlens.data.split import split
from tumorlens.model.format import Thresholds
from tumorlens.model.load import load_file
from tumorlens.train.architectures.classifier import build
from tumorlens.train.calibrate import Calibration
from tumorlens.train.dense.train import start_dense
from tumorlens.train.export.convert import export
from tumorlens.train.fit import save_state
from tumorlens.train.recipe import load_recipe
from tumorlens.train.run import Run

KINDS = ("no_tumor", "glioma", "meningioma", "pituitary")
CNN = (
    "network.stages=[{filters=8},{filters=16,batch_norm=true},{filters=16},{filters=16}]",
    "network.dense=[512]",
)
SIDE = 64


def make_run(folder, root, recipe="cnn-4class", classes=KINDS, settings=CNN):
    """What a training run leaves, with weights by chance."""
    chosen = load_recipe(
        recipe,
        [
            f"input.height={SIDE}",
            f"input.width={SIDE}",
            "data.sources=['drawn']",
            f"classes={list(classes)}",
            f"positive={list(classes[1:])}",
            f"task='{'binary' if len(classes) == 2 else 'multiclass'}'",
            "display={}",
            *settings,
        ],
    )
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(folder, chosen)
    (folder / "recipe.json").write_text(chosen.model_dump_json())
    manifest.write(split([root / "drawn"], seed=0).entries, run.manifest)
    torch.manual_seed(0)
    network = build(chosen.network, len(classes), chosen.input).eval()
    with torch.no_grad():  # answers of untrained networks differ by less than they are rounded to
        network.predictions.weight *= 30
    save_state(run.weights, network.state_dict())
    found = Calibration(
        temperature=1.5, thresholds=Thresholds(novelty_uncertain=50.0, novelty_rejected=60.0)
    )
    run.calibration.write_text(found.model_dump_json())
    chance = np.random.default_rng(0)
    size = network.backbone.channels
    np.savez(
        run.novelty,
        centres=chance.random((3, size), np.float32),
        directions=chance.random((size, 4), np.float32),
        residual=1.0,
    )
    return run


@pytest.fixture(scope="session")
def cnn_run(drawn_root, tmp_path_factory):
    """A run of a tiny plain CNN with a hidden dense layer."""
    return make_run(tmp_path_factory.mktemp("cnn"), drawn_root)


@pytest.fixture(scope="session")
def cnn_model(cnn_run, tmp_path_factory):
    """Its model file, loaded."""
    target = tmp_path_factory.mktemp("model") / "cnn.onnx"
    return load_file(export(cnn_run.folder, target).path, threads=1)


@pytest.fixture(scope="session")
def samples(cnn_model, cnn_run, drawn_root):
    """Its images."""
    from tumorlens.train.export.samples import find_samples

    return find_samples(cnn_model.metadata, drawn_root, cnn_run.manifest)


def make_outlines(folder, root, *settings):
    """The model file of a network for outlines, with weights by chance."""
    chosen = load_recipe(
        "tumorlens-outlines",
        [
            "input.crop='none'",
            "input.resize='stretch'",
            "dense.frozen_stages=0",
            "data.sources=['drawn']",
            *settings,
        ],
    )
    run = Run(folder, chosen)
    (folder / "recipe.json").write_text(chosen.model_dump_json())
    manifest.write(split([root / "drawn"], seed=0).entries, run.manifest)
    network = start_dense(chosen, None, torch.device("cpu"))
    for module in network.modules():  # with the statistics of no picture, masks would be even
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.rand(4, 1, chosen.input.height, chosen.input.width))
    save_state(run.weights, network.state_dict())
    found = Calibration(temperature=1.0, thresholds=Thresholds(), mask=chosen.dense.rules)
    run.calibration.write_text(found.model_dump_json())
    size = network.backbone.channels
    chance = np.random.default_rng(0)
    np.savez(
        run.novelty,
        centres=chance.random((2, size), np.float32),
        directions=chance.random((size, 4), np.float32),
        residual=1.0,
    )
    return load_file(export(folder, folder / "outlines.onnx").path, threads=1)


@pytest.fixture(scope="session")
def outlines_of(tmp_path_factory, drawn_root):
    """Makes models for outlines, with settings."""
    return lambda *settings: make_outlines(
        tmp_path_factory.mktemp("outlines"), drawn_root, *settings
    )


@pytest.fixture(scope="session")
def outlines(outlines_of):
    """A model for outlines, of larger pictures than `cnn_model` takes."""
    return outlines_of("input.height=96", "input.width=96")
