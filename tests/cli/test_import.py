"""If these fail, a user cannot bring in a Keras model, or a bad one ends in a traceback."""

import json
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import TRACEBACK
from tumorlens.model.registry import load_model
from tumorlens.scan import draw_phantom

INPUT = {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, 32, 32, 3]}}
CONV = {"class_name": "Conv2D", "config": {"name": "c", "filters": 2, "kernel_size": [3, 3]}}
GAP = {"class_name": "GlobalAveragePooling2D", "config": {"name": "g"}}
DENSE = {"class_name": "Dense", "config": {"name": "d", "units": 1, "activation": "sigmoid"}}


@pytest.fixture
def keras_file(tmp_path):
    """A small Sequential with a sigmoid, in the layout of a Keras 2 file."""
    path = tmp_path / "Brain Tumor.h5"
    layers = [INPUT, CONV, GAP, DENSE]
    with h5py.File(path, "w") as file:
        config = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"] = b"2.4.3"
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [b"c", b"g", b"d"]
        chance = np.random.default_rng(0)
        for name, shape in (("c", (3, 3, 3, 2)), ("d", (2, 1))):
            group = weights.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode(), f"{name}/bias:0".encode()]
            group[f"{name}/kernel:0"] = chance.normal(size=shape).astype(np.float32)
            group[f"{name}/bias:0"] = np.zeros(shape[-1], np.float32)
        weights.create_group("g").attrs["weight_names"] = []
    return path


def test_a_keras_file_becomes_a_model_that_answers(tumorlens, keras_file, tmp_path):
    done = tumorlens("import", keras_file)
    assert done.code == 0, done.err
    assert "no, yes" in done.err
    assert "novelty is 0" in done.err
    target = tmp_path / "Brain Tumor.onnx"
    metadata = load_model(str(target)).metadata
    assert metadata.name == "brain-tumor"
    assert metadata.recipe["imported_from"]["keras_version"] == "2.4.3"
    answered = tumorlens("predict", "--phantom", "--model", target, "--format", "json")
    assert answered.code == 0, answered.err
    finding = json.loads(answered.out.splitlines()[0])
    assert set(finding["probabilities"]) == {"no", "yes"}


def test_an_imported_model_is_measured(tumorlens, keras_file, tmp_path):
    for number, (side, label) in enumerate(product(("Training", "Testing"), ("no", "yes"))):
        for i in range(4):
            folder = tmp_path / "set" / side / label
            folder.mkdir(parents=True, exist_ok=True)
            tumor = "glioma" if label == "yes" else None
            pixels = draw_phantom(10 * number + i, tumor=tumor, size=96).pixels
            Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(folder / f"{i}.png")
    done = tumorlens("import", keras_file, "--out", tmp_path / "mine.onnx")
    assert done.code == 0, done.err
    out = tmp_path / "measured"
    done = tumorlens("evaluate", tmp_path / "mine.onnx", "--data", tmp_path / "set", "--out", out)
    assert done.code == 0, done.err
    result = json.loads((out / "evaluation.json").read_text())
    assert result["images"] == 8
    assert "nothing proves" in " ".join(result["notes"])


def test_options_reach_the_model(tumorlens, keras_file, tmp_path):
    out = tmp_path / "mine.onnx"
    options = ["--classes", "tumor, healthy", "--name", "mine", "--input-range", "255"]
    done = tumorlens("import", keras_file, "--out", out, *options)
    assert done.code == 0, done.err
    metadata = load_model(str(out)).metadata
    assert (metadata.name, metadata.classes) == ("mine", ("tumor", "healthy"))
    assert metadata.positive == ("tumor",)
    assert metadata.recipe["imported_from"]["input_range"] == "255"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "a,b,c"], "--classes names 3"),
        (["--classes", "no,no"], "names no twice"),
        (["--positive", "maybe"], "do not exist"),
        (["--input-range", "512"], "is none of unit, own, 255"),
        (["--input-range", "own"], "choose unit or 255"),
        (["--out", "x.h5"], "ends in .onnx"),
        (["--size", "64"], "--size 64: the model's input is 32x32"),
        (["--name", "Not A Name"], "--name"),
    ],
)
def test_wishes_that_do_not_fit_are_one_message(tumorlens, keras_file, options, message):
    done = tumorlens("import", keras_file, *options)
    assert done.code == 2
    assert message in done.err
    assert TRACEBACK not in done.err


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04\x95pickle", b"PK\x03\x04bad"])
def test_what_is_no_model_is_one_message_and_leaves_no_file(tumorlens, tmp_path, content):
    (tmp_path / "m.h5").write_bytes(content)
    done = tumorlens("import", tmp_path / "m.h5")
    assert done.code == 2
    assert done.err.count("error:") == 1
    assert TRACEBACK not in done.err
    assert not (tmp_path / "m.onnx").exists()


def test_a_file_that_is_not_there(tumorlens, tmp_path):
    done = tumorlens("import", tmp_path / "gone.h5")
    assert done.code == 2
    assert "no such file" in done.err


@pytest.mark.parametrize("folder", [".", "..", "/"])
def test_a_folder_is_one_message(tumorlens, folder):
    done = tumorlens("import", folder)
    assert done.code == 2
    assert done.err.count("error:") == 1
    assert "SavedModel" in done.err


def test_a_place_that_cannot_be_written_to_is_named_as_it_was_given(tumorlens, keras_file):
    if not Path("/proc/self").exists():
        pytest.skip("no folder here that even root cannot write to")
    done = tumorlens("import", keras_file, "--out", "/proc/mine.onnx")
    assert done.code == 1
    assert "/proc/mine.onnx cannot be used" in done.err
