"""Lossless JPEG, the usual compression of clinical archives, without a GPL decoder."""

import numpy as np
import pytest

from tumorlens.scan.dicom.jpeg_lossless import decode_lossless


@pytest.mark.parametrize("predictor", range(1, 8))
def test_every_predictor_gives_the_exact_pixels(make, predictor):
    pixels = make.drawn_bytes(33).astype(np.uint16) * 200
    assert np.array_equal(decode_lossless(make.lossless_jpeg(pixels, predictor=predictor)), pixels)


@pytest.mark.parametrize("predictor", range(1, 8))
def test_noise_over_the_whole_range_wraps_as_the_standard_says(make, predictor):
    pixels = np.random.default_rng(3).integers(0, 65536, (17, 23), dtype=np.uint16)
    pixels[0, :3] = 0, 32768, 0  # a difference of 32768 has its own category
    assert np.array_equal(decode_lossless(make.lossless_jpeg(pixels, predictor=predictor)), pixels)


def test_a_picture_longer_than_one_block_is_whole(make):
    pixels = np.random.default_rng(4).integers(0, 4096, (300, 300), dtype=np.uint16)
    assert np.array_equal(decode_lossless(make.lossless_jpeg(pixels, precision=12)), pixels)


def test_a_single_pixel(make):
    assert decode_lossless(make.lossless_jpeg(np.array([[7]], np.uint16))).tolist() == [[7]]


@pytest.mark.parametrize("cut", [3, 20, 60, 200])
def test_a_cut_off_codestream_is_an_error_and_not_a_wrong_picture(make, cut):
    whole = make.lossless_jpeg(make.drawn_bytes(32).astype(np.uint16))
    with pytest.raises((ValueError, IndexError)):
        decode_lossless(whole[: cut if cut < 60 else len(whole) - cut])


def test_restart_intervals_start_their_prediction_anew(make):
    pixels = np.random.default_rng(5).integers(0, 65536, (4, 9), dtype=np.uint16)
    halves = [make.lossless_jpeg(pixels[rows]) for rows in (slice(0, 2), slice(2, 4))]
    start = halves[0].index(b"\xff\xda") + 10
    header = halves[0][:start].replace(
        b"\xff\xc3\x00\x0b\x10\x00\x02", b"\xff\xdd\x00\x04\x00\x12\xff\xc3\x00\x0b\x10\x00\x04"
    )
    coded = [half[start:-2] for half in halves]
    joined = header + coded[0] + b"\xff\xd0" + coded[1] + b"\xff\xd9"
    assert np.array_equal(decode_lossless(joined), pixels)
