"""If these fail, a person cannot get from a run to an 8-bit model and know what it costs."""

import json
import re

from typer.testing import CliRunner

from tumorlens.cli.app import app


def tumorlens(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments], prog_name="tumorlens")


def test_from_a_run_to_an_answer_in_8_bits(cnn_run, drawn_root, tmp_path):
    out = tmp_path / "int8.onnx"
    done = tumorlens(
        "export", cnn_run.folder, "--to", "onnx-int8", "--data", drawn_root, "--out", out,
        "--max-loss", 50,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "on fold 1 of drawn (8 images):" in done.stderr
    assert re.search(r"points of accuracy lost: -?\d+\.\d\d \(95 % interval ", done.stderr)
    picture = next((drawn_root / "drawn" / "images").iterdir())
    answered = tumorlens("predict", picture, "--model", out, "--format", "json")
    assert json.loads(answered.stdout)["model"]["name"] == "cnn-4class-int8"


def test_the_loss_of_16_bits_is_measured_where_there_are_images(cnn_run, drawn_root, tmp_path):
    out = tmp_path / "half.onnx"
    done = tumorlens(
        "export", cnn_run.folder, "--to", "onnx-fp16", "--data", drawn_root, "--out", out
    )
    assert done.exit_code == 0, done.stderr
    assert "same status and label for" in done.stderr


def test_figures_of_an_evaluation_are_for_runs(cnn_model, tmp_path):
    (tmp_path / "evaluation.json").write_text("{}")
    done = tumorlens(
        "export", cnn_model.path, "--to", "onnx-fp16", "--metrics", tmp_path / "evaluation.json"
    )
    assert done.exit_code == 2
