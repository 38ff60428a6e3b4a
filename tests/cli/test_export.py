"""If these fail, a model cannot be brought into the format that someone needs it in."""

import json

import pytest

from tests.conftest import TinyModel


@pytest.fixture
def model(tmp_path):
    """A tiny model whose logits 16-bit float can tell apart."""
    return TinyModel(gains=(0.0, 2.0, 8.0, 1.0)).save(tmp_path / "tiny.onnx")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "onnx"], "is an ONNX model file already"),
        (["--to", "safetensors"], "needs a run's own weights"),
        (["--to", "keras"], "needs a run's own weights"),
        (["--to", "onnx-int8"], "needs images to calibrate on"),
        (["--to", "onnx-int4"], "onnx-int4"),
        (["--to", "onnx-fp16", "--out", "x.xml"], "must end in .onnx"),
        (["--to", "openvino", "--out", "x.onnx"], "must end in .xml"),
        (["--to", "openvino", "--register"], "only ONNX model files are registered"),
        (["--to", "openvino", "--data", "."], "nothing is measured"),
        (["--to", "onnx-fp16", "--metrics", "x.json"], "x.json"),
        (["--to", "onnx-int8", "--data", ".", "--max-loss", "-1"], "max-loss"),
        (["--to", "onnx-int8", "--data", "gone"], "gone"),
    ],
)
def test_wrong_use_says_what_is_wrong(tumorlens, model, options, message):
    done = tumorlens("export", model, *options)
    assert done.code == 2
    assert message in " ".join(done.err.replace("│", " ").split())
    assert "Traceback" not in done.err


@pytest.mark.parametrize("source", ["gone.onnx", "no-such-model"])
def test_what_does_not_exist_is_named(tumorlens, source):
    done = tumorlens("export", source, "--to", "onnx-fp16")
    assert done.code == 2
    assert source in done.err


def test_a_folder_that_is_no_run_is_named(tumorlens, tmp_path):
    done = tumorlens("export", tmp_path, "--out", tmp_path / "x.onnx")
    assert done.code == 2
    assert "no training run" in done.err


def test_a_damaged_model_is_told_in_a_line(tumorlens, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"nonsense")
    done = tumorlens("export", broken, "--to", "onnx-fp16", "--out", tmp_path / "x.onnx")
    assert done.code == 1
    assert "broken.onnx" in done.err
    assert not (tmp_path / "x.onnx").exists()


def test_a_smaller_model_answers_and_is_found_by_name(
    tumorlens, model, tmp_path, lesion_png, monkeypatch
):
    out = tmp_path / "small" / "half.onnx"
    done = tumorlens("export", model, "--to", "onnx-fp16", "--out", out, "--register")
    assert done.code == 0, done.err
    assert "tiny-fp16 1.2, onnx-fp16" in done.err
    assert "largest differences from its source: probabilities" in done.err
    monkeypatch.setenv("TUMORLENS_MODELS", str(out.parent))
    answered = tumorlens("predict", lesion_png, "--model", "tiny-fp16", "--format", "json")
    assert json.loads(answered.out)["model"]["name"] == "tiny-fp16"


def test_without_out_it_goes_into_this_folder_under_its_name(
    tumorlens, model, tmp_path, monkeypatch
):
    pytest.importorskip("openvino")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    done = tumorlens("export", model, "--to", "openvino")
    assert done.code == 0, done.err
    assert sorted(file.name for file in (tmp_path / "here").iterdir()) == ["tiny.bin", "tiny.xml"]
