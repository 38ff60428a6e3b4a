"""If these fail, equal steps of evidence look unequal, or tissue without evidence is coloured."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from tumorlens.explain.colour import LEVELS, blend, colour_table

RELATIVE_LUMINANCE = np.array([0.299, 0.587, 0.114])
unit = st.floats(0, 1, width=32)


def test_lightness_rises_evenly():
    lightness = colour_table() @ RELATIVE_LUMINANCE
    steps = np.diff(lightness)
    assert colour_table().shape == (LEVELS, 3)
    assert (steps > 0).all()
    assert steps.max() < 1.1 * steps.min()


def test_every_colour_differs_from_grey():
    table = colour_table()
    assert (table.max(axis=1) - table.min(axis=1)).min() > 0.2


@given(
    nps.arrays(np.float32, (5, 6), elements=unit),
    nps.arrays(np.float32, (5, 6), elements=unit),
    st.floats(0, 1),
)
def test_pixels_without_evidence_stay_as_they_are(pixels, heat, opacity):
    heat[::2] = 0
    picture = blend(pixels, heat, opacity)
    assert picture.shape == (5, 6, 3)
    assert picture.dtype == np.uint8
    grey = np.rint(pixels * 255).astype(np.uint8)
    assert (picture[::2] == grey[::2, :, None]).all()
    if opacity == 0:
        assert (picture == grey[..., None]).all()


def test_full_evidence_at_full_opacity_is_the_lightest_colour():
    picture = blend(np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32), 1.0)
    assert np.abs(picture[0, 0] / 255 - colour_table()[-1]).max() < 0.01
