"""If these fail, copies of another crop pass as new images, or neighbours as copies."""

import numpy as np
import pytest
from PIL import Image

from tests.data.test_duplicates import head
from tumorlens.data.audit.align import ALIGNED_SAME, aligned_correlation, with_aligned
from tumorlens.data.duplicates import SAME
from tumorlens.data.search import TURNS, Matches, turned


def unit(pixels):
    small = np.asarray(Image.fromarray(pixels).resize((48, 48), Image.Resampling.BILINEAR))
    centred = small - small.mean()
    return (centred / np.linalg.norm(centred)).astype(np.float32)


def aligned(first, second):
    return float(aligned_correlation(unit(first)[None], unit(second)[None])[0])


@pytest.mark.parametrize(
    "crop",
    [(slice(4, None), slice(None)), (slice(None), slice(5, None)), (slice(3, -3), slice(3, -3))],
    ids=["above", "beside", "all round"],
)
def test_a_crop_of_a_few_pixels_is_the_same_picture(crop):
    for seed in range(5):
        pixels = head(seed)
        other = np.ascontiguousarray(pixels[crop])
        assert float((unit(pixels) * unit(other)).sum()) < aligned(pixels, other)
        assert aligned(pixels, other) >= ALIGNED_SAME


def test_another_picture_stays_another():
    figures = [aligned(head(seed), head(seed + 100)) for seed in range(50)]
    assert max(figures) < 0.97


def test_a_neighbour_with_a_lesion_that_moved_stays_another():
    y, x = np.mgrid[-1:1:160j, -1:1:160j]
    for seed in range(5):
        spot = 0.6 * np.exp(-((x - 0.2) ** 2 + (y - 0.1) ** 2) / 0.02)
        assert aligned(head(seed), np.clip(head(seed) + spot, 0, 1)) < ALIGNED_SAME


def test_blank_pictures_are_no_copies():
    blank = np.zeros((1, 48, 48), np.float32)
    assert float(aligned_correlation(blank, blank)[0]) == 0.0


@pytest.mark.parametrize("turn", range(TURNS))
def test_a_turned_pair_is_aligned_as_it_lies(turn):
    pixels = head(3)
    first, moved = unit(pixels), unit(np.ascontiguousarray(pixels[6:, :]))
    second = next(
        candidate
        for t in range(TURNS)
        if np.array_equal(turned(candidate := turned(moved[None], t), turn)[0], moved)
    )
    heads = np.stack([first.ravel(), second.ravel()]).astype(np.float16)
    found = Matches(
        np.array([0]), np.array([1]), np.array([0.96], np.float32), np.array([turn], np.uint8)
    )
    assert with_aligned(heads, found).correlation[0] >= SAME
