"""If these fail, ways to draw evidence are compared that do not do what they are named for."""

import json
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


def test_the_page_shows_the_figures_as_they_were_measured(heatmaps):
    kept = json.loads(heatmaps.KEPT.read_text())
    assert heatmaps.PAGE.read_text() == heatmaps.page(kept)
    assert set(kept["methods"]) == set(heatmaps.METHODS)


def test_a_network_that_marks_is_compared_by_the_same_methods(heatmaps):
    from tumorlens.train.dense.export import ExportedLesions
    from tumorlens.train.dense.network import LesionNetwork

    torch.manual_seed(0)
    exported = object.__new__(ExportedLesions)
    torch.nn.Module.__init__(exported)
    exported.network = LesionNetwork(3).eval()
    network = heatmaps.Network(exported, (1, 2, 3))
    image = torch.rand(1, 1, 64, 64)
    features, logits = network.both(image)
    assert features.shape[2:] == (2, 2)
    assert logits.shape == (1, 4)
    assert heatmaps.grad_cam(network, image, 1).shape == (2, 2)
    assert heatmaps.integrated_gradients(network, image, 1).abs().sum() > 0


def test_the_best_method_of_each_figure_is_named(heatmaps):
    kept = json.loads(heatmaps.KEPT.read_text())
    hits = {name: figures[0]["value"] for name, figures in kept["methods"].items()}
    text = " ".join(heatmaps.page(kept).split())
    told = text.split("Highest here: ")[1]
    assert told.split(" in pointing game")[0].endswith(max(hits, key=hits.get))
