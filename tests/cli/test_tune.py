"""If these fail, a night of tuning is lost to a kill, or machines that share it get in each
other's way."""

import csv
import signal
import subprocess
import sys
import time

import pytest

from tests.train.conftest import draw_set
from tests.train.tune.conftest import TINY
from tumorlens.train.recipe import load_recipe


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    draw_set(root / "drawn")
    return root


def command(sets, out, *more):
    settings = [part for setting in TINY for part in ("--set", setting)]
    return [
        sys.executable, "-m", "tumorlens", "tune", "cnn-4class", "--data", str(sets),
        "--out", str(out), "--device", "cpu", "--only", "learning-rate", *settings, *more,
    ]  # fmt: skip


def states(out):
    with (out / "trials.csv").open(newline="") as file:
        return [row["state"] for row in csv.DictReader(file)]


def test_a_killed_tuning_goes_on_with_the_trial_that_was_lost(sets, tmp_path):
    arguments = command(sets, tmp_path, "--trials", "2", "--set", "fit.epochs=60",
                        "--set", "fit.patience=60")  # fmt: skip
    checkpoint = tmp_path / "trials" / "0000" / "last.pt"
    with subprocess.Popen(arguments, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 240
        while not checkpoint.is_file():
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert checkpoint.is_file()
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert states(tmp_path) == ["fail", "complete", "complete"]
    with (tmp_path / "trials" / "0000" / "curves.csv").open(newline="") as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(1, 61))
    assert not (tmp_path / "trials" / "0001").exists()
    assert "validation: loss" in done.stdout
    assert load_recipe(str(tmp_path / "best.toml")).name == "cnn-4class-tuned"


def test_two_processes_share_a_study(sets, tmp_path):
    """As two machines do; each keeps its files in a folder of its own."""
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    processes = [
        subprocess.Popen(
            command(sets, tmp_path / name, "--trials", "6", "--storage", storage, "--study", "s"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in ("a", "b")
    ]  # fmt: skip
    said = [process.communicate(timeout=400) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    ended = max(states(tmp_path / "a"), states(tmp_path / "b"), key=len)
    assert 6 <= len(ended) <= 7
    assert set(ended) <= {"complete", "pruned"}
    folders = [folder.name for name in ("a", "b") for folder in tmp_path.glob(f"{name}/trials/*")]
    assert sorted(folders) == [f"{number:04}" for number in range(len(ended))]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--trials", "0"), "greater than or equal to 1"),
        (("--trials", "1", "--storage", "nonsense"), "the storage nonsense cannot be opened"),
    ],
)
def test_wrong_use_is_told_in_a_line(sets, tmp_path, more, expected):
    done = subprocess.run(
        command(sets, tmp_path, *more), capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert expected in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
