"""How the pixels of a DICOM image are stored: checked before any of them is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from tumorlens.errors import ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.scan.dicom.elements import integer, text
from tumorlens.scan.dicom.objects import PIXELS

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

    from tumorlens.scan.limits import Limits

_DEPTHS = frozenset({8, 16, 32, 64})
_COLOUR_SAMPLES = 3
_PALETTE = "PALETTE COLOR"
_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_TAGS = {
    "Rows": "(0028,0010)",
    "Columns": "(0028,0011)",
    "BitsAllocated": "(0028,0100)",
}


@dataclass(frozen=True, slots=True)
class PixelHeader:
    """The image pixel module of an object (PS3.3 C.7.6.3).

    Attributes:
        rows: Rows of one frame.
        columns: Columns of one frame.
        frames: How many frames the object says that it holds.
        samples: Samples a pixel, 1 or 3.
        photometric: PhotometricInterpretation.
        planar: PlanarConfiguration: 1 where colours are stored plane by plane.
        bits_allocated: Bits that a sample takes.
        bits_stored: Bits of them that are used.
        is_signed: Whether samples are signed.
        keyword: Which element holds the pixels.
        syntax: The transfer syntax.
    """

    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    planar: int
    bits_allocated: int
    bits_stored: int
    is_signed: bool
    keyword: str
    syntax: UID

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame that is stored without compression."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * samples * self.bits_allocated // 8


def pixel_header(name: str, dataset: FileDataset, limits: Limits) -> PixelHeader:
    """Read and check the image pixel module.

    Raises:
        UnreadableScan: What decoding needs is missing or impossible.
        UnsupportedScan: Pixels of a kind that is not read here.
        ScanTooLarge: A frame has too many pixels, or there are too many frames.
    """
    samples = integer(dataset, "SamplesPerPixel") or 1
    bits = _needed(name, dataset, "BitsAllocated")
    photometric = (text(dataset, "PhotometricInterpretation") or "MONOCHROME2").upper()
    header = PixelHeader(
        rows=_needed(name, dataset, "Rows"),
        columns=_needed(name, dataset, "Columns"),
        frames=max(integer(dataset, "NumberOfFrames") or 1, 1),
        samples=samples,
        photometric=photometric,
        planar=integer(dataset, "PlanarConfiguration") or 0,
        bits_allocated=bits,
        bits_stored=integer(dataset, "BitsStored") or bits,
        is_signed=integer(dataset, "PixelRepresentation") == 1,
        keyword=next(keyword for keyword in PIXELS if keyword in dataset),
        syntax=_transfer_syntax(name, dataset),
    )
    _check_kind(name, header)
    _check_size(name, header, limits)
    return header


def _needed(name: str, dataset: FileDataset, keyword: str) -> int:
    found = integer(dataset, keyword)
    if found is None or found <= 0:
        raise UnreadableScan(
            name, f"the DICOM header lacks a {keyword} {_TAGS[keyword]}", "Get the file again"
        )
    return found


def _check_kind(name: str, header: PixelHeader) -> None:
    if header.bits_allocated not in _DEPTHS:
        raise UnsupportedScan(name, f"it has {header.bits_allocated} bits allocated a sample")
    if header.samples not in (1, _COLOUR_SAMPLES):
        raise UnsupportedScan(name, f"it has {header.samples} samples a pixel")
    is_single = header.photometric in _GREY or header.photometric == _PALETTE
    if is_single != (header.samples == 1):
        raise UnreadableScan(
            name,
            f"its header contradicts itself: {header.samples} samples a pixel in "
            f"{header.photometric}",
        )


def _check_size(name: str, header: PixelHeader, limits: Limits) -> None:
    if header.rows * header.columns * header.samples > limits.max_pixels:
        raise ScanTooLarge(
            name,
            f"{header.columns} x {header.rows} pixels of {header.samples} samples are over the "
            f"limit of {limits.max_pixels}",
            "Raise max_pixels if this is a scan",
        )
    if header.frames > limits.max_frames:
        raise ScanTooLarge(
            name,
            f"{header.frames} frames are over the limit of {limits.max_frames}",
            "Raise max_frames if this is a scan",
        )


def _transfer_syntax(name: str, dataset: FileDataset) -> UID:
    found = text(dataset.file_meta, "TransferSyntaxUID")
    if found:
        return UID(found)
    if "PixelData" in dataset and dataset["PixelData"].is_undefined_length:
        raise UnreadableScan(
            name,
            "its pixels are compressed, and the header does not say how (TransferSyntaxUID)",
            "Export it with its file meta information",
        )
    is_implicit, is_little_endian = dataset.original_encoding
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little_endian else ExplicitVRBigEndian
