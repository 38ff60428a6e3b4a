"""If these fail, copies of training images stand in the test set and the figures are leaks."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from tumorlens.data.duplicates import NEAR, SAME, Pair, find_pairs, group, thumbnail


def head(seed):
    """An oval with blobs of its own: heads that differ more than copies of one do."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:160j, -1:1:160j]
    pixels = np.full(x.shape, 0.25)
    for _ in range(12):
        height = chance.uniform(-0.5, 0.6)
        across, down = chance.uniform(-0.6, 0.6, 2)
        pixels += height * np.exp(-((x - across) ** 2 + (y - down) ** 2) / 0.04)
    oval = (x / 0.75) ** 2 + (y / 0.9) ** 2 < 1
    return (np.clip(pixels, 0.05, 1) * oval).astype(np.float32)


def reencoded(pixels):
    buffer = io.BytesIO()
    Image.fromarray((pixels * 255).astype(np.uint8)).resize((113, 113)).save(
        buffer, "JPEG", quality=60
    )
    return np.asarray(Image.open(buffer), np.float32) / 255


def blurred(pixels):
    image = Image.fromarray((pixels * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(1)), np.float32) / 255


COPIES = {
    "the same": lambda p: p,
    "encoded again at another size": reencoded,
    "mirrored": lambda p: p[:, ::-1],
    "turned by 90 degrees": np.rot90,
    "upside down": lambda p: p[::-1],
    "brighter": lambda p: np.clip(p * 1.15, 0, 1),
    "with another border": lambda p: np.pad(p, ((30, 8), (2, 40))),
    "blurred": blurred,
}


def correlation(first, second):
    pairs = find_pairs(np.stack([thumbnail(first), thumbnail(np.ascontiguousarray(second))]), -2.0)
    return pairs[0].correlation


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_recognised(change):
    assert all(correlation(head(seed), change(head(seed))) >= SAME for seed in range(5))


def test_other_heads_are_not_copies():
    vectors = np.stack([thumbnail(head(seed)) for seed in range(60)])
    assert find_pairs(vectors, NEAR) == []


def test_a_blank_picture_matches_nothing():
    vectors = np.stack([thumbnail(np.zeros((64, 64), np.float32)), thumbnail(head(1))])
    assert not np.isnan(vectors).any()
    assert find_pairs(np.stack([vectors[0], vectors[0], vectors[1]])) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=12))
def test_groups_are_the_connected_parts(edges):
    pairs = [Pair(min(e), max(e), 1.0) for e in edges if e[0] != e[1]]
    numbers = group(9, pairs)
    for pair in pairs:
        assert numbers[pair.first] == numbers[pair.second]
    alone = set(range(9)) - {i for pair in pairs for i in (pair.first, pair.second)}
    assert all(numbers.count(numbers[i]) == 1 for i in alone)


def test_a_pair_below_the_threshold_joins_nothing():
    assert len(set(group(2, [Pair(0, 1, 0.96)], SAME))) == 2
