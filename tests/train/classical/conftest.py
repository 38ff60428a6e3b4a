import pytest
import torch

from tumorlens.cli.display import Display
from tumorlens.train.recipe import load_recipe
from tumorlens.train.run import train

SMALL = (
    "input.height=64",
    "input.width=64",
    "data.sources=['drawn']",
    "classical.svm.c=[1.0, 10.0]",
    "classical.svm.gamma=[1.0]",
)


@pytest.fixture(scope="session")
def carry_out(drawn_root):
    """Carries out the recipe on drawn heads, with values set on it."""

    def run(folder, *settings, init=None, watcher=None):
        return train(
            load_recipe("classical-svm", [*SMALL, *settings]), drawn_root, folder,
            init=init, device=torch.device("cpu"), watcher=watcher or Display(),
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def classical_run(carry_out, tmp_path_factory):
    """A finished run with every family of features, and with the shortest way to them."""
    return carry_out(
        tmp_path_factory.mktemp("run") / "svm",
        "classical.features=['glcm', 'shape', 'intensity', 'lbp', 'hog']",
        "classical.denoise=gaussian",
        "classical.segmentation=otsu",
    )
