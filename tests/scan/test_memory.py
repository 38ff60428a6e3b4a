"""No input takes more than 1 GiB, whatever it says of itself.

All inputs are read by one process of their own, which is ended by the system if it should take
far more; it says for each what came out, and the most memory it ever held.
"""

import gzip
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom import uid

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs Linux to measure memory"
)

MIB = 1024 * 1024
MOST_MIB = 1024
# An input that is refused for its header must cost next to nothing; decoders come to 150.
REFUSED_MIB = 300

READER = """
import json, resource, sys
from tumorlens.errors import ScanError
from tumorlens.scan import assess, discover, read

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))

resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
for path in sys.stdin.read().splitlines():
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    outcome, slices = "read", 0
    for found in discover([path]):
        try:
            if isinstance(found, ScanError):
                raise found
            for scan in read(found):
                assess(scan)
                slices += 1
                if slices == 4:
                    break
        except ScanError as error:
            outcome = type(error).__name__
    print(json.dumps({"outcome": outcome, "slices": slices, "mib": peak()}), flush=True)
"""


def deflated_zeros(count, wbits):
    packer = zlib.compressobj(1, zlib.DEFLATED, wbits)
    piece = bytes(4 * MIB)
    packed = b"".join(packer.compress(piece) for _ in range(count // len(piece)))
    return packed + packer.flush()


def png(width, height, *extra):
    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", deflated_zeros(40 * MIB, 15)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def small_png(make, *extra):
    whole = make.encoded(make.drawn_bytes(64), "PNG")
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in extra
    )
    return whole[:33] + chunks + whole[33:]


def webp_canvas(side):
    body = b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + (side - 1).to_bytes(3, "little") * 2
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def tiff(width, height, count=1, strip=100):
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1),
        (273, 4, count, 200), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, count, strip),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return (b"II*\0" + struct.pack("<I", 8) + directory).ljust(200, b"\0") + bytes(200)


def lying_j2k(make, pixels, side):
    coded = bytearray(pytest.importorskip("openjpeg.utils").encode_array(pixels))
    at = coded.index(b"\xff\x4f\xff\x51") + 8
    coded[at : at + 8] = struct.pack(">2I", side, side)
    coded[at + 16 : at + 24] = struct.pack(">2I", side, side)
    return bytes(coded)


def lying_jpeg(coded, side):
    coded = bytearray(coded)
    at = coded.index(b"\xff\xc0") + 5
    coded[at : at + 4] = struct.pack(">2H", side, side)
    return bytes(coded)


def nifti_bomb(make, shape):
    header = bytearray(make.nifti(np.zeros((2, 2, 2), np.int16))[:352])
    header[42:48] = struct.pack("<3h", *shape)
    return header


def refused(make):
    """Inputs that ask for too much, and how each must be refused."""
    small = make.drawn_bytes(64)
    words = small.astype(np.uint16)
    large = {"Rows": 4096, "Columns": 4096}
    return {
        "huge.png": (png(30_000, 30_000), "ScanTooLarge"),
        "huge.jpg": (lying_jpeg(make.encoded(small, "JPEG"), 65_500), "ScanTooLarge"),
        "huge.webp": (webp_canvas(16_384), "ScanTooLarge"),
        "huge.tif": (tiff(60_000, 60_000), "ScanTooLarge"),
        "strips.tif": (tiff(64, 64, count=0x7FFFFFFF), "UnreadableScan"),
        "strip.tif": (tiff(64, 64, strip=0xFFFFFFF0), "UnreadableScan"),
        "huge.bmp": (
            b"BM" + struct.pack("<3I", 99, 0, 54) + struct.pack("<I2i2H6I", 40, 99999, 99999,
            1, 24, 0, 0, 0, 0, 0, 0), "ScanTooLarge",
        ),
        "huge.gif": (b"GIF89a" + b"\xff" * 4 + b"\x80\0\0" + bytes(6) + b"," + bytes(4)
            + b"\xff" * 4 + b"\0\x08\x01\x01\0;", "ScanTooLarge"),
        "bomb.zip": (make.zipped({"a.png": bytes(100 * MIB)}), "ScanTooLarge"),
        "bomb.nii.gz": (
            gzip.compress(nifti_bomb(make, (600, 600, 500)) + bytes(60 * MIB), 1), "ScanTooLarge"
        ),
        "lies.nii.gz": (gzip.compress(nifti_bomb(make, (32767,) * 3)), "ScanTooLarge"),
        "lies.nii": (bytes(nifti_bomb(make, (32767,) * 3)) + bytes(999), "ScanTooLarge"),
        "other.gz": (gzip.compress(bytes(60 * MIB), 1), "UnsupportedScan"),
        "rows.dcm": (make.dicom(words, Rows=65535, Columns=65535), "ScanTooLarge"),
        "frames.dcm": (make.dicom(words, NumberOfFrames=2**31 - 1), "ScanTooLarge"),
        "cut.dcm": (make.dicom(words, **large), "UnreadableScan"),
        "deflated.dcm": (deflated_bomb(make, words), "ScanTooLarge"),
        "j2k.dcm": (
            make.dicom(words, syntax=uid.JPEG2000, encapsulated=[lying_j2k(make, words, 60_000)]),
            "UnreadableScan",
        ),
        "rle.dcm": (
            make.dicom(words, syntax=uid.RLELossless, encapsulated=[bytes(70)], **large),
            "UnreadableScan",
        ),
        "jpeg.dcm": (
            make.dicom(
                small,
                syntax=uid.JPEGBaseline8Bit,
                encapsulated=[lying_jpeg(make.encoded(small, "JPEG"), 65_000)],
            ),
            "UnreadableScan",
        ),
    }  # fmt: skip


