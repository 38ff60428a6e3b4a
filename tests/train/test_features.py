"""If these fail, a frozen network learns from features that are not its own, or far too slowly."""

import pytest
import torch

from tumorlens.data.split import split
from tumorlens.errors import ModelCorrupt
from tumorlens.train.architectures.classifier import build
from tumorlens.train.dataset import load_images
from tumorlens.train.features import compute_features
from tumorlens.train.fit import fit
from tumorlens.train.workers import ALONE

CPU = torch.device("cpu")


@pytest.fixture
def frozen(tiny_recipe):
    def make(*settings):
        return tiny_recipe("network.trainable=head", "fit.views=2", *settings)

    return make


@pytest.fixture
def images(drawn_root, frozen):
    return load_images(drawn_root, split([drawn_root / "drawn"]).entries, frozen())


def network_of(recipe):
    torch.manual_seed(0)
    return build(recipe.network, 4, recipe.input)


def compute(network, images, recipe, folder):
    told = []
    features = compute_features(
        network, images, recipe, folder, device=CPU, workers=ALONE,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    return features, told


@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_what_is_validated_is_what_the_whole_network_says(frozen, images, tmp_path, pooling):
    recipe = frozen(f"network.pooling={pooling}")
    network = network_of(recipe).eval()
    features, _ = compute(network, images, recipe, tmp_path)
    with torch.inference_mode():
        whole = network(images.pixels[:5].float() / 255)
        parts = network.classify(features.unchanged(torch.arange(5), CPU))
    assert torch.allclose(whole, parts, atol=1e-5)


def test_views_differ_from_one_another_and_from_the_image(frozen, images, tmp_path):
    recipe = frozen()
    features, told = compute(network_of(recipe), images, recipe, tmp_path)
    chosen = torch.arange(len(images))
    chance = torch.Generator()
    first, second, third = (
        features.changed(chosen, epoch, recipe.augment, chance) for epoch in (1, 2, 3)
    )
    assert torch.equal(first, third)  # they go round
    assert not torch.allclose(first, second)
    assert not torch.allclose(first, features.unchanged(chosen, CPU))
    assert told[-1] == (3 * len(images), 3 * len(images))


def test_no_view_is_computed_that_no_epoch_would_learn_from(frozen, images, tmp_path):
    recipe = frozen("fit.views=5", "fit.epochs=2")
    features, _ = compute(network_of(recipe), images, recipe, tmp_path)
    assert len(features.views) == 2


def test_without_changes_nothing_is_computed_twice(frozen, images, tmp_path):
    recipe = frozen("augment={}")
    features, told = compute(network_of(recipe), images, recipe, tmp_path)
    assert told[-1] == (len(images), len(images))
    assert torch.equal(features.views[0], features.plain)


def test_a_fold_has_the_features_of_its_own_images(frozen, images, tmp_path):
    recipe = frozen()
    network = network_of(recipe)
    features, _ = compute(network, images, recipe, tmp_path / "all")
    alone, _ = compute(network, images.subset({2}), frozen("augment={}"), tmp_path / "fold")
    part = features.subset({2})
    assert [e.name for e in part.entries] == [e.name for e in alone.entries]
    everything = torch.arange(len(part))
    assert torch.allclose(
        part.unchanged(everything, CPU), alone.unchanged(everything, CPU), atol=1e-5
    )


def test_a_run_killed_amid_the_views_goes_on_with_the_same_ones(frozen, images, tmp_path):
    recipe = frozen()
    network = network_of(recipe)
    whole, _ = compute(network, images, recipe, tmp_path / "whole")
    compute(network, images, recipe, tmp_path / "killed")
    (tmp_path / "killed" / "view-002.pt").unlink()
    resumed, told = compute(network, images, recipe, tmp_path / "killed")
    assert told[0][0] > 2 * len(images)  # only the last view was computed
    for mine, expected in zip(resumed.views, whole.views, strict=True):
        assert torch.equal(mine, expected)


def test_a_damaged_view_is_named(frozen, images, tmp_path):
    (tmp_path / "view-000.pt").write_bytes(b"half of a vi")
    with pytest.raises(ModelCorrupt, match=r"view-000\.pt: it is damaged"):
        compute(network_of(frozen()), images, frozen(), tmp_path)


def test_the_head_learns_from_features_alone(frozen, images, tmp_path):
    recipe = frozen("fit.learning_rate=1e-2")
    network = network_of(recipe)
    features, _ = compute(network, images, recipe, tmp_path / "features")
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    learnt, held_out = features.subset({3, 4, 5}), features.subset({2})
    fitted = fit(network, recipe, learnt, held_out, tmp_path, epochs=6, device=CPU)
    assert fitted.curves[-1].train_loss < fitted.curves[0].train_loss
    for name, value in network.backbone.state_dict().items():
        assert torch.equal(value, before[name]), name
