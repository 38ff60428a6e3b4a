"""One Source becomes Scans, slice by slice, by what its bytes are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.errors import UnreadableScan, UnsupportedScan
from tumorlens.scan.limits import Limits
from tumorlens.scan.plane import Plane
from tumorlens.scan.scan import FileFormat, Scan
from tumorlens.scan.sniff import HEAD_BYTES, looks_like_text, sniff, unsupported_name
from tumorlens.scan.source import Source

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


def read(
    source: Source | str | os.PathLike[str],
    *,
    limits: Limits | None = None,
    plane: Plane = Plane.AUTO,
) -> Iterator[Scan]:
    """Read an input as Scans, one a slice, told by its content and not by its name.

    The file is read when the first Scan is asked for, and one slice is decoded at a time. Where
    a later slice is damaged, the earlier ones have been given before the error is raised.

    Args:
        source: A Source, or the path of a file.
        limits: What the input may ask of this process.
        plane: Which slices of a NIfTI volume; AUTO takes those across the coarsest spacing.

    Yields:
        The slices in the order of the file.

    Raises:
        UnreadableScan: The input is damaged, empty, gone, not permitted, or not an image.
        UnsupportedScan: It is whole, but of a kind that is not read here.
        ScanTooLarge: It is beyond one of the limits.
        MissingExtra: It is a NIfTI file, and nibabel is not installed.
    """
    limits = limits or Limits()
    source = source if isinstance(source, Source) else Source.from_path(source)
    # The bytes are handed on and not kept: a reader lets go of them as soon as it can.
    yield from _reader(source.name, source.read_bytes(limits), limits, plane)


def _reader(name: str, data: bytes, limits: Limits, plane: Plane) -> Iterator[Scan]:
    match found := sniff(data[:HEAD_BYTES]):
        case None:
            raise _not_an_image(name, data[:HEAD_BYTES])
        case FileFormat.DICOM:
            from tumorlens.scan.dicom import read_dicom

            return read_dicom(name, data, limits=limits)
        case FileFormat.NIFTI:
            from tumorlens.scan.nifti import read_nifti

            return read_nifti(name, data, limits=limits, plane=plane)
        case _:
            from tumorlens.scan.raster import read_raster

            return read_raster(name, data, found, limits=limits)


def _not_an_image(name: str, head: bytes) -> UnreadableScan | UnsupportedScan:
    if words := unsupported_name(head, name):
        return UnsupportedScan(
            name, f"it is {words}, which is not read here", "Give DICOM, NIfTI, PNG, JPEG or TIFF"
        )
    kind = "it is text, not an image" if looks_like_text(head) else "it is not an image known here"
    return UnreadableScan(name, kind, "Give DICOM, NIfTI, PNG, JPEG or TIFF")
