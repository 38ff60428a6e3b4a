"""Ordinary pictures: what they look like when they reach the network."""

import numpy as np
import pytest
from PIL import Image

from tumorlens.errors import ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.scan import FileFormat, Limits

LOSSLESS = [("PNG", FileFormat.PNG), ("BMP", FileFormat.BMP), ("TIFF", FileFormat.TIFF)]


@pytest.mark.parametrize(("kind", "found"), [*LOSSLESS, ("GIF", FileFormat.GIF)])
def test_grey_levels_come_out_exactly(make, kind, found):
    pixels = make.drawn_bytes(80)
    (scan,) = make.scans(make.encoded(pixels, kind))
    assert scan.format is found
    assert scan.pixels.dtype == np.float32
    assert scan.pixels.flags.c_contiguous
    assert scan.colour == 0.0
    np.testing.assert_allclose(scan.pixels, pixels / np.float32(255), atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "options", "found"),
    [
        ("JPEG", {"quality": 95}, FileFormat.JPEG),
        ("JPEG", {"quality": 95, "progressive": True}, FileFormat.JPEG),
        ("WEBP", {"quality": 95}, FileFormat.WEBP),
        ("WEBP", {"lossless": True}, FileFormat.WEBP),
        ("TIFF", {"compression": "tiff_lzw"}, FileFormat.TIFF),
        ("TIFF", {"compression": "jpeg"}, FileFormat.TIFF),
    ],
)
def test_compressed_pictures_come_out_nearly_exactly(make, kind, options, found):
    pixels = make.drawn_bytes(80)
    (scan,) = make.scans(make.encoded(pixels, kind, **options))
    assert scan.format is found
    assert np.abs(scan.pixels - pixels / 255).mean() < 0.02


def test_content_decides_and_not_the_name(make):
    data = make.encoded(make.drawn_bytes(), "PNG")
    assert make.scans(data, "scan.jpg")[0].format is FileFormat.PNG


def test_provenance_is_kept(make):
    import hashlib

    data = make.encoded(make.drawn_bytes(), "PNG")
    (scan,) = make.scans(data, "some.png")
    assert (scan.source, scan.sha256) == ("some.png", hashlib.sha256(data).hexdigest())
    assert (scan.spacing, scan.modality, scan.series, scan.position) == (None, None, None, None)


def test_sixteen_bit_data_over_the_full_range_keep_their_scale(make):
    pixels = np.linspace(0, 60000, 64 * 64).reshape(64, 64).astype(np.uint16)
    (scan,) = make.scans(make.encoded(pixels, "PNG"))
    np.testing.assert_allclose(scan.pixels, pixels / 65535, atol=1e-6)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_twelve_bit_data_in_sixteen_bits_are_not_almost_black(make, kind):
    pixels = np.linspace(100, 4095, 64 * 64).reshape(64, 64).astype(np.uint16)
    (scan,) = make.scans(make.encoded(pixels, kind))
    assert scan.pixels.min() == 0.0
    assert scan.pixels.max() == 1.0


def test_float_tiff_in_unit_range_is_kept_and_beyond_it_is_stretched(make):
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    np.testing.assert_allclose(make.scans(make.encoded(ramp, "TIFF"))[0].pixels, ramp, atol=1e-6)
    far = make.scans(make.encoded(ramp * 3000 - 500, "TIFF"))[0].pixels
    np.testing.assert_allclose(far, ramp, atol=1e-5)


@pytest.mark.parametrize("extreme", [1e38, -1e38, 3.4e38])
def test_extreme_floats_do_not_overflow(make, extreme):
    pixels = np.zeros((64, 64), np.float32)
    pixels[0, 0], pixels[1, 1] = extreme, -extreme
    (scan,) = make.scans(make.encoded(pixels, "TIFF"))
    assert np.isfinite(scan.pixels).all()


def test_nan_in_a_tiff_is_counted_and_refused(make, refused):
    pixels = np.ones((64, 64), np.float32)
    pixels[:2] = np.nan
    assert "128 of 4096" in refused(make.encoded(pixels, "TIFF"), UnreadableScan).reason


def test_alpha_is_laid_over_black(make):
    pixels = np.full((64, 64, 4), 255, np.uint8)
    pixels[:, :32, 3] = 0
    pixels[:, 32:, 3] = 128
    (scan,) = make.scans(make.encoded(pixels, "PNG"))
    assert scan.pixels[:, :32].max() == 0.0
    assert scan.pixels[0, 40] == pytest.approx(128 / 255, abs=0.01)


def test_grey_with_alpha_is_laid_over_black(make):
    grey = np.full((64, 64, 2), 200, np.uint8)
    grey[:, :32, 1], grey[:, 32:, 1] = 0, 255
    (scan,) = make.scans(make.encoded(grey, "PNG"))
    assert scan.pixels[:, :32].max() == 0.0
    assert scan.pixels[0, 40] == pytest.approx(200 / 255)


def test_a_palette_of_greys_is_grey(make, tmp_path):
    pixels = make.drawn_bytes()
    Image.fromarray(pixels).quantize(256).save(tmp_path / "palette.png")
    (scan,) = make.scans((tmp_path / "palette.png").read_bytes())
    assert np.abs(scan.pixels - pixels / 255).max() < 0.03
    assert scan.colour == 0.0


