"""Whatever bytes come in, a Scan or a ScanError comes out, and never anything else.

``TUMORLENS_FUZZ_EXAMPLES`` is how many damaged files are read in all; a few thousand unless set.
``TUMORLENS_FUZZ_LAST`` names a file that each input is written to before it is read, so that one
that ends the process can be found.
"""

import os
import random
import re
import struct
import zlib
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import uid

from tumorlens.errors import ScanError
from tumorlens.scan import FileFormat, Limits, Scan, Source, assess, discover, read
from tumorlens.scan.sniff import sniff

EXAMPLES = int(os.environ.get("TUMORLENS_FUZZ_EXAMPLES", "3000"))
LAST = os.environ.get("TUMORLENS_FUZZ_LAST")

# Small, so that a file that lies about its size costs little; the real ones are tried apart.
LIMITS = Limits(
    max_pixels=2**18,
    max_frames=32,
    max_volume_bytes=2**22,
    max_file_bytes=2**22,
    max_zip_members=50,
)
SCANS_LOOKED_AT = 8

TURNED = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"
RASTERS = {
    "jpeg": ("JPEG", "L", {}),
    "jpeg-colour-progressive": ("JPEG", "RGB", {"progressive": True, "exif": TURNED}),
    "jpeg-print": ("JPEG", "CMYK", {}),
    "png": ("PNG", "L", {}),
    "png-16": ("PNG", "I;16", {}),
    "png-palette": ("PNG", "P", {}),
    "png-alpha": ("PNG", "RGBA", {}),
    "tiff": ("TIFF", "L", {}),
    "tiff-16": ("TIFF", "I;16", {}),
    "tiff-pages": ("TIFF", "L", {"save_all": True, "append_images": "itself twice"}),
    "tiff-float": ("TIFF", "F", {}),
    "tiff-lzw": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "tiff-deflate": ("TIFF", "L", {"compression": "tiff_deflate"}),
    "tiff-jpeg": ("TIFF", "L", {"compression": "jpeg"}),
    "bmp": ("BMP", "L", {}),
    "bmp-colour": ("BMP", "RGB", {}),
    "webp": ("WEBP", "RGB", {}),
    "webp-lossless": ("WEBP", "RGBA", {"lossless": True}),
    "gif": ("GIF", "P", {}),
}  # fmt: skip
DICOMS = (
    "explicit", "implicit", "big-endian", "deflated", "no-preamble", "rle", "jpeg-baseline",
    "jpeg-lossless", "jpeg-ls", "jpeg-2000", "enhanced", "palette", "colour",
)  # fmt: skip
NIFTIS = ("nifti-1", "nifti-2", "nifti-gz")
ARCHIVES = ("zip", "zip-stored")
SEEDS = (*RASTERS, *DICOMS, *NIFTIS, *ARCHIVES)


def raster(make, name):
    import io

    from PIL import Image

    kind, mode, options = RASTERS[name]
    picture = Image.fromarray(make.drawn_bytes(40))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 100)
    else:
        picture = picture.convert(mode)
    buffer = io.BytesIO()
    if "append_images" in options:
        options = options | {"append_images": [picture, picture]}
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def dicom(make, name):
    pixels, eight = make.drawn_bytes(40).astype(np.uint16) * 16, make.drawn_bytes(40)
    window = {"WindowCenter": 2000, "WindowWidth": 4000, "PixelSpacing": [1, 1]}
    palette = {
        f"{colour}PaletteColorLookupTable{part}": value
        for colour in ("Red", "Green", "Blue")
        for part, value in (("Descriptor", [256, 0, 16]), ("Data", bytes(range(256)) * 2))
    }
    writers = {
        "explicit": lambda: make.dicom(pixels, RescaleSlope=2, RescaleIntercept=-5, **window),
        "implicit": lambda: make.dicom(pixels, syntax=uid.ImplicitVRLittleEndian),
        "big-endian": lambda: make.dicom(pixels, syntax=uid.ExplicitVRBigEndian, **window),
        "deflated": lambda: make.dicom(pixels, syntax=uid.DeflatedExplicitVRLittleEndian),
        "no-preamble": lambda: make.dicom(pixels, preamble=False),
        "rle": lambda: packed(make, pixels, uid.RLELossless, [RLE_FRAME] * 2),
        "jpeg-baseline": lambda: packed(
            make, eight, uid.JPEGBaseline8Bit, [make.encoded(eight, "JPEG")]
        ),
        "jpeg-lossless": lambda: packed(
            make, pixels, uid.JPEGLosslessSV1, [make.lossless_jpeg(pixels)]
        ),
        "jpeg-ls": lambda: packed(make, pixels, uid.JPEGLSLossless, [jpeg_ls(pixels)]),
        "jpeg-2000": lambda: packed(make, pixels, uid.JPEG2000Lossless, [jpeg_2000(pixels)]),
        "enhanced": lambda: enhanced(make, pixels),
        "palette": lambda: make.dicom(eight, PhotometricInterpretation="PALETTE COLOR", **palette),
        "colour": lambda: make.dicom(np.dstack([eight] * 3), SamplesPerPixel=3),
    }
    return writers[name]()


