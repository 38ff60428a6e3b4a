"""What is known of one image file before it is compared with any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

THUMBNAIL_SIDE = 64
"""Side of the thumbnail of the whole picture: what a copy-detector compares, raw."""

FRAME_WIDTH = 4
"""Pixels of the outer frame on each side of that thumbnail: on a slice of a head, no brain."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ImageFacts:
    """One image that could be read.

    Attributes:
        name: ``set/path``, unique in an audit.
        set: Name of the set.
        path: The file.
        label: Its class.
        split: ``train``, ``validation``, ``test``, ``fold 3``, …; empty where the set has none.
        patient: A key that is equal for the images of one patient, never the identity itself;
            None where unknown.
        sha256: SHA-256 of the file's bytes.
        pixel_sha256: SHA-256 of the decoded pixels and their shape.
        format: The true format: ``jpeg``, ``png``, ``dicom``, …
        suffix: The file's suffix in lower case, with its dot.
        mode: Pillow's mode (``L``, ``RGB``, …) or the DICOM photometric interpretation.
        width: Columns.
        height: Rows.
        file_size: In bytes.
        mean_intensity: Mean of the grey pixels, in [0, 1].
        flags: Quality flags by name: ``blurred``, ``text``, …
        pixels64: uint8 (`THUMBNAIL_SIDE`, `THUMBNAIL_SIDE`), the whole picture in grey, stretched.
        frame: uint8 (n,), the outer `FRAME_WIDTH` pixels of `pixels64`, in row order.
        group: Equal for images that are not independent (near-copies, or one patient's), from 0;
            -1 before copies are joined.
    """

    name: str
    set: str
    path: Path
    label: str
    split: str
    patient: str | None
    sha256: str
    pixel_sha256: str
    format: str
    suffix: str
    mode: str
    width: int
    height: int
    file_size: int
    mean_intensity: float
    flags: tuple[str, ...]
    pixels64: NDArray[np.uint8]
    frame: NDArray[np.uint8]
    group: int = -1


def outer_frame(pixels64: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The outer `FRAME_WIDTH` pixels of a thumbnail, in row order, as one vector."""
    import numpy as np

    is_frame = np.ones(pixels64.shape, dtype=bool)
    is_frame[FRAME_WIDTH:-FRAME_WIDTH, FRAME_WIDTH:-FRAME_WIDTH] = False
    vector: NDArray[np.uint8] = pixels64[is_frame]
    return vector
