"""One pass over a file: everything that an audit needs of it, so that it is read only once."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.audit.facts import THUMBNAIL_SIDE
from tumorlens.data.audit.report import ProblemKind
from tumorlens.data.duplicates import thumbnail
from tumorlens.errors import MissingExtra, ScanError
from tumorlens.scan import FileFormat, Source, assess, read

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.scan import Scan

SUFFIXES = {
    FileFormat.JPEG: frozenset({".jpg", ".jpeg", ".jpe", ".jfif"}),
    FileFormat.PNG: frozenset({".png"}),
    FileFormat.BMP: frozenset({".bmp", ".dib"}),
    FileFormat.TIFF: frozenset({".tif", ".tiff"}),
    FileFormat.WEBP: frozenset({".webp"}),
    FileFormat.GIF: frozenset({".gif"}),
    FileFormat.DICOM: frozenset({"", ".dcm", ".dicom", ".dic", ".ima"}),
    FileFormat.NIFTI: frozenset({".nii", ".gz"}),
}
"""What a file of each format is rightly called."""

_CUT_OFF_WORDS = ("truncated", "cut short", "not processed", "unexpected end", "end of file")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Inspection:
    """What one readable file is.

    Attributes:
        sha256: SHA-256 of its bytes.
        pixel_sha256: SHA-256 of its grey pixels and their shape.
        format: The true format.
        mode: Pillow's mode, or the DICOM photometric interpretation.
        width: Columns.
        height: Rows.
        file_size: In bytes.
        mean_intensity: In [0, 1].
        flags: Names of quality flags.
        pixels64: uint8 (64, 64), the whole picture stretched.
        head: float16 (n,), the thumbnail of the head; see `tumorlens.data.duplicates`.
    """

    sha256: str
    pixel_sha256: str
    format: str
    mode: str
    width: int
    height: int
    file_size: int
    mean_intensity: float
    flags: tuple[str, ...]
    pixels64: NDArray[np.uint8]
    head: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file could not be read.

    Attributes:
        kind: UNREADABLE or TRUNCATED.
        detail: The reason, as a clause.
    """

    kind: ProblemKind
    detail: str


def inspect_file(path: Path) -> Inspection | Refusal:
    """Read a file once. Of a file with several slices, the middle one stands for all."""
    source = Source.from_path(path)
    try:
        data = source.read_bytes()
        scan = _middle_slice(Source.from_bytes(source.name, data))
        mode = _mode(scan, data)
    except ScanError as error:
        is_cut = any(word in error.reason.lower() for word in _CUT_OFF_WORDS)
        return Refusal(ProblemKind.TRUNCATED if is_cut else ProblemKind.UNREADABLE, error.reason)
    except MissingExtra as error:
        return Refusal(ProblemKind.UNREADABLE, " ".join(str(error).split()))
    return Inspection(
        sha256=scan.sha256,
        pixel_sha256=_pixel_hash(scan.pixels),
        format=scan.format.value,
        mode=mode,
        width=scan.width,
        height=scan.height,
        file_size=len(data),
        mean_intensity=float(scan.pixels.mean()),
        flags=tuple(flag.kind.value for flag in assess(scan)),
        pixels64=_whole(scan.pixels),
        head=thumbnail(scan.pixels).astype(np.float16),
    )


def is_mislabelled(format_name: str, suffix: str) -> bool:
    """Whether a file of this format has the suffix (lower case, with its dot) of another."""
    return suffix not in SUFFIXES.get(FileFormat(format_name), frozenset({suffix}))


def _middle_slice(source: Source) -> Scan:
    scans = read(source)
    scan = next(scans)
    for _ in range(scan.frame_count // 2):
        scan = next(scans)
    return scan


def _mode(scan: Scan, data: bytes) -> str:
    if scan.format is FileFormat.DICOM:
        from tumorlens.scan.dicom.tags import read_tags

        keyword = "PhotometricInterpretation"
        return read_tags(Source.from_bytes(scan.source, data), [keyword]).get(keyword, "unknown")
    if scan.format is FileFormat.NIFTI:
        return "volume"
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:  # reads the header alone
        return str(picture.mode)


def _pixel_hash(pixels: NDArray[np.float32]) -> str:
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _whole(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    from PIL import Image

    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    small = np.asarray(Image.fromarray(pixels).resize(side, Image.Resampling.BILINEAR))
    return np.clip(np.rint(small * 255.0), 0, 255).astype(np.uint8)
