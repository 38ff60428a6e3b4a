"""If these fail, training on several devices gives another network than training on one."""

import csv
import subprocess
import sys

import pytest
import torch

from tests.train.conftest import TINY
from tumorlens.train.recipe import load_recipe
from tumorlens.train.run import Silent, train
from tumorlens.train.workers import Workers

PLAIN = (
    # What draws from chance in each process by itself is left out, so that the same is computed.
    # Nine images a batch are shared unevenly.
    "network.stages=[{filters=4},{filters=8}]", "network.dropout=0.0", "augment={}",
    "fit.epochs=3", "fit.batch=9", "fit.optimizer=sgd", "fit.learning_rate=0.05",
)  # fmt: skip

TOLERANCE = 1e-4
"""Relative. Sums of gradients in another order, over three epochs."""


def curves_and_weights(out):
    with (out / "select" / "curves.csv").open() as file:
        curves = list(csv.DictReader(file))
    return curves, torch.load(out / "weights.pt", weights_only=True)


def test_two_processes_learn_what_one_does(drawn_root, tmp_path):
    recipe = load_recipe("cnn-4class", [*TINY, *PLAIN])
    device = torch.device("cpu")
    train(recipe, drawn_root, tmp_path / "one", init=None, device=device, watcher=Silent())
    settings = [part for setting in (*TINY, *PLAIN) for part in ("--set", setting)]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "-m", "tumorlens", "train", "cnn-4class", "--data", drawn_root, "--out", tmp_path / "two",
         "--device", "cpu", *settings],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "in 2 processes" in done.stderr
    assert done.stderr.count("epoch 3: loss") == 1  # one of them speaks
    alone, expected = curves_and_weights(tmp_path / "one")
    together, weights = curves_and_weights(tmp_path / "two")
    for one, both in zip(alone, together, strict=True):
        for figure in ("train_loss", "validation_loss", "validation_accuracy"):
            assert float(one[figure]) == pytest.approx(float(both[figure]), rel=TOLERANCE)
    for name, value in expected.items():
        assert torch.allclose(weights[name], value, rtol=TOLERANCE, atol=TOLERANCE), name


def test_shares_are_all_there_is_and_no_more():
    everything = torch.arange(11)
    shares = [Workers(rank, 3).share(everything) for rank in range(3)]
    assert torch.equal(torch.cat(shares).sort().values, everything)
