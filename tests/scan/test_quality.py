"""Pictures that nobody could read are named; good slices are left alone."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from tumorlens.scan import QualityKind, assess, draw_phantom


def head(seed=1, size=256, **options):
    return draw_phantom(seed, size=size, **options).pixels


def kinds(make, pixels, colour=0.0):
    return {flag.kind for flag in assess(make.scan_of(pixels, colour))}


def blurred(pixels, share):
    picture = Image.fromarray((pixels * 255).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(share * min(pixels.shape)))
    return np.asarray(picture, np.float32) / 255


def text_page(size=512, dark=False, height=16):
    picture = Image.new("L", (size, size), 0 if dark else 255)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(height)
    for row in range(0, size, int(1.4 * height)):
        words = " ".join(f"{row * k % 9973} Finding w{k}" for k in range(1, 12))
        draw.text((4, row), words, fill=255 if dark else 0, font=font)
    return np.asarray(picture, np.float32) / 255


@pytest.mark.parametrize("size", [64, 96, 128, 224, 300, 512])
@pytest.mark.parametrize("tumor", [None, "glioma", "meningioma", "pituitary"])
def test_good_slices_have_no_flag(make, size, tumor):
    for seed in range(2):
        assert kinds(make, head(seed, size, tumor=tumor)) == set()


@pytest.mark.parametrize("shape", [(200, 320), (512, 150), (64, 500)])
def test_good_slices_that_are_not_square_have_no_flag(make, shape):
    picture = Image.fromarray(head(size=max(shape))).resize((shape[1], shape[0]))
    assert kinds(make, np.asarray(picture)) == set()


@pytest.mark.parametrize("shape", [(63, 300), (300, 63), (10, 10), (1, 1)])
def test_tiny(make, shape):
    flags = assess(make.scan_of(np.random.default_rng(0).random(shape)))
    assert (flags[0].kind, flags[0].measure, flags[0].limit) == (
        QualityKind.TINY,
        min(shape),
        64,
    )


@pytest.mark.parametrize("level", [0.0, 0.02])
def test_blank(make, level):
    noise = np.random.default_rng(0).random((200, 200)) * 0.01
    assert kinds(make, noise + level) == {QualityKind.BLANK}


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_almost_flat(make, level):
    noise = np.random.default_rng(0).random((200, 200)) * 0.05
    assert kinds(make, np.clip(noise + level, 0, 1)) == {QualityKind.FLAT}


@pytest.mark.parametrize("size", [128, 256, 512])
@pytest.mark.parametrize("share", [0.02, 0.04])
def test_strongly_blurred(make, size, share):
    assert QualityKind.BLURRED in kinds(make, blurred(head(size=size), share))


@pytest.mark.parametrize("size", [256, 512])
def test_slightly_soft_slices_are_left_alone(make, size):
    assert kinds(make, blurred(head(size=size), 0.003)) == set()


def test_clipped(make):
    assert QualityKind.CLIPPED in kinds(make, np.clip(head() * 4, 0, 1))


def test_a_bright_slice_is_not_clipped(make):
    assert kinds(make, np.clip(head() * 1.2, 0, 1)) == set()


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (1, 2), (2, 1), (3, 4)])
@pytest.mark.parametrize("ground", [0.0, 1.0])
def test_several_panels(make, rows, columns, ground):
    tiles = [
        [
            np.pad(head(row * 4 + column, 160), 8, constant_values=ground)
            for column in range(columns)
        ]
        for row in range(rows)
    ]
    flags = assess(make.scan_of(np.block(tiles)))
    (panels,) = [flag for flag in flags if flag.kind is QualityKind.PANELS]
    assert panels.measure == rows * columns


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("size", "height"), [(512, 12), (512, 24), (1024, 20)])
def test_a_screen_of_text(make, dark, size, height):
    assert QualityKind.TEXT in kinds(make, text_page(size, dark, height))


def test_a_line_of_text_in_a_corner_is_left_alone(make):
    pixels = head(size=512).copy()
    pixels[:60, :200] = np.maximum(pixels[:60, :200], text_page(dark=True)[:60, :200])
    assert kinds(make, pixels) == set()


def test_a_colour_photo(make):
    assert QualityKind.COLOUR in kinds(make, head(), colour=0.2)


def test_faint_coloured_marks_are_left_alone(make):
    assert kinds(make, head(), colour=0.05) == set()


def test_a_flag_tells_its_measure_and_limit(make):
    (flag,) = assess(make.scan_of(np.zeros((100, 100))))
    assert flag.measure < flag.limit


@pytest.mark.parametrize("shape", [(64, 64), (65, 500), (2000, 64)])
def test_any_shape_can_be_assessed(make, shape):
    random = np.random.default_rng(1)
    assess(make.scan_of(random.random(shape)))
    assess(make.scan_of((random.random(shape) > 0.5).astype(np.float32)))
