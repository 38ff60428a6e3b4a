"""Compressed DICOM: the same pixels as without compression, or a name for what is missing."""

import types

import numpy as np
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate_extended

from tumorlens.errors import UnreadableScan, UnsupportedScan
from tumorlens.scan import Source, read
from tumorlens.scan.dicom import frames as frames_module

WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}


def head(make, dtype=np.uint16, scale=16):
    return make.drawn_bytes(80).astype(dtype) * scale


def rle(pixels):
    from pydicom.pixels.encoders import RLELosslessEncoder

    rows, columns = pixels.shape[:2]
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    bits = 8 * pixels.dtype.itemsize
    return RLELosslessEncoder.encode(
        pixels.tobytes(),
        index=0,
        rows=rows,
        columns=columns,
        samples_per_pixel=samples,
        number_of_frames=1,
        bits_allocated=bits,
        bits_stored=bits,
        pixel_representation=int(pixels.dtype.kind == "i"),
        photometric_interpretation="MONOCHROME2" if samples == 1 else "RGB",
        planar_configuration=0,
    )


def jpeg2000(pixels):
    openjpeg = pytest.importorskip("openjpeg.utils")
    return openjpeg.encode_array(pixels, photometric_interpretation=2)


def jpeg_ls(pixels):
    return bytes(pytest.importorskip("jpeg_ls").encode_array(pixels))


