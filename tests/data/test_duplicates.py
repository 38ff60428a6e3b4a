"""If these fail, copies of training images stand in the test set and the figures are leaks."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from tumorlens.data.duplicates import NEAR, SAME, Pair, find_pairs, group, thumbnail
from tumorlens.data.search import ROUNDING, TURNS, descriptors, search, turned


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


def brute_force(vectors, threshold):
    """All pairs in all eight turns, the plain way."""
    square = vectors.reshape(len(vectors), 48, 48)
    best = np.full((len(vectors), len(vectors)), -1.0)
    for flipped in (square, square[:, :, ::-1]):
        for quarter in range(4):
            other = np.rot90(flipped, quarter, axes=(1, 2)).reshape(vectors.shape)
            best = np.maximum(best, vectors @ other.T)
    return {(i, j) for i, j in zip(*np.nonzero(best >= threshold), strict=True) if i < j}


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.9, NEAR])
def test_the_fast_search_loses_no_pair(threshold):
    chance = np.random.default_rng(0)
    heads = [head(seed) for seed in range(40)]
    heads += [np.rot90(p, chance.integers(4)) for p in heads[:10]]
    heads += [p[:, ::-1] * chance.uniform(0.8, 1) for p in heads[:10]]
    vectors = np.stack([thumbnail(np.ascontiguousarray(p)) for p in heads])
    found = {(pair.first, pair.second) for pair in find_pairs(vectors, threshold)}
    assert found == brute_force(vectors, threshold)
    assert len(found) >= 20


def test_a_set_of_nothing_but_copies_loses_no_pair():
    heads = [np.rot90(head(1), turn) + seed / 100 * head(seed) for turn in range(4)
             for seed in range(2, 8)]  # fmt: skip
    vectors = np.stack([thumbnail(np.ascontiguousarray(p.astype(np.float32))) for p in heads])
    found = find_pairs(vectors, NEAR)
    assert {(pair.first, pair.second) for pair in found} == brute_force(vectors, NEAR)
    assert len(found) > 200


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_a_descriptor_never_hides_a_correlation(first, second, share):
    pictures = np.stack([np.random.default_rng(s).normal(size=48 * 48) for s in (first, second)])
    pictures[1] = share * pictures[0] + (1 - share) * pictures[1]
    pictures -= pictures.mean(axis=1, keepdims=True)
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    vectors = pictures.astype(np.float32)
    bound = float(np.prod(descriptors(vectors), axis=0).sum())
    turns = [turned(vectors[1:].reshape(1, 48, 48), turn).ravel() for turn in range(TURNS)]
    assert bound >= max(float(vectors[0] @ other) for other in turns) - ROUNDING


@pytest.mark.parametrize("turn", range(TURNS))
def test_the_turn_that_is_told_lays_the_second_on_the_first(turn):
    first, second = thumbnail(head(4)).reshape(1, 48, 48), None
    second = next(t for t in range(TURNS) if np.array_equal(turned(turned(first, t), turn), first))
    vectors = np.concatenate([first, turned(first, second)]).reshape(2, -1)
    (found,) = search(vectors, 0.99)
    assert list(found.turn) == [turn]
