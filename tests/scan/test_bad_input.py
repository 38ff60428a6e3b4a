"""What people give by mistake: each is named, says what to do, and takes nothing else with it."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tumorlens.errors import ScanError, ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.scan import QualityKind, Source, assess, discover, read


def animation():
    import io

    from PIL import Image

    pictures = [Image.new("L", (64, 64), 60 * index) for index in range(3)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:])
    return buffer.getvalue()


def with_nan(make):
    voxels = make.volume().astype(np.float32)
    voxels[0, 0, 0] = np.nan
    return make.nifti(voxels)


def huge_png(make):
    data = bytearray(make.encoded(make.drawn_bytes(), "PNG"))
    data[16:24] = (30_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


CASES = {
    "empty.png": (lambda make: b"", UnreadableScan, "empty"),
    "text.jpg": (lambda make: b"These are my notes.\n" * 9, UnreadableScan, "text"),
    "latin.jpg": (
        lambda make: "Bericht über München\n".encode("latin-1"), UnreadableScan, "not an image",
    ),
    "cut.jpg": (
        lambda make: make.encoded(make.drawn_bytes(), "JPEG")[:900], UnreadableScan, "cut off",
    ),
    "cut.dcm": (lambda make: make.dicom(make.drawn_bytes())[:5000], UnreadableScan, "cut off"),
    "preamble.dcm": (lambda make: bytes(128) + b"DICM", UnreadableScan, "DICOM"),
    "huge.png": (huge_png, ScanTooLarge, "30000 x 30000"),
    "report.dcm": (
        lambda make: make.dicom(None, Modality="SR"), UnsupportedScan, "structured report",
    ),
    "moving.gif": (lambda make: animation(), UnsupportedScan, "animation of 3 frames"),
    "nan.nii": (with_nan, UnreadableScan, "1 of 480 voxels"),
    "paper.pdf": (lambda make: b"%PDF-1.7\n%\xe2\xe3", UnsupportedScan, "a PDF document"),
    "phone.heic": (
        lambda make: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", UnsupportedScan, "a HEIC picture",
    ),
    "video.mp4": (lambda make: b"\0\0\0\x18ftypmp42\0\0\0\0", UnsupportedScan, "video"),
    "brain.nrrd": (lambda make: b"NRRD0004\ntype: short\n", UnsupportedScan, "an NRRD volume"),
    "brain.mha": (lambda make: b"ObjectType = Image\n", UnsupportedScan, "a MetaImage volume"),
    "brain.mhd": (lambda make: b"NDims = 3\n", UnsupportedScan, "a MetaImage"),
    "brain.mgh": (lambda make: b"\0\0\0\1" + bytes(300), UnsupportedScan, "FreeSurfer"),
    "scan.jp2": (
        lambda make: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), UnsupportedScan, "JPEG 2000",
    ),
    "data.h5": (lambda make: b"\x89HDF\r\n\x1a\n" + bytes(40), UnsupportedScan, "HDF5"),
    "data.npy": (lambda make: b"\x93NUMPY\1\0v\0{", UnsupportedScan, "NumPy"),
    "old.rar": (lambda make: b"Rar!\x1a\x07\0", UnsupportedScan, "RAR"),
    "noise.bin": (
        lambda make: np.random.default_rng(0).bytes(4000), UnreadableScan, "not an image",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_is_named(make, refused, name):
    content, kind, words = CASES[name]
    error = refused(content(make), kind, name=name)
    assert words in error.reason
    assert error.advice
    assert str(error).startswith(f"{name}: ")
    assert "\n" not in str(error)
    assert "Traceback" not in str(error)


def test_in_one_batch_every_one_is_named_and_the_good_ones_are_read(make, tmp_path):
    for name, (content, _, _) in CASES.items():
        (tmp_path / name).write_bytes(content(make))
    (tmp_path / "good.png").write_bytes(make.encoded(make.drawn_bytes(), "PNG"))
    (tmp_path / "zero.zip").write_bytes(b"PK\3\4")
    named, given = set(), []
    for found in discover([tmp_path / name for name in (*CASES, "zero.zip", "gone", "good.png")]):
        try:
            if isinstance(found, ScanError):
                raise found
            given.extend(read(found))
        except ScanError as error:
            named.add(os.path.basename(error.source))  # noqa: PTH119
    assert named == {*CASES, "zero.zip", "gone"}
    assert [scan.source for scan in given] == [str(tmp_path / "good.png")]


def test_a_colour_photo_is_read_and_flagged(make):
    random = np.random.default_rng(1)
    photo = random.integers(0, 256, (12, 12, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    (scan,) = make.scans(make.encoded(photo, "JPEG"), "holiday.jpg")
    assert QualityKind.COLOUR in {flag.kind for flag in assess(scan)}


def test_the_errors_survive_being_sent_to_another_process(make):
    import pickle

    error = UnreadableScan("a.png", "it is empty", "Get it again")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


def test_decoders_write_nothing_to_the_terminal(make, tmp_path):
    tiff = make.encoded(make.drawn_bytes(), "TIFF", compression="tiff_lzw")
    (tmp_path / "cut.tif").write_bytes(tiff[:300] + bytes(50) + tiff[350:])
    (tmp_path / "odd.dcm").write_bytes(make.dicom(make.drawn_bytes(), NumberOfFrames=3))
    code = (
        "import sys\n"
        "from tumorlens.errors import ScanError\n"
        "from tumorlens.scan import read\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        list(read(path))\n"
        "    except ScanError:\n"
        "        print('named')\n"
    )
    paths = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code, *paths],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "named\nnamed\n"
    assert done.stderr == ""


def test_warnings_of_other_code_are_not_silenced(make):
    import warnings

    reading = read(Source.from_bytes("x", make.encoded(make.drawn_bytes(), "PNG")))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        next(reading)
        warnings.warn("mine", UserWarning, stacklevel=1)
        assert list(warnings.filters) == before
    assert [str(one.message) for one in caught] == ["mine"]


def test_many_threads_silence_decoders_and_leave_no_filter_behind(make):
    import warnings
    from concurrent.futures import ThreadPoolExecutor

    odd = make.dicom(make.drawn_bytes(64)).replace(b".498.1", b".498.x")  # pydicom warns of it
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: len(make.scans(odd)), range(200)))
    assert done == [1] * 200
    assert list(warnings.filters) == before
