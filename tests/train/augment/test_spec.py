"""If these fail, tuning the strength of augmentation gives recipes that mean something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorlens.train.augment import AugmentRecipe, Fill

EVERYTHING = AugmentRecipe(
    rotation=170, scale=0.9, zoom=0.1, translate=0.1, shear=80, flip=True, crop=0.5, elastic=0.1,
    fill=Fill.NEAREST, gamma=2, contrast=0.9, brightness=0.2, blur=0.8, bias_field=1, gibbs=0.9,
    artefact_share=0.3, frame=0.4,
)  # fmt: skip


@given(st.floats(0, 100))
def test_any_factor_gives_a_recipe_that_loads(factor):
    scaled = EVERYTHING.scaled(factor)
    assert AugmentRecipe.model_validate(scaled.model_dump(mode="json")) == scaled


def test_1_is_the_recipe_itself_and_0_turns_all_but_the_flips_off():
    assert EVERYTHING.scaled(1) == EVERYTHING
    off = AugmentRecipe(flip=True, fill=Fill.NEAREST, artefact_share=0.3)
    assert EVERYTHING.scaled(0) == off


def test_ranges_grow_together_up_to_their_limits():
    grown = EVERYTHING.scaled(2)
    assert grown.zoom == pytest.approx(0.2)
    assert grown.gamma == 4
    assert grown.rotation == 180
    assert 0.9 <= grown.scale < 1
    assert grown.contrast == 1
    assert grown.artefact_share == 0.3
