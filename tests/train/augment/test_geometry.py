"""If these fail, heads are turned, resized or bent in ways that a recipe did not ask for."""

import math

import numpy as np
import pytest
import torch

from tumorlens.train.augment import AugmentRecipe, Fill, augment
from tumorlens.train.augment.geometry import draw_placement


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def disc(height=64, width=64):
    """A disc of radius 20 pixels about the middle."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    inside = (x - width / 2 + 0.5) ** 2 + (y - height / 2 + 0.5) ** 2 < 20**2
    return inside.float()[None, None]


def test_a_flip_mirrors_left_and_right_only():
    images = torch.rand(12, 1, 40, 40, generator=chance(1))
    flipped = augment(images, AugmentRecipe(flip=True), chance(2))
    mirrored = [
        torch.allclose(after, before.flip(2), atol=1e-5)
        for before, after in zip(images, flipped, strict=True)
    ]
    kept = [
        torch.allclose(after, before, atol=1e-5)
        for before, after in zip(images, flipped, strict=True)
    ]
    assert [m ^ k for m, k in zip(mirrored, kept, strict=True)] == [True] * 12
    assert any(mirrored)
    assert any(kept)


def test_a_vertical_flip_mirrors_top_and_bottom_only():
    image = torch.rand(1, 1, 40, 40, generator=chance(1))
    flipped = augment(image.expand(8, -1, -1, -1), AugmentRecipe(flip_vertical=True), chance(2))
    forms = {torch.allclose(form, image.flip(2), atol=1e-5) for form in flipped}
    assert forms == {True, False}
    assert all(
        torch.allclose(form, image, atol=1e-5) or torch.allclose(form, image.flip(2), atol=1e-5)
        for form in flipped
    )


@pytest.mark.parametrize("size", [(64, 64), (64, 96), (90, 60)])
def test_a_rotation_keeps_shape_and_size(size):
    """A disc stays a disc of the same area: no shear, no change of aspect, in any frame."""
    before = disc(*size)
    turned = augment(before.expand(4, -1, -1, -1), AugmentRecipe(rotation=90, flip=True), chance(5))
    assert ((turned - before).abs().mean(dim=(1, 2, 3)) < 0.02).all()


def test_zoom_stretches_each_axis_by_itself_and_scale_both_alike():
    def extents(recipe):
        changed = augment(disc().expand(16, -1, -1, -1), recipe, chance(3)) > 0.5
        return changed.any(3).sum(2).float() / changed.any(2).sum(2).float()

    assert (extents(AugmentRecipe(scale=0.3)) - 1).abs().max() < 0.1
    assert (extents(AugmentRecipe(zoom=0.3)) - 1).abs().max() > 0.3


def test_a_shift_stays_within_its_share_of_the_side():
    changed = augment(disc().expand(64, -1, -1, -1), AugmentRecipe(translate=0.1), chance(3))
    place = torch.arange(64.0)
    centres = (changed.sum(2) * place).sum(2) / changed.sum((2, 3))
    moved = (centres - 31.5).abs()
    assert moved.max() <= 6.4
    assert moved.max() > 5.5


@pytest.mark.parametrize(
    ("fill", "expected"), [(Fill.BLACK, 0.0), (Fill.NEAREST, 1.0), (Fill.REFLECT, 1.0)]
)
def test_what_comes_in_from_outside_is_as_the_recipe_says(fill, expected):
    white = torch.ones(8, 1, 32, 32)
    changed = augment(white, AugmentRecipe(translate=0.5, fill=fill), chance())
    assert changed.min() == pytest.approx(expected, abs=1e-5)


def test_a_crop_shows_a_part_of_the_image_and_nothing_from_outside():
    ramp = torch.linspace(0.2, 1, 64).expand(16, 1, 64, 64)
    cropped = augment(ramp, AugmentRecipe(crop=0.4), chance(1))
    assert cropped.min() >= 0.2 - 1e-5
    spans = cropped.amax((1, 2, 3)) - cropped.amin((1, 2, 3))
    assert (spans >= 0.8 * 0.6 - 0.01).all()
    assert spans.min() < 0.8 * 0.7


def test_an_elastic_bend_moves_no_point_further_than_the_recipe_says():
    recipe = AugmentRecipe(elastic=0.1)
    plain = torch.nn.functional.affine_grid(
        torch.eye(2, 3).expand(32, 2, 3), [32, 1, 50, 50], align_corners=False
    )
    grid = draw_placement(torch.zeros(32, 1, 50, 50), recipe, chance(1)).grid
    moved = (grid - plain).norm(dim=3).amax(dim=(1, 2)) / 2
    assert moved.max() <= 0.1 + 1e-6
    assert moved.max() > 0.09


@pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")
def test_it_is_the_matrix_of_keras(monkeypatch):
    """A recipe that reproduces a published one has to mean the same by shear and zoom."""
    pytest.importorskip("scipy")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    image_module = pytest.importorskip("keras.src.legacy.preprocessing.image")
    image = torch.rand(1, 1, 8, 8, generator=chance(4)).repeat_interleave(4, 2)
    image = image.repeat_interleave(4, 3)
    recipe = AugmentRecipe(rotation=15, translate=0.1, shear=20, zoom=0.2, fill="nearest")
    for seed in range(5):
        placement = draw_placement(image, recipe, chance(seed))
        settings = _as_keras_says_it(placement.grid[0].double().numpy())
        assert abs(settings["theta"]) <= 15
        assert abs(settings["shear"]) <= 20
        assert 0.8 <= settings["zx"] <= 1.2
        assert 0.8 <= settings["zy"] <= 1.2
        theirs = image_module.apply_affine_transform(
            image[0].numpy(), **settings, row_axis=1, col_axis=2, channel_axis=0,
            fill_mode="nearest", order=1,
        )  # fmt: skip
        assert np.abs(placement.apply(image)[0].numpy() - theirs).max() < 1e-3


def _as_keras_says_it(grid):
    """Take a grid apart into Keras' rotation, shift, shear and zoom, in pixels."""
    size = len(grid)
    places = ((grid + 1) * size - 1) / 2
    origin = places[0, 0]
    linear = np.stack([places[0, 1] - origin, places[1, 0] - origin], axis=1)
    q, r = np.linalg.qr(linear)
    signs = np.sign(np.diag(r))
    q, r = q * signs, r * signs[:, None]
    middle = np.full(2, size / 2 - 0.5)
    shift = q.T @ (origin - middle + linear @ middle)
    return {
        "theta": math.degrees(math.atan2(q[1, 0], q[0, 0])),
        "tx": shift[0],
        "ty": shift[1],
        "shear": math.degrees(math.atan2(-r[0, 1], r[1, 1])),
        "zx": r[0, 0],
        "zy": math.hypot(r[0, 1], r[1, 1]),
    }
