"""A recipe that is tried in a second, and a folder that was tuned by it."""

import pytest
import torch

from tumorlens.train.recipe import load_recipe
from tumorlens.train.run import Silent
from tumorlens.train.tune.knobs import Knob
from tumorlens.train.tune.trials import Plan, tune

TINY = (
    "data.sources=['drawn']",
    "input.height=32",
    "input.width=32",
    "network.stages=[{filters=4}, {filters=8}]",
    "network.dense=[8]",
    "fit.epochs=3",
    "fit.batch=8",
    "seed=4",
)


class Listener(Silent):
    """Keeps what it is told."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


def tiny_recipe(*settings):
    """A recipe that is tried in a moment."""
    return load_recipe("cnn-4class", [*TINY, *settings])


def tune_tiny(root, folder, *settings, watcher=None, **plan):
    """Tunes the learning rate of the tiny recipe, three times where nothing else is said."""
    plan = Plan(**{"trials": 3, "knobs": (Knob.LEARNING_RATE,), **plan})
    return tune(
        tiny_recipe(*settings), root, folder, plan,
        init=None, device=torch.device("cpu"), watcher=watcher or Silent(),
    )  # fmt: skip


@pytest.fixture(scope="session")
def tuned(drawn_root, tmp_path_factory):
    """A folder that was tuned, and what came of it; to be copied by who changes it."""
    folder = tmp_path_factory.mktemp("tuned")
    return folder, tune_tiny(drawn_root, folder)
