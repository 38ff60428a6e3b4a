"""If these fail, the network sees another picture than it was trained on, or a map points beside
the lesion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorlens.model.format import CropPolicy, InputSpec, ResizePolicy
from tumorlens.model.prepare import Box, head_box, place, prepare, resample, to_slice

SPECS = [
    InputSpec(height=96, width=128, channels=channels, crop=crop, resize=resize)
    for channels in (1, 3)
    for crop in CropPolicy
    for resize in ResizePolicy
]


def head(shape: tuple[int, int], box: Box, level: float = 0.5) -> np.ndarray:
    """An ellipse filling `box`, on black."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    down = (rows - (box.top + box.bottom) / 2) / (box.height / 2)
    across = (columns - (box.left + box.right) / 2) / (box.width / 2)
    return np.where(down**2 + across**2 <= 1, level, 0).astype(np.float32)


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s.channels}-{s.crop}-{s.resize}")
@settings(max_examples=20, deadline=None)
@given(shape=st.tuples(st.integers(1, 300), st.integers(1, 300)), seed=st.integers(0, 99))
def test_any_slice_becomes_the_input_and_any_map_comes_back(spec, shape, seed):
    pixels = np.random.default_rng(seed).random(shape, dtype=np.float32)
    prepared = prepare(pixels, spec)
    assert prepared.tensor.shape == (spec.channels, spec.height, spec.width)
    assert prepared.tensor.dtype == np.float32
    assert prepared.tensor.flags.c_contiguous
    assert 0 <= prepared.tensor.min() <= prepared.tensor.max() <= 1
    assert np.array_equal(prepared.tensor, prepare(pixels, spec).tensor)
    back = to_slice(np.ones((3, 4), np.float32), prepared.placement)
    box = prepared.box
    assert back.shape == shape
    assert (back[box.top : box.bottom, box.left : box.right] == 1).all()
    assert back.sum() == box.width * box.height


@pytest.mark.parametrize("crop", CropPolicy)
@pytest.mark.parametrize("resize", ResizePolicy)
@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(100, 400), st.integers(100, 400)),
    place_of=st.tuples(st.floats(0.3, 0.7), st.floats(0.3, 0.7)),
)
def test_a_bright_dot_comes_back_where_it_was(crop, resize, shape, place_of):
    height, width = shape
    box = Box(width // 10, height // 8, width - width // 5, height - height // 10)
    pixels = head(shape, box, 0.3)
    row = round(box.top + place_of[0] * box.height)
    column = round(box.left + place_of[1] * box.width)
    pixels[row - 3 : row + 4, column - 3 : column + 4] = 1
    prepared = prepare(pixels, InputSpec(height=112, width=112, crop=crop, resize=resize))
    cells = prepared.tensor[0].reshape(28, 4, 28, 4).mean(axis=(1, 3))
    found = np.unravel_index(np.argmax(to_slice(cells, prepared.placement)), shape)
    cell = max(prepared.box.height, prepared.box.width) / 28
    assert np.hypot(found[0] - row, found[1] - column) <= cell + 1


def test_a_letterbox_keeps_the_aspect_and_is_centred():
    spec = InputSpec(height=100, width=100, resize=ResizePolicy.LETTERBOX)
    prepared = prepare(np.ones((50, 200), np.float32), spec)
    assert prepared.placement.inner == Box(0, 37, 100, 62)
    assert (prepared.tensor[0, 37:62] == 1).all()
    assert prepared.tensor.sum() == 2500


@settings(max_examples=30, deadline=None)
@given(
    starts=st.tuples(st.floats(0.02, 0.3), st.floats(0.02, 0.3)),
    stops=st.tuples(st.floats(0.7, 0.98), st.floats(0.7, 0.98)),
    side=st.integers(120, 700),
    noise=st.floats(0, 0.03),
)
def test_the_head_is_boxed_whole_and_closely(starts, stops, side, noise):
    box = Box(*(round(side * share) for share in (*starts, *stops)))
    pixels = head((side, side), box)
    pixels += np.random.default_rng(1).random(pixels.shape, dtype=np.float32) * np.float32(noise)
    found = head_box(pixels)
    slack = 0.05 * side
    for got, drawn in zip(found, box, strict=True):
        assert abs(got - drawn) <= slack
    assert found.left <= box.left + 0.01 * side
    assert found.right >= box.right - 0.01 * side


def test_letters_in_a_corner_do_not_widen_the_box():
    pixels = head((512, 512), Box(130, 120, 380, 440))
    plain = head_box(pixels)
    pixels[8:24, 8:90:3] = 1
    pixels[490:500, 420:505:2] = 1
    assert head_box(pixels) == plain


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((80, 90), np.float32),
        np.ones((80, 90), np.float32),
        head((80, 90), Box(40, 40, 50, 50)),
    ],
    ids=["black", "white", "a speck"],
)
def test_without_a_head_the_whole_slice_is_used(pixels):
    assert head_box(pixels) == Box(0, 0, 90, 80)


def test_sixteen_bit_steps_survive():
    ramp = np.tile(np.arange(128, dtype=np.float32) / 65535, (128, 1))
    tensor = prepare(ramp, InputSpec(height=128, width=128)).tensor
    assert np.array_equal(tensor[0], ramp)


def test_a_mask_can_be_placed_as_its_slice_was():
    pixels = head((200, 160), Box(30, 40, 130, 180))
    mask = np.zeros_like(pixels)
    mask[100:120, 70:90] = 1
    spec = InputSpec(height=64, width=64, crop=CropPolicy.FOREGROUND)
    placement = place(pixels, spec)
    placed = resample(mask, placement)
    box = placement.box
    centre = (np.argwhere(placed > 0.5).mean(axis=0) + 0.5) / 64
    expected = ((110 - box.top) / box.height, (80 - box.left) / box.width)
    assert centre == pytest.approx(expected, abs=0.02)


def test_interpolation_makes_no_evidence_beyond_the_map():
    values = np.zeros((7, 7), np.float32)
    values[3, 3] = 1
    back = to_slice(values, place(np.ones((300, 300), np.float32), SPECS[0]))
    assert back.min() == 0
    assert back.max() <= 1
