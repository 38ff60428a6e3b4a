"""Masks as files: a PNG a slice, and for series and volumes a NIfTI file that overlays the scan."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tumorlens.errors import MissingExtra
from tumorlens.report.folder import OutputFolder, file_stem, stem_of

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.decide.finding import ScanInfo
    from tumorlens.scan import Place

PNG_SUFFIX, NIFTI_SUFFIX = ".mask.png", ".mask.nii.gz"
MARK_KEY, MARK = "Software", "TumorLens mask"
# Masks pack well at any level; this one takes little time.
COMPRESSION = 6
WHITE = 255

# Slices lie on a grid where none is farther from it than this share of the distance of two.
OFF_GRID = 0.05
# A grid with more than this many empty slices for each given one is no series of slices.
SPARSEST = 3
_NIFTI_SUFFIXES = (".nii.gz", ".nii")
_HEADER_PAD = 4  # bytes after a NIfTI header that say that no extension follows
_SMALLEST_STACK = 2
_SPATIAL = 3
_LARGEST_NIFTI_1_SIDE = 32767
_MM = 2
_SCANNER = 1  # NIfTI's code for coordinates of the scanner


@dataclass(frozen=True, slots=True, eq=False)
class PlacedMask:
    """What is marked on one slice of a stack, and where the slice lies.

    Attributes:
        marked: bool (H, W).
        frame: Index of the slice in its file, from 0.
        place: Where it lies in the patient.
    """

    marked: NDArray[np.bool_]
    frame: int
    place: Place


class MaskFolder(OutputFolder):
    """A folder that masks are written into.

    Args:
        folder: Made where it does not exist.

    Raises:
        TumorLensError: The folder cannot be made or written to.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(folder, what="masks", mark=MARK)

    def write_slice(self, scan: ScanInfo, marked: NDArray[np.bool_]) -> Path:
        """Write the mask of one slice as a grey PNG of the slice's size: 255 marked, 0 not.

        Raises:
            TumorLensError: The file cannot be written.
        """
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_text(MARK_KEY, MARK)

        def save(stream: BinaryIO) -> None:
            picture = Image.fromarray(marked.astype(np.uint8) * np.uint8(WHITE))
            picture.save(stream, "PNG", pnginfo=text, compress_level=COMPRESSION)

        return self.save(stem_of(scan), PNG_SUFFIX, save)

    def write_volume(self, scan: ScanInfo, stack: Sequence[PlacedMask]) -> Path | None:
        """Write the mask of a series or volume as NIfTI: 1 marked, 0 not.

        The mask of a NIfTI volume has the shape, the axes and the affine of that volume, so the
        two agree voxel for voxel. The mask of a series runs along its rows, columns and slices.

        Args:
            scan: The first slice.
            stack: The slices in their order.

        Returns:
            Where it was written; None where the slices lie on no even grid.

        Raises:
            MissingExtra: nibabel is not installed.
            TumorLensError: The file cannot be written.
        """
        volume = _as_stored(stack) if stack[0].place.volume is not None else _as_series(stack)
        if volume is None:
            return None
        header, voxels = volume

        def save(stream: BinaryIO) -> None:
            # Neither the time nor a name goes into the file: the same mask has the same bytes.
            with gzip.GzipFile("", "wb", COMPRESSION, stream, mtime=0) as packed:
                packed.write(header.binaryblock + bytes(_HEADER_PAD))
                for part in np.moveaxis(voxels, -1, 0):
                    packed.write(part.tobytes(order="F"))

        return self.save(_volume_stem(scan), NIFTI_SUFFIX, save)


def _volume_stem(scan: ScanInfo) -> str:
    source = scan.source
    if scan.frame_count == 1 and not source.lower().endswith(_NIFTI_SUFFIXES):
        return f"series-{scan.series}"
    for suffix in _NIFTI_SUFFIXES:
        if source.lower().endswith(suffix):
            # What is left must have a suffix to lose, or a dot in the name would be taken for one.
            return file_stem(source[: -len(suffix)] + ".nii")
    return file_stem(source)


def _as_stored(stack: Sequence[PlacedMask]) -> tuple[Any, NDArray[np.uint8]]:
    """The mask of slices of a NIfTI volume, in the shape and axes of that volume."""
    kinds = _header_kinds()
    volume = stack[0].place.volume
    assert volume is not None  # noqa: S101  (the caller has looked)
    kind = kinds[len(volume.header)]
    header = kind(volume.header, check=False)
    shape = tuple(int(count) for count in header.get_data_shape())
    voxels = np.zeros((*shape, 1, 1)[:_SPATIAL], np.uint8)
    shown = volume.shown(voxels)
    for one in stack:
        shown[one.frame] = one.marked
    return _as_mask(header, shape), voxels


def _as_series(stack: Sequence[PlacedMask]) -> tuple[Any, NDArray[np.uint8]] | None:
    """The mask of slices that say themselves where they lie, columns first as NIfTI has it."""
    grid = _grid([one.place for one in stack])
    if grid is None:
        return None
    indices, onward = grid
    first = stack[0]
    height, width = first.marked.shape
    voxels = np.zeros((width, height, indices[-1] + 1), np.uint8)
    for index, one in zip(indices, stack, strict=True):
        voxels[:, :, index] = one.marked.T
    affine = np.eye(4)
    affine[:3] = np.column_stack([first.place.right, first.place.down, onward, first.place.corner])
    small, large = _header_kinds().values()
    kind = small if max(voxels.shape) <= _LARGEST_NIFTI_1_SIDE else large
    header = kind()
    header.set_data_shape(voxels.shape)
    header.set_qform(affine, code=_SCANNER, strip_shears=True)
    header.set_sform(affine, code=_SCANNER)
    header.set_xyzt_units(xyz=_MM)
    return _as_mask(header, voxels.shape), voxels


def _grid(places: Sequence[Place]) -> tuple[list[int], NDArray[np.float64]] | None:
    """The index of each slice on an even grid, and the step of the grid; None where there is none.

    A missing slice leaves its index out.
    """
    if len(places) < _SMALLEST_STACK:
        return None
    corners = np.array([place.corner for place in places])
    steps = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    shortest = float(steps.min())
    if not shortest > 0:
        return None
    indices = [0, *np.rint(np.cumsum(steps) / shortest).astype(int).tolist()]
    onward = (corners[-1] - corners[0]) / indices[-1]
    off = np.linalg.norm(corners - corners[0] - np.outer(indices, onward), axis=1)
    is_even = off.max() <= OFF_GRID * shortest and len(set(indices)) == len(indices)
    return (indices, onward) if is_even and indices[-1] < SPARSEST * len(indices) else None


def _as_mask(header: Any, shape: tuple[int, ...]) -> Any:
    """A header that says that its voxels are a mask."""
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header["vox_offset"] = len(header.binaryblock) + _HEADER_PAD
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["cal_min"], header["cal_max"] = 0, 1
    header["descrip"] = MARK.encode()
    return header


def _header_kinds() -> dict[int, Any]:
    """Bytes of a header → its class: NIfTI-1 and NIfTI-2."""
    try:
        from nibabel.nifti1 import Nifti1Header
        from nibabel.nifti2 import Nifti2Header
    except ImportError as error:
        extra, what = "nifti", "Writing a mask as NIfTI"
        raise MissingExtra(extra, what) from error
    return {kind.sizeof_hdr: kind for kind in (Nifti1Header, Nifti2Header)}
