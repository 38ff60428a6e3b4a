"""If these fail, a map that misses the tumor is published as one that finds it."""

import numpy as np
import pytest

from tumorlens.evaluate.explanations import LEVELS, best_level, map_figures, score_map

MASK = np.zeros((20, 20), np.bool_)
MASK[5:10, 5:10] = True
SEEN = np.ones((20, 20), np.bool_)


def score(values, seen=SEEN):
    return score_map(np.asarray(values, np.float32), MASK, seen)


def test_a_map_on_the_tumor_has_all_of_it():
    found = score(3.0 * MASK)
    assert found.hit
    assert (found.energy, found.overlap) == (1.0, (1.0,) * len(LEVELS))


def test_an_even_map_has_the_share_of_the_area():
    found = score(np.ones((20, 20)))
    assert found.energy == pytest.approx(found.area) == pytest.approx(25 / 400)


def test_the_area_is_that_of_what_the_network_saw():
    seen = np.zeros((20, 20), np.bool_)
    seen[:10, :10] = True
    assert score(np.ones((20, 20)), seen).area == 0.25


@pytest.mark.parametrize("values", [np.zeros((20, 20)), -1.0 * MASK, 1.0 * ~MASK])
def test_a_map_that_lies_elsewhere_misses(values):
    found = score(values)
    assert not found.hit
    assert found.energy == 0.0


def test_the_cut_is_the_one_that_overlaps_best():
    tight = np.where(MASK, 1.0, 0.55)
    assert LEVELS[best_level([score(tight)])] > 0.55


def test_figures_are_means_over_images():
    scores = [score(3.0 * MASK), score(1.0 * ~MASK)]
    found = {m.name: m for m in map_figures(scores, ["a", "b"], "drawn", 4)}
    assert found["pointing game"].value == 0.5
    assert found["map energy over area share"].value == pytest.approx(0.5 / (25 / 400))
    assert found["map IoU at 0.5 of its maximum"].low == 0.0


def test_without_a_cut_from_other_images_no_overlap_is_published():
    # chosen on the images that it is measured on, it would flatter the map
    names = [figure.name for figure in map_figures([score(3.0 * MASK)], ["a"], "drawn", None)]
    assert names == ["pointing game", "map energy in the tumor", "map energy over area share"]
