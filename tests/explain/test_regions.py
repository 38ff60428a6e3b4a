"""If these fail, one lesion is counted as two, or two as one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tumorlens.explain.regions import Region, components

slices = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))
volumes = arrays(np.bool_, array_shapes(min_dims=3, max_dims=3, max_side=7), fill=st.nothing())


@given(slices)
def test_a_region_holds_exactly_its_pixels(marked):
    region = Region.of(marked)
    np.testing.assert_array_equal(region.mask(), marked)
    assert region.area == np.count_nonzero(marked)


@settings(deadline=None)
@given(volumes)
def test_parts_that_touch_are_one_lesion_and_others_are_not(marked):
    ndimage = pytest.importorskip("scipy.ndimage")
    expected, count = ndimage.label(marked, np.ones((3, 3, 3)))
    stack = [Region.of(one) for one in marked]
    seen = np.full(marked.shape, -1)
    for number, (region, labels) in enumerate(zip(stack, components(stack), strict=True)):
        for label in np.unique(labels):
            seen[number][region.part(labels == label).mask()] = label
    assert ((seen >= 0) == marked).all()
    pairs = set(zip(seen[marked].tolist(), expected[marked].tolist(), strict=True))
    assert len(pairs) == count == len(set(seen[marked].tolist()))


def test_a_winding_lesion_is_one():
    # A spiral: its ends are joined only through all of its turns.
    marked = np.zeros((41, 41), np.bool_)
    row = column = 20
    for length in range(1, 20):
        for down, right in ((0, 1), (1, 0)) if length % 2 else ((0, -1), (-1, 0)):
            for _ in range(2 * length):
                marked[row, column] = True
                row, column = row + down, column + right
    (labels,) = components([Region.of(marked)])
    assert set(labels.tolist()) == {0}


def test_nothing_has_no_lesions():
    assert components([]) == []
    (labels,) = components([Region.empty((4, 5))])
    assert not len(labels)
    assert not Region.empty((4, 5)).mask().any()
