"""Drawn heads: the first thing a person sees, and what every other test is run on."""

import numpy as np
import pytest

from tumorlens.scan import DrawnTumor, assess, draw_phantom


def test_pixels_and_mask_are_what_a_scan_needs():
    drawing = draw_phantom(3, tumor="glioma", size=200)
    assert drawing.pixels.shape == drawing.mask.shape == (200, 200)
    assert drawing.pixels.dtype == np.float32
    assert drawing.mask.dtype == np.bool_
    assert 0.0 <= drawing.pixels.min() < drawing.pixels.max() <= 1.0


def test_a_seed_gives_the_same_head_always():
    one, other = draw_phantom(5, tumor="meningioma"), draw_phantom(5, tumor="meningioma")
    assert np.array_equal(one.pixels, other.pixels)
    assert not np.array_equal(one.pixels, draw_phantom(6, tumor="meningioma").pixels)


def test_a_head_without_a_tumor_has_an_empty_mask():
    assert not draw_phantom(1).mask.any()


@pytest.mark.parametrize("tumor", list(DrawnTumor))
@pytest.mark.parametrize("seed", range(6))
def test_with_and_without_a_tumor_only_the_tumor_and_its_surroundings_differ(tumor, seed):
    plain, sick = draw_phantom(seed), draw_phantom(seed, tumor=tumor)
    changed = np.abs(plain.pixels - sick.pixels) > 0.02
    assert 0.005 < sick.mask.mean() < 0.15
    assert changed[sick.mask].mean() > 0.8
    assert changed[~sick.mask].mean() < 0.3


def place(tumor, seed):
    mask = draw_phantom(seed, tumor=tumor).mask
    return (np.argwhere(mask).mean(axis=0) + 0.5) / mask.shape - 0.5


@pytest.mark.parametrize("seed", range(6))
def test_tumors_lie_where_they_do_in_patients(seed):
    down, across = place("pituitary", seed)
    assert abs(across) < 0.05
    assert abs(down) < 0.1
    down, across = place("meningioma", seed)
    assert np.hypot(down, across) > 0.2
    assert abs(place("glioma", seed)[1]) > 0.08


@pytest.mark.parametrize("seed", range(6))
def test_a_glioma_has_a_bright_ring_and_a_dark_core(seed):
    drawing = draw_phantom(seed, tumor="glioma")
    inside = drawing.pixels[drawing.mask]
    assert np.percentile(inside, 95) > 0.8
    assert np.percentile(inside, 10) < 0.35


@pytest.mark.parametrize("size", [32, 63, 256, 400])
def test_the_same_seed_draws_the_same_head_at_every_size(size):
    small, large = draw_phantom(2, tumor="glioma", size=size), draw_phantom(2, tumor="glioma")
    assert small.mask.mean() == pytest.approx(large.mask.mean(), rel=0.15)
    assert small.pixels.mean() == pytest.approx(large.pixels.mean(), rel=0.1)


@pytest.mark.parametrize("tumor", [None, *DrawnTumor])
def test_drawings_pass_for_readable_slices(make, tumor):
    for seed in range(8):
        assert assess(make.scan_of(draw_phantom(seed, tumor=tumor).pixels)) == ()


def test_wrong_use_is_said():
    with pytest.raises(ValueError, match="lymphoma"):
        draw_phantom(1, tumor="lymphoma")
    with pytest.raises(ValueError, match="at least 32"):
        draw_phantom(1, size=31)
    with pytest.raises(ValueError, match="negative"):
        draw_phantom(-1)
