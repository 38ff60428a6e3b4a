"""If these fail, one bad file ends a run over a thousand good ones, shows a person a traceback,
or takes the machine's memory."""

from __future__ import annotations

import ctypes
import gzip
import json
import os
import struct
import sys
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from tumorlens.scan import draw_phantom

GIB = 2**30
# Linux capabilities (capability.h) by which root reads files that forbid it, and the call that
# takes them away (prctl.h).
READ_ANYWAY = (1, 2)
DROP_FROM_BOUNDING_SET = 24


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("Dear colleague, please find the scan attached.\n" * 20)


def truncated_jpeg(path):
    picture(path, quality=90)
    path.write_bytes(path.read_bytes()[:900])


def picture(path, **options):
    pixels = np.rint(draw_phantom(1, size=128).pixels * 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, **options)


def dicom(path, *, pixels: bool = True):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = "MR"
    if pixels:
        dataset.Rows = dataset.Columns = 128
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit = 15
        dataset.PixelRepresentation = 0
        values = np.rint(draw_phantom(1, size=128).pixels * 4000).astype("<u2")
        dataset.PixelData = values.tobytes()
    dataset.save_as(path, enforce_file_format=True)


def truncated_dicom(path):
    dicom(path)
    path.write_bytes(path.read_bytes()[:3000])


def zip_bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scan.dcm", bytes(100 * 2**20))


def huge_png(path):
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    lines = zlib.compress(bytes(30_000 * (1 + 30_000 // 8)), 1)
    chunks = ((b"IHDR", header), (b"IDAT", lines), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks))


def folder_without_images(path):
    path.mkdir()
    (path / "notes.txt").write_text("nothing to see")


def dicom_without_pixels(path):
    dicom(path, pixels=False)


def encrypted_zip(path):
    inside = path.with_suffix(".tmp")
    picture(inside, format="PNG")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inside, "scan.png")
    inside.unlink()
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1  # the flag of encryption
    path.write_bytes(data)


def animated_gif(path):
    frames = [Image.fromarray(np.full((128, 128), value, np.uint8)) for value in (30, 90, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def nan_nifti(path):
    import nibabel

    values = np.zeros((64, 64, 3), np.float32)
    values[10, 10, 1] = np.nan
    path.write_bytes(gzip.compress(nibabel.Nifti1Image(values, np.eye(4)).to_bytes()))


def unreadable(path):
    picture(path)
    path.chmod(0)


def colour_photo(path):
    random = np.random.default_rng(0)
    colours = random.integers(0, 255, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(colours).resize((300, 300), Image.Resampling.BICUBIC).save(path)


BAD = {
    "empty.jpg": (empty, "UnreadableScan"),
    "text.jpg": (text, "UnreadableScan"),
    "cut.jpg": (truncated_jpeg, "UnreadableScan"),
    "cut.dcm": (truncated_dicom, "UnreadableScan"),
    "bomb.zip": (zip_bomb, "ScanTooLarge"),
    "huge.png": (huge_png, "ScanTooLarge"),
    "folder": (folder_without_images, "UnreadableScan"),
    "no_pixels.dcm": (dicom_without_pixels, "UnsupportedScan"),
    "locked.zip": (encrypted_zip, "UnsupportedScan"),
    "moving.gif": (animated_gif, "UnsupportedScan"),
    "nan.nii.gz": (nan_nifti, "UnreadableScan"),
    "secret.png": (unreadable, "UnreadableScan"),
    "gone.png": (None, "UnreadableScan"),
    "photo.jpg": (colour_photo, "rejected"),
}


def as_a_user_with_few_rights() -> None:
    """In the child: keep root, whom tests may run as, from reading what forbids it."""
    libc = ctypes.CDLL(None)
    for capability in READ_ANYWAY:
        libc.prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory):
    """Every bad input in one folder."""
    folder = tmp_path_factory.mktemp("bad")
    for name, (make, _) in BAD.items():
        if make is not None:
            make(folder / name)
    return folder


@pytest.fixture(scope="module")
def outcomes_of_batch():
    """Kept between the tests, since the batch takes a second."""
    return {}


@pytest.fixture
def batch(outcomes_of_batch, bad_files, start, finish, tiny_model_path, lesion_png):
    """One run over every bad input with a good one before, after and between."""
    if not outcomes_of_batch:
        inputs = [lesion_png]
        for name in BAD:
            inputs += [bad_files / name, lesion_png]
        process = start(
            "predict", "--model", tiny_model_path, "--format", "json", *inputs,
            preexec_fn=as_a_user_with_few_rights if sys.platform == "linux" else None,
        )  # fmt: skip
        outcomes_of_batch["run"] = finish(process)
    return outcomes_of_batch["run"]


def test_the_good_ones_are_answered_and_the_code_says_that_some_were_not(batch):
    records = [json.loads(line) for line in batch.out.splitlines()]
    good = [record for record in records if record.get("status") == "tumor"]
    assert len(good) == len(BAD) + 1
    assert len(records) == 2 * len(BAD) + 1
    assert batch.code == 1


@pytest.mark.parametrize("name", BAD)
def test_each_bad_one_is_named_with_what_was_wrong(batch, bad_files, name):
    expected = BAD[name][1]
    records = [json.loads(line) for line in batch.out.splitlines()]
    path = str(bad_files / name)
    (record,) = (
        record
        for record in records
        if (record.get("source") or record["scan"]["source"]).startswith(path)
    )
    if expected == "rejected":
        assert record["status"] == "rejected"
        assert record["reasons"]
    else:
        assert record["error"] == expected
        assert len(record["reason"]) > 5
        said = [line for line in batch.err.splitlines() if path in line]
        assert len(said) == 1
        assert said[0].startswith(f"tumorlens: {expected}: ")


def test_no_traceback_and_no_noise(batch):
    assert "Traceback" not in batch.err
    errors = sum(kind != "rejected" for _, kind in BAD.values())
    assert len(batch.err.splitlines()) == errors + 2  # the count, and the notice


def test_memory_stays_under_a_gibibyte(batch):
    assert 0 < batch.peak_bytes < GIB


def test_a_file_that_vanishes_while_the_batch_runs_is_named(
    start, finish, tiny_model_path, lesion_png, tmp_path
):
    vanishing = tmp_path / "vanishing.png"
    picture(vanishing)
    inputs = [*[lesion_png] * 400, vanishing, lesion_png]
    process = start("predict", "--model", tiny_model_path, "-f", "json", *inputs)
    first = process.stdout.readline()
    os.unlink(vanishing)  # noqa: PTH108
    run = finish(process, first)
    records = [json.loads(line) for line in run.out.splitlines()]
    assert run.code == 1
    assert [record["record"] for record in records] == ["finding"] * 400 + ["error", "finding"]
    assert records[400]["source"] == str(vanishing)
    assert "Traceback" not in run.err
