"""If these fail, pictures are told from brain MRI by numbers that mean something else each time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tumorlens.scan import draw_phantom
from tumorlens.scan.facts import FACTS, Fact, facts_of

HEAD = draw_phantom(3).pixels


def fact(pixels, which):
    return facts_of(np.asarray(pixels, np.float32))[FACTS.index(which)]


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 130), width=st.integers(1, 130), seed=st.integers(0, 99),
    levels=st.sampled_from([1, 2, 256]),
)  # fmt: skip
def test_every_picture_has_facts(height, width, seed, levels):
    pixels = np.random.default_rng(seed).integers(0, levels, (height, width)) / max(levels - 1, 1)
    found = facts_of(pixels.astype(np.float32))
    assert found.shape == (len(FACTS),)
    assert np.isfinite(found).all()


def test_they_mean_the_same_at_every_resolution():
    half = np.asarray(Image.fromarray(HEAD).reduce(2))
    twice = np.asarray(Image.fromarray(HEAD).resize((512, 512)))
    for other in (half, twice):
        difference = np.abs(facts_of(other) - facts_of(HEAD))
        # Detail of one pixel is lost by halving; shape, greys and sides are not.
        coarse = [i for i, each in enumerate(FACTS) if each not in (Fact.TEXT, Fact.SHARPNESS)]
        assert difference[coarse].max() < 0.35


def test_they_do_not_depend_on_brightness_and_contrast():
    np.testing.assert_allclose(facts_of(HEAD), facts_of(0.5 * HEAD), atol=0.05)


def test_a_mirrored_head_has_the_same_shape_and_sides():
    mirrored = facts_of(np.ascontiguousarray(HEAD[:, ::-1]))
    np.testing.assert_allclose(facts_of(HEAD), mirrored, atol=0.02)


@pytest.mark.parametrize(
    ("which", "picture", "is_more"),
    [
        (Fact.FRAME, np.ones((96, 96)) * np.linspace(0.5, 1, 96), True),
        (Fact.ROUND, np.pad(np.ones((90, 8)), ((3, 3), (44, 44))), False),
        (Fact.LENGTH, np.pad(np.ones((90, 8)), ((3, 3), (44, 44))), True),
        (Fact.SYMMETRY, np.triu(np.ones((96, 96))), False),
        (Fact.EVEN, np.pad(np.ones((60, 60)), 18), True),
        (Fact.FINE, np.random.default_rng(0).random((96, 96)), True),
    ],
)
def test_each_says_what_it_is_named_for(which, picture, is_more):
    assert (fact(picture, which) > fact(HEAD, which)) == is_more