# Two segments of 40 x 40 zeros each: a byte of -127 repeats the next byte 128 times.
_ZEROS = b"\x81\0" * 12 + b"\xc1\0"
RLE_FRAME = struct.pack("<16I", 2, 64, 64 + len(_ZEROS), *[0] * 13) + _ZEROS * 2


def packed(make, pixels, syntax, frames):
    return make.dicom(pixels, syntax=syntax, encapsulated=frames, WindowCenter=9, WindowWidth=9)


def jpeg_ls(pixels):
    return bytes(pytest.importorskip("jpeg_ls").encode_array(pixels))


def jpeg_2000(pixels):
    encode = pytest.importorskip("openjpeg.utils").encode_array
    return encode(pixels, photometric_interpretation=2)


def enhanced(make, pixels):
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    groups = []
    for place in (0.0, 2.0, 4.0):
        group, where, window = Dataset(), Dataset(), Dataset()
        where.ImagePositionPatient = [0, 0, place]
        window.WindowCenter, window.WindowWidth = 2000, 4000
        group.PlanePositionSequence = Sequence([where])
        group.FrameVOILUTSequence = Sequence([window])
        groups.append(group)
    return make.dicom(
        np.stack([pixels] * 3),
        PerFrameFunctionalGroupsSequence=Sequence(groups),
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
    )


def seed_bytes(make, name):
    if name in RASTERS:
        return raster(make, name)
    if name in DICOMS:
        return dicom(make, name)
    if name in NIFTIS:
        version = 2 if name == "nifti-2" else 1
        return make.nifti(make.volume((12, 14, 6)), version=version, zipped=name == "nifti-gz")
    members = {"a.png": raster(make, "png"), "b/c.dcm": dicom(make, "explicit"), "n.txt": b"x"}
    return make.zipped(members, 0 if name == "zip-stored" else 8)


INTERESTING = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
WORDS = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 65536)


