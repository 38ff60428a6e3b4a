"""The Scan: one slice, as pixels, with what is known of where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tumorlens.scan.place import Place


class FileFormat(StrEnum):
    """The format that the bytes of an input turned out to be, whatever its name says."""

    JPEG = "jpeg"
    PNG = "png"
    BMP = "bmp"
    TIFF = "tiff"
    WEBP = "webp"
    GIF = "gif"
    DICOM = "dicom"
    NIFTI = "nifti"
    ARRAY = "array"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Scan:
    """One two-dimensional slice, ready to be analysed.

    Attributes:
        pixels: float32 of shape (H, W), values in [0, 1], C-contiguous. Rows run downwards and
            columns to the right as the slice is shown to a reader.
        source: The input as the user named it; a member of a zip is ``archive.zip::member``.
        sha256: SHA-256 of the bytes of the input file (of the zip member, not of the zip).
        format: What the bytes turned out to be.
        spacing: (row, column) distance between pixel centres in mm, or None where unknown.
        frame: Index of this slice in its file, from 0.
        frame_count: How many slices the file holds.
        position: Place along the normal of the slice in mm, or None where unknown.
        series: A key that is equal for the slices of one series or volume, or None.
        modality: DICOM Modality (``MR``), or None where the format does not say.
        place: Where the slice lies in the patient, or None where unknown.
        colour: How coloured the picture was before it was made grey: the mean over pixels of the
            difference between the largest and the smallest channel, in [0, 1]; 0 for grey.
    """

    pixels: NDArray[np.float32]
    source: str
    sha256: str
    format: FileFormat
    spacing: tuple[float, float] | None = None
    frame: int = 0
    frame_count: int = 1
    position: float | None = None
    series: str | None = None
    modality: str | None = None
    place: Place | None = None
    colour: float = 0.0

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.pixels.shape[1])

    @property
    def name(self) -> str:
        """The source, with the slice number (from 1) where the file holds several."""
        return f"{self.source}#{self.frame + 1}" if self.frame_count > 1 else self.source
