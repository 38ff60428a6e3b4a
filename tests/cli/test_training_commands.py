"""If these fail, a person cannot get from a folder of pictures to an answer of their own model."""

import json
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.train.conftest import SMALL, TINY, draw_folders, draw_set, write_weights
from tumorlens.train.architectures.classifier import build
from tumorlens.train.recipe import load_recipe

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


def kill_at(file, arguments):
    """Start a command, and kill it without warning as soon as a file is there."""
    arguments = [sys.executable, "-m", "tumorlens", *map(str, arguments)]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 240
        while not file.is_file():
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def assert_same_weights(one, other):
    weights = [torch.load(run / "weights.pt", weights_only=True) for run in (one, other)]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


@pytest.fixture(scope="module")
def killed_and_resumed(sets, tmp_path_factory):
    """A run that was killed without warning once its first epoch was kept, and then went on."""
    out = tmp_path_factory.mktemp("runs") / "killed"
    kill_at(out / "select" / "last.pt", command(sets, out))
    assert not (out / "weights.pt").exists()
    run(*command(sets, out))
    return out


def test_a_run_that_was_killed_ends_with_the_weights_of_an_unbroken_one(
    sets, killed_and_resumed, tmp_path
):
    run(*command(sets, tmp_path / "straight"))
    assert_same_weights(killed_and_resumed, tmp_path / "straight")


@pytest.fixture(scope="module")
def frozen_command(tmp_path_factory):
    """Trains a head on features that were computed before, long enough to be killed in it."""
    folder = tmp_path_factory.mktemp("frozen")
    settings = (
        *TINY, "network.trainable=head", "fit.views=3", "fit.epochs=150", "fit.patience=150",
        "fit.refit=false",
    )  # fmt: skip
    recipe = load_recipe("cnn-binary", settings)
    draw_folders(folder / "drawn", {"yes": "glioma", "no": None})
    weights = write_weights(build(recipe.network, 2, recipe.input).backbone, folder / "chance.h5")
    options = [part for setting in settings for part in ("--set", setting)]
    return lambda out: [
        "train", "cnn-binary", "--data", folder, "--out", out, "--init", weights,
        "--device", "cpu", *options,
    ]  # fmt: skip


@pytest.mark.parametrize("moment", ["features/view-001.pt", "select/last.pt"])
def test_a_run_on_features_that_was_killed_ends_as_an_unbroken_one(
    frozen_command, unbroken_head, tmp_path, moment
):
    out = tmp_path / "killed"
    kill_at(out / moment, frozen_command(out))
    assert not (out / "weights.pt").exists()
    run(*frozen_command(out))
    assert_same_weights(out, unbroken_head)


@pytest.fixture(scope="module")
def unbroken_head(frozen_command, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "head"
    run(*frozen_command(out))
    return out


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
        (["train", "cnn-binary", "--data", ".", "--out", "f"], "--out f: is a file; name a folder"),
        (
            ["train", "cnn-binary", "--data", ".", "--out", "x"],
            "no such folder in it: navoneel. It must hold the recipe's sets",
        ),
        (
            ["train", "mobilenetv2-4class", "--data", ".", "--out", "x", "--set", "fit.epoch=1"],
            "fit.epoch",
        ),
        (["export", "gone", "--out", "x.onnx"], "gone"),
        (["evaluate", "gone.onnx", "--data", ".", "--out", "x"], "gone.onnx"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(arguments, message, tmp_path):
    (tmp_path / "f").touch()
    done = subprocess.run(
        [sys.executable, "-m", "tumorlens", *arguments],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
