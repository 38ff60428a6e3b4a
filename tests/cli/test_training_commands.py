"""If these fail, a person cannot get from a folder of pictures to an answer of their own model."""

import json
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.train.conftest import SMALL, draw_set

SETTINGS = [part for setting in SMALL for part in ("--set", setting)]


def run(*arguments, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "tumorlens", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    draw_set(root / "drawn")
    return root


def command(sets, out):
    settings = [*SETTINGS, "--set", "fit.epochs=3", "--set", "fit.batch=8", "--set", "seed=3"]
    return [
        "train",
        "mobilenetv2-4class",
        "--data",
        sets,
        "--out",
        out,
        "--device",
        "cpu",
        *settings,
    ]


@pytest.fixture(scope="module")
def killed_and_resumed(sets, tmp_path_factory):
    """A run that was killed without warning once its first epoch was kept, and then went on."""
    out = tmp_path_factory.mktemp("runs") / "killed"
    arguments = [sys.executable, "-m", "tumorlens", *map(str, command(sets, out))]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 240
        while not (out / "select" / "last.pt").is_file():
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not (out / "weights.pt").exists()
    run(*command(sets, out))
    return out


def test_a_run_that_was_killed_ends_with_the_weights_of_an_unbroken_one(
    sets, killed_and_resumed, tmp_path
):
    run(*command(sets, tmp_path / "straight"))
    weights = [
        torch.load(folder / "weights.pt", weights_only=True)
        for folder in (killed_and_resumed, tmp_path / "straight")
    ]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_from_pictures_to_an_answer_of_ones_own_model(sets, killed_and_resumed, tmp_path):
    model = tmp_path / "own.onnx"
    run("export", killed_and_resumed, "--out", model)
    manifest = killed_and_resumed / "manifest.csv"
    shown = run("evaluate", model, "--data", sets, "--manifest", manifest, "--out", tmp_path / "e")
    assert "confusion" in shown.stdout
    figures = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    assert figures["images"] == 8
    run("export", killed_and_resumed, "--out", model, "--metrics", tmp_path / "e/evaluation.json")
    listed = run("models", "--format", "json").stdout
    assert str(model) not in listed
    picture = next((sets / "drawn" / "images").iterdir())
    answered = subprocess.run(
        [sys.executable, "-m", "tumorlens", "predict", picture, "--model", model, "-f", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    finding = json.loads(answered.stdout)
    assert finding["model"]["name"] == "mobilenetv2-4class"
    assert set(finding["probabilities"]) == {"no_tumor", "glioma", "meningioma", "pituitary"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "mobilenet", "--data", ".", "--out", "x"], "no recipe 'mobilenet'"),
        (["train", "mobilenetv2-4class", "--data", "gone", "--out", "x"], "no such folder"),
        (
            ["train", "mobilenetv2-4class", "--data", ".", "--out", "x", "--set", "fit.epoch=1"],
            "fit.epoch",
        ),
        (["export", "gone", "--out", "x.onnx"], "no training run"),
        (["evaluate", "gone.onnx", "--data", ".", "--out", "x"], "gone.onnx"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(arguments, message, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tumorlens", *arguments],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