def deflated_bomb(make, words):
    whole = make.dicom(words, syntax=uid.DeflatedExplicitVRLittleEndian)
    start = 132 + 12 + struct.unpack_from("<I", whole, 140)[0]
    return whole[:start] + deflated_zeros(400 * MIB, -15)


def allowed(make):
    """Inputs at the edge of what is let through, and those with bombs beside their pixels."""
    side = np.random.default_rng(0).integers(0, 256, (256, 256, 4), dtype=np.uint8)
    colours = side.repeat(16, 0).repeat(16, 1)
    words = make.drawn_bytes(64).astype(np.uint16)
    stack = np.zeros((122, 1024, 1024), np.uint16)
    stack[:] = np.arange(1024)
    bomb = deflated_zeros(100 * MIB, 15)
    j2k = lying_j2k(make, words, 4096)
    return {
        "largest.webp": make.encoded(colours, "WEBP", lossless=True, method=0, quality=0),
        "largest.png": make.encoded(colours, "PNG", compress_level=1),
        "largest.jpg": make.encoded(colours[..., :3].copy(), "JPEG", progressive=True),
        "largest.dcm": make.dicom(stack),
        "j2k-largest.dcm": make.dicom(
            words, Rows=4096, Columns=4096, syntax=uid.JPEG2000, encapsulated=[j2k]
        ),
        "profile.png": small_png(make, (b"iCCP", b"x\0\0" + bomb)),
        "comment.png": small_png(make, (b"zTXt", b"x\0\0" + bomb)),
        "exif.png": small_png(make, (b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + bytes(20 * MIB))),
    }


@pytest.fixture(scope="module")
def results(make, tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    inputs = refused(make) | {name: (data, "read") for name, data in allowed(make).items()}
    for name, (data, _) in inputs.items():
        (folder / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", READER],
        input="\n".join(str(folder / name) for name in inputs),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    results = dict(zip(inputs, map(json.loads, done.stdout.splitlines()), strict=True))
    for name, (_, expected) in inputs.items():
        results[name]["expected"] = expected
    return results


REFUSED = (
    "huge.png", "huge.jpg", "huge.webp", "huge.tif", "strips.tif", "strip.tif", "huge.bmp",
    "huge.gif", "bomb.zip", "bomb.nii.gz", "lies.nii.gz", "lies.nii", "other.gz", "rows.dcm",
    "frames.dcm", "cut.dcm", "deflated.dcm", "j2k.dcm", "rle.dcm", "jpeg.dcm",
)  # fmt: skip
ALLOWED = (
    "largest.webp", "largest.png", "largest.jpg", "largest.dcm", "j2k-largest.dcm", "profile.png",
    "comment.png", "exif.png",
)  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_asks_for_too_much_is_refused_early(results, name):
    result = results[name]
    assert (result["outcome"], result["slices"]) == (result["expected"], 0)
    most = MOST_MIB if name in ("deflated.dcm", "bomb.zip") else REFUSED_MIB
    assert result["mib"] < most


@pytest.mark.parametrize("name", ALLOWED)
def test_the_largest_that_is_let_through_stays_under_a_gibibyte(results, name):
    assert results[name]["mib"] < MOST_MIB
