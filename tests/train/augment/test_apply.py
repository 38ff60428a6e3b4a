"""If these fail, the network learns from pictures that no scanner makes, or from the same one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorlens.scan import draw_phantom
from tumorlens.train.augment import AugmentRecipe, Fill, augment, augment_pairs
from tumorlens.train.recipe import load_recipe

MOST = {
    "rotation": 180, "scale": 0.5, "zoom": 0.5, "translate": 0.5, "shear": 60, "crop": 0.5,
    "elastic": 0.2, "gamma": 3, "histogram": 3, "contrast": 1, "brightness": 1, "gain": 1,
    "invert": 1, "blur": 1, "noise": 1, "bias_field": 3, "low_resolution": 0.9, "gibbs": 0.9,
    "ghosting": 1, "spikes": 1, "rician": 1, "background": 1, "frame": 0.4,
}  # fmt: skip
MOVING = {"rotation", "scale", "zoom", "translate", "shear", "crop", "elastic"}


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def everything():
    return AugmentRecipe(**MOST, flip=True, flip_vertical=True)


@pytest.fixture(scope="module")
def heads():
    """Six different drawn heads, float32 (6, 1, 48, 48)."""
    return torch.stack(
        [torch.from_numpy(draw_phantom(seed, size=48).pixels).float()[None] for seed in range(6)]
    )


def test_no_change_is_the_identity(heads):
    assert torch.equal(augment(heads, AugmentRecipe(), chance()), heads)


def test_a_change_to_none_of_the_images_is_the_identity(heads):
    """An artefact of strength 0 must not leave its trace in the images that are spared."""
    recipe = AugmentRecipe(
        bias_field=1, low_resolution=0.5, gibbs=0.5, ghosting=1, spikes=1, rician=1, background=1,
        frame=0.3, artefact_share=0,
    )  # fmt: skip
    assert torch.allclose(augment(heads, recipe, chance()), heads, atol=2e-6)


@settings(max_examples=25, deadline=None)
@given(
    ranges=st.dictionaries(st.sampled_from(sorted(MOST)), st.floats(0, 1), max_size=23),
    flags=st.tuples(st.booleans(), st.booleans()),
    fill=st.sampled_from(Fill),
    size=st.tuples(st.integers(9, 40), st.integers(9, 40)),
)
def test_values_and_shapes_stay_in_range(ranges, flags, fill, size):
    recipe = AugmentRecipe(
        **{name: share * MOST[name] for name, share in ranges.items()},
        flip=flags[0], flip_vertical=flags[1], fill=fill, artefact_share=1,
    )  # fmt: skip
    changed = augment(torch.rand(3, 1, *size, generator=chance(1)), recipe, chance())
    assert changed.shape == (3, 1, *size)
    assert changed.dtype == torch.float32
    assert torch.isfinite(changed).all()
    assert changed.min() >= 0
    assert changed.max() <= 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_image_of_one_grey_gives_numbers(value):
    changed = augment(torch.full((4, 1, 32, 32), value), everything(), chance())
    assert torch.isfinite(changed).all()


@pytest.mark.parametrize("name", sorted(MOST))
def test_each_range_changes_each_image_in_its_own_way(heads, name):
    """A name in a recipe that does nothing, or the same to the whole batch, would be a lie."""
    same = heads[:1].expand(8, -1, -1, -1)
    changed = augment(same, AugmentRecipe(**{name: MOST[name] / 2}, artefact_share=1), chance(3))
    different = {tuple(image.flatten().tolist()) for image in changed}
    assert len(different) == 2 if name in {"blur", "invert"} else len(different) > 4
    assert (changed - same).abs().mean() > 1e-3


def test_the_same_chance_gives_the_same_images(heads):
    """A run that is resumed must see what the unbroken run would have seen."""
    for recipe in (load_recipe("mobilenetv2-4class").augment, everything()):
        first = augment(heads, recipe, chance(3))
        assert torch.equal(first, augment(heads, recipe, chance(3)))
        assert not torch.equal(first, augment(heads, recipe, chance(4)))


def test_chance_comes_from_the_generator_alone(heads):
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    augment(heads, everything(), chance())
    assert torch.equal(state, torch.random.get_rng_state())


def test_the_images_that_are_given_are_left_alone(heads):
    before = heads.clone()
    augment(heads, everything(), chance())
    assert torch.equal(heads, before)


def test_an_image_of_a_pair_is_changed_as_it_is_alone(heads):
    masks = torch.zeros_like(heads)
    alone = augment(heads, everything(), chance(7))
    assert torch.equal(augment_pairs(heads, masks, everything(), chance(7))[0], alone)


def test_a_mask_moves_with_its_image(heads):
    """Where it does not, the network is taught that lesions lie beside themselves."""
    moving = {name: value / 4 for name, value in MOST.items() if name in MOVING}
    for fill in Fill:
        recipe = AugmentRecipe(**moving, flip=True, flip_vertical=True, fill=fill)
        images, masks = augment_pairs(heads, heads, recipe, chance(9))
        assert torch.allclose(images, masks, atol=1e-6)
        assert not torch.allclose(images, heads, atol=0.1)


def test_grey_levels_of_a_mask_are_left_alone(heads):
    still = {name: value for name, value in MOST.items() if name not in MOVING | {"frame"}}
    masks = (heads > 0.5).float()
    images, moved = augment_pairs(heads, masks, AugmentRecipe(**still), chance(2))
    assert torch.equal(moved, masks)
    assert not torch.allclose(images, heads, atol=0.1)


def test_a_mask_of_0_and_1_can_stay_so(heads):
    masks = (heads > 0.5).float()
    recipe = AugmentRecipe(rotation=30, scale=0.2)
    _, sharp = augment_pairs(heads, masks, recipe, chance(), interpolation="nearest")
    _, soft = augment_pairs(heads, masks, recipe, chance())
    assert set(sharp.unique().tolist()) == {0.0, 1.0}
    assert len(soft.unique()) > 2


def test_a_painted_border_takes_the_mask_below_it_away(heads):
    """A lesion that cannot be seen must not be asked for."""
    recipe = AugmentRecipe(frame=0.4, artefact_share=1)
    images, masks = augment_pairs(heads, torch.ones_like(heads), recipe, chance())
    painted = images != heads
    assert painted.any()
    assert not masks[painted].any()
    assert masks.any()
