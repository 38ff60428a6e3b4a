"""If these fail, ways to draw evidence are compared that do not do what they are named for."""

import sys
from pathlib import Path

import pytest
import torch

from tumorlens.train.architectures.classifier import build
from tumorlens.train.recipe import load_recipe

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def heatmaps():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import heatmaps

        yield heatmaps
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def network(heatmaps):
    """A network with a mean and one dense layer, by chance."""
    from tumorlens.train.export.network import ExportedClassifier

    recipe = load_recipe("mobilenetv2-4class", ["input.height=64", "input.width=64"])
    torch.manual_seed(0)
    exported = object.__new__(ExportedClassifier)
    torch.nn.Module.__init__(exported)
    exported.network = build(recipe.network, 4, recipe.input).eval()
    return heatmaps.Network(exported, (1, 2, 3))


def test_grad_cam_and_hires_cam_are_the_same_behind_a_mean(heatmaps, network):
    image = torch.rand(1, 1, 64, 64)
    one, other = (method(network, image, 1) for method in (heatmaps.grad_cam, heatmaps.hires_cam))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_every_method_gives_a_map(heatmaps, network):
    image = torch.rand(1, 1, 64, 64)
    for name, method in heatmaps.METHODS.items():
        if method is not heatmaps.own_map:
            found = method(network, image, network.likeliest(image))
            assert found.ndim == 2, name
            assert torch.isfinite(found).all(), name