def damaged(rng, data):
    """One to four faults, most of them in the header, where files lie about themselves."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if data:
            reach = rng.choice((64, 512, 2048, len(data), len(data)))
            rng.choice(FAULTS)(rng, data, rng.randrange(min(reach, len(data))))
    return bytes(data)


def put_byte(rng, data, at):
    data[at] = rng.choice((*INTERESTING, rng.randrange(256), data[at] ^ 1 << rng.randrange(8)))


def put_word(rng, data, at):
    width, order = rng.choice(((2, "H"), (4, "I"))), rng.choice("<>")
    word = rng.choice(WORDS) & (1 << 8 * width[0]) - 1
    data[at : at + width[0]] = struct.pack(order + width[1], word)


def put_noise(rng, data, at):
    data[at : at + 16] = rng.randbytes(16)


def cut_off(rng, data, at):
    del data[at:]


def cut_out(rng, data, at):
    del data[at : at + rng.randrange(1, 32)]


def insert_noise(rng, data, at):
    data[at:at] = rng.randbytes(rng.randrange(1, 32))


def repeat(rng, data, at):
    start = rng.randrange(len(data))
    data[at:at] = data[start : start + rng.randrange(1, 64)]


FAULTS = (
    put_byte, put_byte, put_byte, put_word, put_word, put_noise, cut_off, cut_out, insert_noise,
    repeat,
)  # fmt: skip


def check(scan):
    assert isinstance(scan, Scan)
    assert isinstance(scan.format, FileFormat)
    assert scan.pixels.dtype == np.float32
    assert scan.pixels.ndim == 2
    assert scan.pixels.size > 0
    assert scan.pixels.flags.c_contiguous
    assert 0.0 <= scan.pixels.min() <= scan.pixels.max() <= 1.0  # which NaN is not either
    assert scan.spacing is None or min(scan.spacing) > 0
    assert scan.position is None or np.isfinite(scan.position)
    assert 0 <= scan.frame < scan.frame_count
    assert "DOE" not in repr(scan)
    for flag in assess(scan):
        assert np.isfinite(flag.measure)


def answer(data):
    """Read bytes as an upload is read; true where at least one Scan came out."""
    if LAST:
        Path(LAST).write_bytes(data)
    came_out, problems = False, []
    for found in discover([Source.from_bytes("input", data)], limits=LIMITS):
        if isinstance(found, ScanError):
            problems.append(str(found))
            continue
        try:
            for scan in islice(read(found, limits=LIMITS), SCANS_LOOKED_AT):
                check(scan)
                came_out = True
        except ScanError as error:
            problems.append(str(error))
    assert not any(re.search("[\x00-\x1f\x7f-\x9f]", problem) for problem in problems)
    return came_out


@pytest.mark.parametrize("name", SEEDS)
def test_damaged_files_give_a_scan_or_a_scan_error(make, capfd, name):
    data = seed_bytes(make, name)
    assert answer(data), "the whole file must be read, or the damaged ones test nothing"
    rng = random.Random(f"{name} {EXAMPLES}")  # noqa: S311
    for _ in range(EXAMPLES // len(SEEDS)):
        answer(damaged(rng, data))
    assert capfd.readouterr() == ("", ""), "a decoder wrote to the terminal"


@pytest.mark.parametrize("name", ["deflated", "nifti-gz", "png", "tiff-deflate"])
def test_damage_inside_what_is_packed(make, capfd, name):
    rng = random.Random(f"inside {name} {EXAMPLES}")  # noqa: S311
    plain = seed_bytes(make, {"deflated": "explicit", "nifti-gz": "nifti-1"}.get(name, name))
    for _ in range(EXAMPLES // len(SEEDS)):
        answer(repacked(name, damaged(rng, plain), make))
    assert capfd.readouterr() == ("", ""), "a decoder wrote to the terminal"


def repacked(name, data, make):
    import gzip

    if name == "nifti-gz":
        return gzip.compress(data, 1)
    if name == "deflated":
        whole = seed_bytes(make, "deflated")
        start = whole.index(b"1.2.840.10008.1.2.1.99") + 22
        packer = zlib.compressobj(1, zlib.DEFLATED, -15)
        at = data.find(b"\x08\x00\x16\x00")
        return whole[: max(start, 300)] + packer.compress(data[max(at, 0) :]) + packer.flush()
    return _with_right_sums(data) if name == "png" else data


def _with_right_sums(data):
    """A PNG whose chunks have the right check sum again, so that their damage is looked at."""
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        body = data[at + 4 : at + 8 + length]
        out += data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(out)


MAGICS = (
    b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"BM", b"GIF89a",
    b"RIFF\xff\xff\0\0WEBPVP8 ", b"RIFF\xff\xff\0\0WEBPVP8X", bytes(128) + b"DICM",
    b"\x08\0\x05\0CS", b"\x1f\x8b\x08\0", b"PK\x03\x04", struct.pack("<i", 348),
    struct.pack("<i", 540) + b"n+2\0",
)  # fmt: skip


@settings(
    max_examples=max(EXAMPLES // 10, 10),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(magic=st.sampled_from(MAGICS), rest=st.binary(max_size=600))
def test_random_bytes_give_a_scan_or_a_scan_error(magic, rest):
    answer(magic + rest)


@given(head=st.binary(max_size=400), cut=st.integers(0, 400))
@settings(max_examples=200, deadline=None)
def test_looking_at_a_head_never_fails_and_depends_on_nothing_else(head, cut):
    assert sniff(head) == sniff(bytes(head))
    sniff(head[:cut])