def test_a_transparent_palette_colour_is_black(make, tmp_path):
    picture = Image.new("P", (64, 64), 1)
    picture.putpalette([255, 255, 255, 200, 200, 200])
    picture.paste(0, (0, 0, 32, 64))
    picture.save(tmp_path / "transparent.png", transparency=0)
    (scan,) = make.scans((tmp_path / "transparent.png").read_bytes())
    assert scan.pixels[0, 0] == 0.0
    assert scan.pixels[0, 40] == pytest.approx(200 / 255, abs=0.01)


def test_black_and_white_pictures_are_read(make, tmp_path):
    Image.fromarray(make.drawn_bytes() > 90).save(tmp_path / "bits.png")
    (scan,) = make.scans((tmp_path / "bits.png").read_bytes())
    assert set(np.unique(scan.pixels)) == {0.0, 1.0}


def test_grey_stored_as_colour_is_exactly_the_grey(make):
    pixels = make.drawn_bytes()
    (scan,) = make.scans(make.encoded(np.dstack([pixels] * 3), "PNG"))
    assert np.array_equal(scan.pixels, make.scans(make.encoded(pixels, "PNG"))[0].pixels)
    assert scan.colour == 0.0


def test_colour_is_measured(make):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :, 0] = 255
    (scan,) = make.scans(make.encoded(pixels, "PNG"))
    assert scan.colour == pytest.approx(0.5)
    assert scan.pixels[0, 0] == pytest.approx(0.299, abs=0.003)


def test_cmyk_is_read_as_it_is_seen(make, tmp_path):
    Image.new("RGB", (64, 64), (200, 200, 200)).convert("CMYK").save(tmp_path / "print.jpg")
    (scan,) = make.scans((tmp_path / "print.jpg").read_bytes())
    assert scan.pixels.mean() == pytest.approx(200 / 255, abs=0.02)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_the_right_way_up(make, kind, orientation):
    upright = np.zeros((64, 96), np.uint8)
    upright[:20, :30] = 255  # the upper left corner is white
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(np.transpose(a), 2),
        8: lambda a: np.rot90(a, 3),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = make.encoded(np.ascontiguousarray(undo(upright)), kind, exif=exif)
    (scan,) = make.scans(data)
    assert scan.pixels.shape == upright.shape
    assert scan.pixels[:16, :26].min() > 0.9
    assert scan.pixels[24:, 34:].max() < 0.1


def test_a_broken_orientation_does_not_cost_the_picture(make):
    data = make.encoded(make.drawn_bytes(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage")
    assert make.scans(data)[0].pixels.shape == (96, 96)


def frames(kind, count, **options):
    import io

    pictures = [Image.new("L", (64, 64), 40 * index) for index in range(count)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, kind, save_all=True, append_images=pictures[1:], **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_refused_with_its_frame_count(refused, kind):
    error = refused(frames(kind, 5, duration=100), UnsupportedScan)
    assert "animation of 5 frames" in error.reason


def test_tiff_pages_are_slices_in_order(make):
    scans = make.scans(frames("TIFF", 4), "pages.tif")
    assert [scan.frame for scan in scans] == [0, 1, 2, 3]
    assert {scan.frame_count for scan in scans} == {4}
    assert [round(float(scan.pixels.mean()) * 255) for scan in scans] == [0, 40, 80, 120]
    assert scans[2].name == "pages.tif#3"


def test_as_many_pages_as_the_limit_allows_are_read(make):
    assert len(make.scans(frames("TIFF", 3), limits=Limits(max_frames=3))) == 3


def test_the_frames_of_a_gif_are_counted_at_once(make, refused):
    frame = b",\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    data = b"GIF89a\1\0\1\0\0\0\0" + frame * 300_000 + b";"
    assert "animation of 300000 frames" in refused(data, UnsupportedScan).reason


def test_a_laboratory_colour_tiff_shows_its_lightness(make, tmp_path):
    grey = Image.fromarray(make.drawn_bytes())
    Image.merge("LAB", [grey] * 3).save(tmp_path / "lab.tif")
    (scan,) = make.scans((tmp_path / "lab.tif").read_bytes())
    assert np.array_equal(scan.pixels, make.scans(make.encoded(np.asarray(grey), "PNG"))[0].pixels)


def test_a_damaged_later_page_does_not_lose_the_earlier_ones(make):
    import io

    from tumorlens.scan import Source, read

    data = bytearray(frames("TIFF", 3, compression="tiff_deflate"))
    with Image.open(io.BytesIO(bytes(data))) as picture:
        picture.seek(2)
        start = picture.tag_v2[273][0]
    data[start : start + 4] = b"\xff\xff\xff\xff"
    reading = read(Source.from_bytes("x", bytes(data)))
    assert [next(reading).frame, next(reading).frame] == [0, 1]
    with pytest.raises(UnreadableScan):
        next(reading)


def test_too_many_pages_are_refused_before_any_is_decoded(refused):
    error = refused(frames("TIFF", 4), ScanTooLarge, limits=Limits(max_frames=3))
    assert "more pages than the limit of 3" in error.reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_more_pixels_than_the_limit_are_refused(make, refused, kind):
    data = make.encoded(make.drawn_bytes(96), kind)
    error = refused(data, ScanTooLarge, limits=Limits(max_pixels=96 * 96 - 1))
    assert "96 x 96" in error.reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_pictures_are_named_and_not_shown_half_grey(make, refused, kind, share):
    data = make.encoded(make.drawn_bytes(), kind)
    refused(data[: int(len(data) * share)], UnreadableScan)
