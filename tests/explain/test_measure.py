"""If these fail, a lesion is reported in the wrong size, or in mm² that nobody measured."""

from __future__ import annotations

import numpy as np
import pytest

from tumorlens.explain.measure import measure


def test_an_area_is_in_pixels_and_in_mm2_where_the_spacing_is_known():
    mask = np.zeros((40, 50), np.float32)
    mask[10:20, 5:25] = 0.9
    assert measure(mask, None).model_dump() == {"area_pixels": 200, "area_mm2": None}
    size = measure(mask, (0.5, 0.8))
    assert size.area_pixels == 200
    assert size.area_mm2 == pytest.approx(80.0)


def test_only_pixels_that_are_more_probably_tumor_count():
    mask = np.array([[0.49, 0.5, 0.51]], np.float32)
    assert measure(mask, None).area_pixels == 2
    assert measure(np.zeros((3, 3), np.float32), (1, 1)).area_mm2 == 0
