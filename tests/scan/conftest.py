"""Input files of every kind, drawn and written by code."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tumorlens.errors import ScanError
from tumorlens.scan import FileFormat, Scan, Source, draw_phantom, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SERIES_UID = "1.2.826.0.1.3680043.8.498.1"


def drawn_bytes(size: int = 96, seed: int = 1) -> NDArray[np.uint8]:
    """A drawn head as 8-bit grey levels."""
    return np.rint(draw_phantom(seed, size=size).pixels * 255).astype(np.uint8)


def encoded(pixels: NDArray[Any], kind: str, **options: Any) -> bytes:
    """Pixels as a file that Pillow writes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def dicom(pixels: NDArray[Any] | None, *, preamble: bool = True, **elements: Any) -> bytes:
    """A DICOM object; `elements` are set, or left out where None.

    Args:
        pixels: (rows, columns), (frames, rows, columns) or, with SamplesPerPixel=3, with colours
            last; None for an object without pixels.
        preamble: Whether to write the preamble and the file meta information.
        **elements: Keywords of elements; ``syntax`` is the transfer syntax, and ``encapsulated``
            the compressed frames to hold in place of the pixels.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import (
        ExplicitVRBigEndian,
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        MRImageStorage,
    )

    syntax = elements.pop("syntax", ExplicitVRLittleEndian)
    frames = elements.pop("encapsulated", None)
    dataset = Dataset()
    dataset.SOPClassUID = elements.pop("SOPClassUID", MRImageStorage)
    dataset.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.2"
    dataset.SeriesInstanceUID = SERIES_UID
    dataset.Modality = "MR"
    dataset.PatientName = "DOE^JANE"
    dataset.PatientID = "SECRET-7"
    if pixels is not None:
        _set_pixels(dataset, pixels, elements.get("SamplesPerPixel", 1), frames)
        if frames is not None:
            dataset.PixelData = encapsulate(frames)
        elif syntax == ExplicitVRBigEndian:
            dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
        dataset["PixelData"].VR = "OW"
        dataset["PixelData"].is_undefined_length = frames is not None
    for keyword, value in elements.items():
        if value is None:
            dataset.pop(keyword, None)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = io.BytesIO()
    if preamble:
        dataset.save_as(buffer, enforce_file_format=True)
    else:
        del dataset.file_meta
        dataset.save_as(
            buffer,
            implicit_vr=syntax == ImplicitVRLittleEndian,
            little_endian=syntax != ExplicitVRBigEndian,
        )
    return buffer.getvalue()


def _set_pixels(dataset: Any, pixels: NDArray[Any], samples: int, frames: Any) -> None:
    shape = pixels.shape[:-1] if samples > 1 else pixels.shape
    if len(shape) > 2:
        dataset.NumberOfFrames = shape[0]
    dataset.Rows, dataset.Columns = shape[-2:]
    dataset.SamplesPerPixel = samples
    dataset.PhotometricInterpretation = "RGB" if samples > 1 else "MONOCHROME2"
    if samples > 1:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes() if frames is None else b""


def nifti(
    voxels: NDArray[Any],
    affine: NDArray[Any] | None = None,
    *,
    zipped: bool = False,
    version: int = 1,
) -> bytes:
    """A NIfTI file; the affine maps voxels to mm (right, anterior, superior)."""
    nibabel = pytest.importorskip("nibabel")
    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    image = kind(voxels, np.eye(4) if affine is None else affine)
    data: bytes = image.to_bytes()
    return gzip.compress(data) if zipped else data


def volume(shape: tuple[int, int, int] = (8, 10, 6), seed: int = 0) -> NDArray[np.int16]:
    """Voxels that all differ, so that a turned axis shows."""
    random = np.random.default_rng(seed)
    return random.permutation(np.prod(shape)).reshape(shape).astype(np.int16) + 1


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def scans(data: bytes, name: str = "input", **options: Any) -> list[Scan]:
    """Read bytes as Scans."""
    return list(read(Source.from_bytes(name, data), **options))


def scan_of(pixels: NDArray[Any], colour: float = 0.0) -> Scan:
    """A Scan of an array."""
    return Scan(
        pixels=np.ascontiguousarray(pixels, dtype=np.float32),
        source="drawn",
        sha256="0" * 64,
        format=FileFormat.ARRAY,
        colour=colour,
    )


def lossless_jpeg(pixels: NDArray[Any], precision: int = 16, predictor: int = 1) -> bytes:
    """A lossless JPEG of one component, written pixel by pixel as annex H says."""
    rows, columns = pixels.shape
    values = pixels.astype(int).tolist()
    bits = []
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            guess = _guess(values, y, x, predictor, 1 << (precision - 1))
            bits.append(_difference_bits((value - guess) & 0xFFFF))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    coded = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
    table = bytes(4) + bytes([17]) + bytes(11) + bytes(range(17))  # 17 codes of five bits
    return b"".join(
        (
            b"\xff\xd8",
            struct.pack(">BBHBHHB3B", 0xFF, 0xC3, 11, precision, rows, columns, 1, 1, 0x11, 0),
            struct.pack(">BBHB", 0xFF, 0xC4, 3 + len(table), 0),
            table,
            struct.pack(">BBHB2B3B", 0xFF, 0xDA, 8, 1, 1, 0, predictor, 0, 0),
            coded,
            b"\xff\xd9",
        )
    )


def _guess(values: list[list[int]], y: int, x: int, predictor: int, initial: int) -> int:
    if x == 0:
        return values[y - 1][0] if y else initial
    left = values[y][x - 1]
    if y == 0:
        return left
    above, corner = values[y - 1][x], values[y - 1][x - 1]
    return {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }[predictor]


def _difference_bits(difference: int) -> str:
    if difference == 0x8000:
        return f"{16:05b}"
    signed = difference - 0x10000 if difference > 0x8000 else difference
    category = abs(signed).bit_length()
    extra = signed if signed > 0 else signed + (1 << category) - 1
    return f"{category:05b}" + (f"{extra:0{category}b}" if category else "")


@pytest.fixture(scope="session")
def make() -> Any:
    """Everything above, for tests that write files: ``make.dicom(…)``."""
    import types

    return types.SimpleNamespace(
        drawn_bytes=drawn_bytes,
        encoded=encoded,
        dicom=dicom,
        nifti=nifti,
        volume=volume,
        zipped=zipped,
        scans=scans,
        scan_of=scan_of,
        lossless_jpeg=lossless_jpeg,
        series_uid=SERIES_UID,
    )


@pytest.fixture
def refused() -> Callable[..., ScanError]:
    """Reads bytes that must be refused, and gives the error and how many Scans came before."""

    def reading(data: bytes, kind: type[ScanError], name: str = "input", **options: Any) -> Any:
        given = []
        with pytest.raises(ScanError) as caught:
            given.extend(read(Source.from_bytes(name, data), **options))
        assert type(caught.value) is kind, str(caught.value)
        assert caught.value.source == name
        return caught.value

    return reading


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The public sets, where TUMORLENS_DATA says that they lie."""
    found = os.environ.get("TUMORLENS_DATA")
    if not found:
        pytest.skip("TUMORLENS_DATA is not set: the public sets are not here")
    return Path(found)
