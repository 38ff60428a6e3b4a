"""If these fail, a map that looks at the picture's border is shown as evidence for a tumor."""

import numpy as np
import pytest

from tumorlens.decide.alarm import FRAME_SHARE, frame_energy, judge_frame
from tumorlens.decide.finding import Status


def maps(place, size=50):
    found = np.zeros((2, size, size), np.float32)
    found[1][place] = 3.0
    return found


@pytest.mark.parametrize(
    ("place", "share"),
    [((slice(20, 30), slice(20, 30)), 0.0), ((0, slice(None)), 1.0), ((slice(None), 49), 1.0)],
)
def test_the_frame_is_the_outermost_part(place, share):
    assert frame_energy(maps(place), 1) == pytest.approx(share)


def test_an_even_map_has_its_area_in_the_frame():
    even = np.zeros((2, 7, 7), np.float32)
    even[1] = 1.0
    assert frame_energy(even, 1) == pytest.approx(1 - (1 - 2 * FRAME_SHARE) ** 2)


def test_a_class_that_nothing_speaks_for_has_no_frame():
    assert frame_energy(maps((0, 0)), 0) == 0.0


def test_above_the_limit_the_answer_is_uncertain_and_says_where_the_evidence_lies():
    verdict = judge_frame(0.8, 0.5)
    assert verdict.status is Status.UNCERTAIN
    assert "80%" in verdict.reasons[0].text
    assert judge_frame(0.5, 0.5).status is None
    assert judge_frame(1.0, None).status is None
