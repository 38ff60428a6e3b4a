"""If these fail, the network learns from pictures that no scanner makes, or from the same one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorlens.train.augment import augment
from tumorlens.train.recipe import AugmentRecipe, load_recipe


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images():
    return torch.rand(6, 1, 40, 40, generator=chance(1))


def test_no_change_is_the_identity(images):
    assert torch.allclose(augment(images, AugmentRecipe(), chance()), images, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 180), st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0, 3), st.floats(0, 1))
def test_values_stay_in_range(rotation, scale, translate, gamma, share):
    recipe = AugmentRecipe(
        rotation=rotation, scale=scale, translate=translate, flip=True, gamma=gamma,
        contrast=share, brightness=share, blur=share, noise=share,
    )  # fmt: skip
    changed = augment(torch.rand(3, 1, 33, 33, generator=chance(1)), recipe, chance())
    assert changed.shape == (3, 1, 33, 33)
    assert torch.isfinite(changed).all()
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_each_image_is_changed_in_its_own_way_and_repeatably(images):
    recipe = load_recipe("mobilenetv2-4class").augment
    same = images[:1].expand(4, -1, -1, -1)
    first = augment(same, recipe, chance(3))
    assert torch.equal(first, augment(same, recipe, chance(3)))
    assert not torch.allclose(first[0], first[1])
    assert not torch.equal(first, augment(same, recipe, chance(4)))


def test_a_flip_mirrors_left_and_right_only(images):
    flipped = augment(images, AugmentRecipe(flip=True), chance(2))
    for before, after in zip(images, flipped, strict=True):
        mirrored = torch.allclose(after, before.flip(2), atol=1e-5)
        assert mirrored or torch.allclose(after, before, atol=1e-5)


def test_a_rotation_keeps_shape_and_size():
    """A disc stays a disc of the same area: no shear, no change of aspect."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    disc = ((x**2 + y**2) < 0.4).float()[None, None]
    turned = augment(disc, AugmentRecipe(rotation=90, flip=True), chance(5))
    assert abs(turned.sum() - disc.sum()) < 0.02 * disc.sum()
    assert (turned - disc).abs().mean() < 0.02
