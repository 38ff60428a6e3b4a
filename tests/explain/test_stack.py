"""If these fail, a tumor-free series has lesions, or a lesion of a volume has the wrong volume."""

from __future__ import annotations

import numpy as np
import pytest

from tumorlens.decide.finding import Status
from tumorlens.explain.regions import Region
from tumorlens.explain.stack import Depths, Marking, StackSlice, lesions_of, measure_stack
from tumorlens.scan import Place

TUMOR, UNCERTAIN, NO_TUMOR = Status.TUMOR, Status.UNCERTAIN, Status.NO_TUMOR


def stack_of(volume, statuses, smallest=0.0):
    return [
        StackSlice(status, Region.of(marked), smallest)
        for marked, status in zip(volume, statuses, strict=True)
    ]


def ball(side: int = 48, radius: float = 15.0, depth: float = 1.0) -> np.ndarray:
    """A ball of this radius in mm, on pixels of 1 mm and slices that lie `depth` mm apart."""
    count = int(side / depth)
    z, y, x = np.indices((count, side, side))
    z, y, x = (z - (count - 1) / 2) * depth, y - (side - 1) / 2, x - (side - 1) / 2
    return x**2 + y**2 + z**2 <= radius**2


@pytest.mark.parametrize("depth", [0.5, 1.0, 3.0])
def test_a_ball_has_its_volume_and_its_diameters(depth):
    volume = ball(depth=depth)
    found = lesions_of(stack_of(volume, [TUMOR] * len(volume)), Marking.TUMOR)
    depths = Depths.of([depth * index for index in range(len(volume))], None)
    size = measure_stack(found, (1.0, 1.0), depths)
    assert size.volume_ml == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=0.03)
    (lesion,) = size.lesions
    assert lesion.largest.longest_mm == pytest.approx(30, abs=1.5)
    assert lesion.largest.perpendicular_mm == pytest.approx(30, abs=1.5)
    assert abs(lesion.largest_slice - (len(volume) + 1) / 2) <= 1


def test_the_volume_follows_the_spacing():
    volume = ball()
    found = lesions_of(stack_of(volume, [TUMOR] * len(volume)), Marking.TUMOR)
    plain = measure_stack(found, (1.0, 1.0), Depths.of(range(len(volume)), None))
    thick = measure_stack(found, (0.5, 2.0), Depths.of([3 * z for z in range(len(volume))], None))
    assert thick.volume_ml == pytest.approx(3 * plain.volume_ml, rel=1e-4)
    unknown = measure_stack(found, None, Depths.of(range(len(volume)), None))
    assert unknown.volume_ml is None
    assert unknown.pixels == plain.pixels == np.count_nonzero(volume)


def test_slices_without_tumor_mark_nothing():
    volume = np.zeros((5, 20, 20), np.bool_)
    volume[:, 5:15, 5:15] = True
    for statuses in ([NO_TUMOR] * 5, [Status.REJECTED] * 5, [UNCERTAIN] * 5):
        assert lesions_of(stack_of(volume, statuses), Marking.TUMOR) == [{}] * 5
    found = lesions_of(stack_of(volume, [NO_TUMOR, TUMOR, *[NO_TUMOR] * 3]), Marking.TUMOR)
    assert [set(one) for one in found] == [set(), {1}, set(), set(), set()]


def test_an_uncertain_slice_is_marked_where_a_sure_lesion_goes_on_into_it():
    volume = np.zeros((4, 30, 30), np.bool_)
    volume[:, 5:10, 5:10] = True
    volume[3, 20:25, 20:25] = True
    stack = stack_of(volume, [NO_TUMOR, UNCERTAIN, TUMOR, UNCERTAIN])
    assert [set(one) for one in lesions_of(stack, Marking.TUMOR)] == [set(), {1}, {1}, {1}]
    assert [set(one) for one in lesions_of(stack, Marking.UNCERTAIN)] == [set(), {1}, {1}, {1, 2}]


def test_a_speck_is_left_out_unless_it_grows_on_another_slice():
    volume = np.zeros((3, 30, 30), np.bool_)
    volume[0, 3, 3] = volume[2, 12, 12] = True
    volume[1, 10:14, 10:14] = True
    found = lesions_of(stack_of(volume, [TUMOR] * 3, smallest=10), Marking.TUMOR)
    assert [{n: region.area for n, region in one.items()} for one in found] == [{}, {1: 16}, {1: 1}]


def test_lesions_are_numbered_by_their_size_through_the_stack():
    volume = np.zeros((3, 30, 30), np.bool_)
    volume[:, 2:6, 2:6] = True  # 48
    volume[0, 20:26, 20:26] = True  # 36
    found = lesions_of(stack_of(volume, [TUMOR] * 3), Marking.TUMOR)
    assert [{n: region.area for n, region in one.items()} for one in found] == [
        {1: 16, 2: 36},
        {1: 16},
        {1: 16},
    ]


class TestDepths:
    def test_even_slices_stand_for_their_distance(self):
        depths = Depths.of([5.0, 2.5, 0.0], None)
        assert depths.extents == (2.5, 2.5, 2.5)
        assert (depths.distance, depths.is_volume, depths.notes) == (2.5, True, ())

    def test_a_missing_slice_is_told_and_bridged_half_way(self):
        depths = Depths.of([0.0, 1.0, 2.0, 5.0, 6.0], None)
        assert depths.extents == (1.0, 1.0, 2.0, 2.0, 1.0)
        assert depths.notes[0].code == "missing_slices"

    def test_slices_at_one_place_are_no_volume(self):
        for positions in ([0.0, 1.0, 1.0], [0.0, 2.0, 1.0]):
            depths = Depths.of(positions, None)
            assert (depths.extents, depths.is_volume) == (None, False)
            assert depths.notes[0].code == "same_place"

    def test_slices_of_unknown_place_are_no_volume(self):
        depths = Depths.of([0.0, None], None)
        assert not depths.is_volume
        assert depths.notes[0].code == "unplaced"

    def test_one_slice_is_as_thick_as_its_file_says(self):
        place = Place((0, 0, 0), (0, -1, 0), (-0.5, 0, 0), (0.3, 0.0, 4.0))
        assert Depths.of([0.0], place).extents == (4.0,)
        assert Depths.of([None], None).extents is None
        flat = Place((0, 0, 0), (0, -1, 0), (-0.5, 0, 0), (1.0, 0.0, 0.0))
        assert Depths.of([0.0], flat).extents is None