LOSSLESS = {
    "RLE": (uid.RLELossless, rle),
    "JPEG 2000": (uid.JPEG2000Lossless, jpeg2000),
    "JPEG-LS": (uid.JPEGLSLossless, jpeg_ls),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_syntaxes_give_exactly_the_pixels(make, name):
    syntax, encode = LOSSLESS[name]
    pixels = head(make)
    data = make.dicom(pixels, syntax=syntax, encapsulated=[encode(pixels)], **WINDOW)
    assert np.array_equal(
        make.scans(data)[0].pixels, make.scans(make.dicom(pixels, **WINDOW))[0].pixels
    )


@pytest.mark.parametrize("predictor", [1, 4, 7])
def test_lossless_jpeg_gives_exactly_the_pixels(make, predictor):
    pixels = head(make)
    syntax = uid.JPEGLosslessSV1 if predictor == 1 else uid.JPEGLossless
    coded = make.lossless_jpeg(pixels, predictor=predictor)
    data = make.dicom(pixels, syntax=syntax, encapsulated=[coded], **WINDOW)
    assert np.array_equal(
        make.scans(data)[0].pixels, make.scans(make.dicom(pixels, **WINDOW))[0].pixels
    )


def test_lossless_jpeg_without_any_plugin(make, monkeypatch):
    pixels = head(make, np.int16) - 900
    coded = make.lossless_jpeg(pixels.view(np.uint16))
    data = make.dicom(pixels, syntax=uid.JPEGLosslessSV1, encapsulated=[coded])
    without(monkeypatch)
    assert np.array_equal(make.scans(data)[0].pixels, make.scans(make.dicom(pixels))[0].pixels)


def test_twelve_signed_bits_in_lossless_jpeg(make, monkeypatch):
    pixels = head(make, np.int16) - 900
    coded = make.lossless_jpeg(pixels.view(np.uint16) & 0x0FFF, precision=12)
    elements = {"BitsStored": 12, "HighBit": 11, "WindowCenter": 0, "WindowWidth": 4096}
    data = make.dicom(pixels, syntax=uid.JPEGLosslessSV1, encapsulated=[coded], **elements)
    without(monkeypatch)
    plain = make.scans(make.dicom(pixels, **elements))[0].pixels
    wrapped = np.clip(((pixels.astype(int) + 2048) % 4096) / 4095, 0, 1)
    np.testing.assert_allclose(make.scans(data)[0].pixels, wrapped, atol=1e-6)
    np.testing.assert_allclose(plain, wrapped, atol=1e-6)


@pytest.mark.parametrize("syntax", [uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit])
def test_eight_bit_jpeg(make, syntax):
    pixels = make.drawn_bytes(80)
    coded = make.encoded(pixels, "JPEG", quality=95)
    (scan,) = make.scans(make.dicom(pixels, syntax=syntax, encapsulated=[coded]))
    assert np.abs(scan.pixels - pixels / 255).mean() < 0.01


def test_colour_jpeg_is_read_as_colour(make):
    grey = make.drawn_bytes(80)
    coded = make.encoded(np.dstack([grey] * 3), "JPEG", quality=95)
    data = make.dicom(
        np.dstack([grey] * 3),
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL_422",
        syntax=uid.JPEGBaseline8Bit,
        encapsulated=[coded],
    )
    (scan,) = make.scans(data)
    assert np.abs(scan.pixels - grey / 255).mean() < 0.01
    assert scan.colour < 0.01


def test_frames_without_an_offset_table_come_in_order(make):
    pixels = np.stack([head(make), head(make)[::-1], head(make).T])
    data = make.dicom(
        pixels, syntax=uid.RLELossless, encapsulated=[rle(frame) for frame in pixels], **WINDOW
    )
    scans = make.scans(data)
    assert len(scans) == 3
    assert np.array_equal(scans[1].pixels, scans[0].pixels[::-1])
    assert np.array_equal(scans[2].pixels, scans[0].pixels.T)


def test_an_extended_offset_table(make):
    pixels = np.stack([head(make), head(make)[::-1]])
    coded, offsets, lengths = encapsulate_extended([rle(frame) for frame in pixels])
    data = make.dicom(
        pixels,
        syntax=uid.RLELossless,
        encapsulated=[b"\0\0"],
        PixelData=coded,
        ExtendedOffsetTable=offsets,
        ExtendedOffsetTableLengths=lengths,
        **WINDOW,
    )
    first, second = make.scans(data)
    assert np.array_equal(second.pixels, first.pixels[::-1])


def test_a_damaged_later_frame_does_not_lose_the_earlier_ones(make):
    pixels = np.stack([head(make)] * 3)
    good = jpeg2000(pixels[0])
    data = make.dicom(
        pixels,
        syntax=uid.JPEG2000Lossless,
        encapsulated=[good, good, good[:60]],
        **WINDOW,
    )
    reading = read(Source.from_bytes("damaged.dcm", data))
    assert [next(reading).frame, next(reading).frame] == [0, 1]
    with pytest.raises(UnreadableScan):
        next(reading)


@pytest.mark.parametrize("name", ["JPEG 2000", "JPEG-LS"])
def test_pixels_that_contradict_the_header_are_refused_before_decoding(make, refused, name):
    syntax, encode = LOSSLESS[name]
    pixels = head(make)
    data = make.dicom(pixels, syntax=syntax, encapsulated=[encode(pixels[:40])])
    assert "80 x 80" in refused(data, UnreadableScan).reason


@pytest.mark.parametrize("syntax", [uid.JPEG2000, uid.JPEGBaseline8Bit, uid.JPEGLosslessSV1])
def test_rubbish_in_place_of_a_codestream(make, refused, syntax):
    refused(make.dicom(head(make), syntax=syntax, encapsulated=[b"rubbish!"]), UnreadableScan)


@pytest.mark.parametrize("syntax", [uid.MPEG2MPML, uid.HEVCMP51, "1.2.840.10008.1.2.4.95"])
def test_what_nothing_decodes_is_named(make, refused, syntax):
    data = make.dicom(head(make), syntax=uid.UID(syntax), encapsulated=[b"\0\0\1\xb3"])
    assert syntax in refused(data, UnsupportedScan).reason


def test_a_missing_plugin_is_named_with_every_way_to_get_one(make, refused, monkeypatch):
    without(monkeypatch)
    data = make.dicom(head(make), syntax=uid.JPEGLSLossless, encapsulated=[b"\xff\xd8"])
    error = refused(data, UnsupportedScan)
    assert "JPEG-LS" in error.reason
    assert "gdcm - requires gdcm" in error.reason
    assert "pyjpegls - requires pyjpegls" in error.reason


def test_twelve_bit_jpeg_is_named_where_only_pillow_could_try(make, refused, monkeypatch):
    monkeypatch.setattr(
        frames_module,
        "get_decoder",
        lambda syntax: types.SimpleNamespace(
            is_available=True,
            available_plugins=("pillow",),
            missing_dependencies=["gdcm - requires gdcm"],
        ),
    )
    pixels = make.drawn_bytes(80)
    coded = make.encoded(pixels, "JPEG")
    at = coded.index(b"\xff\xc0")
    coded = coded[:at] + b"\xff\xc1" + coded[at + 2 : at + 4] + b"\x0c" + coded[at + 5 :]
    data = make.dicom(head(make), syntax=uid.JPEGExtended12Bit, encapsulated=[coded])
    assert "gdcm - requires gdcm" in refused(data, UnsupportedScan).reason


def without(monkeypatch):
    """As if no plugin were installed."""
    real = frames_module.get_decoder

    def get_decoder(syntax):
        if not uid.UID(syntax).is_encapsulated:
            return real(syntax)
        return types.SimpleNamespace(
            is_available=False,
            available_plugins=(),
            missing_dependencies=["gdcm - requires gdcm", "pyjpegls - requires pyjpegls"],
        )

    monkeypatch.setattr(frames_module, "get_decoder", get_decoder)
