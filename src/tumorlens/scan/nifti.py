"""NIfTI volumes, cut into slices as radiologists see them.

nibabel reads the header; the voxels are viewed where they lie in memory and made float one slice
at a time.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.errors import MissingExtra, ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.scan.damage import named_damage
from tumorlens.scan.intensity import robust_range, stretch
from tumorlens.scan.limits import RATIO_FLOOR_BYTES, Limits, readable_size
from tumorlens.scan.place import Place, StoredVolume
from tumorlens.scan.plane import Plane
from tumorlens.scan.scan import FileFormat, Scan
from tumorlens.scan.sniff import is_nifti

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # tells zlib to expect a gzip header and to check its sum
_PIECE_BYTES = 8 * 1024  # of gzipped data at once, which cannot inflate to more than 8 MiB
_HEADER_BYTES = 540  # of NIfTI-2, the longer one
_PAIR_MAGICS = (b"ni1", b"ni2")
_MGH_START = struct.pack(">i", 1)

_WHAT = "the NIfTI data"
_SPATIAL = 3

# Spacings this close together count as equal, and equal ones are cut axially.
_EQUAL_SPACING = 1.25

# As many different values as a mask of regions has at most; an MRI has hundreds.
_MASK_VALUES = 32
_SAMPLE_VOXELS = 2**20
_LARGEST_FLOAT_BYTES = 8

# The two axes of the world (0 right, 1 anterior, 2 superior) that a slice shows, down the rows
# and along the columns. All of them run backwards: down is posterior or inferior, and the left of
# the image is the patient's right or, on sagittal slices, anterior.
_SHOWN_AXES = {Plane.AXIAL: (1, 0), Plane.CORONAL: (2, 0), Plane.SAGITTAL: (2, 1)}
_PLACING_FIELDS = (
    *("dim", "pixdim", "xyzt_units", "qform_code", "sform_code"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)
_NORMAL_AXIS = {Plane.SAGITTAL: 0, Plane.CORONAL: 1, Plane.AXIAL: 2}


@dataclass(frozen=True, slots=True, eq=False)
class _Volume:
    """Voxels as stored, and what turns them into values and places.

    Attributes:
        voxels: (I, J, K), a view of the bytes of the file.
        slope: Value of a step of the stored numbers.
        intercept: Value of a stored 0.
        affine: Voxel indices to mm, right, anterior, superior.
        header: How the volume lies, as a header of its own.
    """

    voxels: NDArray[Any]
    slope: float
    intercept: float
    affine: NDArray[np.float64]
    header: bytes

    @property
    def spacings(self) -> NDArray[np.float64]:
        """Distance of voxel centres in mm along the three axes of the array."""
        return np.asarray(np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)))

    def values(self, voxels: NDArray[Any]) -> NDArray[np.float64]:
        """What stored numbers mean."""
        return voxels.astype(np.float64) * self.slope + self.intercept


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """A volume turned so that slice `k` is ``stack[k]``, as it is shown.

    Attributes:
        stack: (slices, rows, columns), a view of the voxels.
        spacing: (between rows, between columns) in mm.
        positions: Place of each slice along its normal in mm.
        places: Where each slice lies in the patient.
    """

    stack: NDArray[Any]
    spacing: tuple[float, float]
    positions: NDArray[np.float64]
    places: list[Place]


def read_nifti(name: str, data: bytes, *, limits: Limits, plane: Plane) -> Iterator[Scan]:
    """Read a NIfTI-1 or NIfTI-2 file, gzipped or not, slice by slice.

    1. Of the three axes, the one nearest to the normal of the plane becomes the slices; AUTO
       takes the axis with the coarsest spacing, or the axial one where that is within a quarter.
    2. Axes are turned over as the affine says: anterior (axial) or superior is up, the patient's
       right is at the left of the image, sagittal slices look to the left. Nothing is resampled.
    3. Percentiles 0.5 and 99.5 of the non-zero voxels of the volume become 0 and 1.

    Raises:
        UnreadableScan: It is damaged, cut off, or holds NaN or infinite values.
        UnsupportedScan: It holds several volumes, colours, complex numbers or a mask.
        ScanTooLarge: It is beyond the limits.
        MissingExtra: nibabel is not installed.
    """
    digest = hashlib.sha256(data).hexdigest()
    with named_damage(name, _WHAT), np.errstate(all="ignore"):
        volume = _open(name, data, limits)
        del data
        cut = _cut(name, volume, plane, limits)
        low, high = _shown_range(name, volume)
    for index, stored in enumerate(cut.stack):
        with np.errstate(all="ignore"):
            pixels = stretch(volume.values(stored), low, high)
        yield Scan(
            pixels=pixels,
            source=name,
            sha256=digest,
            format=FileFormat.NIFTI,
            spacing=cut.spacing,
            frame=index,
            frame_count=len(cut.stack),
            position=float(cut.positions[index]),
            series=digest[:16],
            place=cut.places[index],
        )


def _open(name: str, data: bytes, limits: Limits) -> _Volume:
    is_packed = data.startswith(_GZIP_MAGIC)
    head = bytes(_inflated(name, data, _HEADER_BYTES, limits)) if is_packed else data
    head = head[:_HEADER_BYTES]
    _refuse_other_kinds(name, head)
    header = _header(head)
    dtype, shape = _dtype(name, header), _shape(name, header)
    start = max(int(header.get_data_offset()), 0)
    end = start + dtype.itemsize * int(np.prod(shape, dtype=object))
    if end > limits.max_volume_bytes:
        raise ScanTooLarge(
            name,
            f"the volume takes {readable_size(end)}, over the limit of "
            f"{readable_size(limits.max_volume_bytes)}",
            "Raise max_volume_bytes if this is a scan",
        )
    whole = _inflated(name, data, end, limits) if is_packed else data
    if len(whole) < end:
        raise UnreadableScan(
            name,
            f"it is cut off: {len(whole)} bytes, where its header asks for {end}",
            "Get the file again",
        )
    voxels = np.frombuffer(whole, dtype, int(np.prod(shape)), start).reshape(shape, order="F")
    slope, intercept = header.get_slope_inter()
    return _Volume(
        voxels,
        1.0 if slope is None else float(slope),
        0.0 if intercept is None else float(intercept),
        _affine(name, header),
        _placing_header(header),
    )


def _refuse_other_kinds(name: str, head: bytes) -> None:
    if head.startswith(_MGH_START):
        raise UnsupportedScan(
            name, "it is a FreeSurfer volume (.mgz)", "Convert it to .nii.gz (mri_convert)"
        )
    if not is_nifti(head):
        raise UnsupportedScan(
            name, "it is a gzip file that does not hold a NIfTI volume", "Unpack it first"
        )
    if head[344:347] in _PAIR_MAGICS or head[4:7] in _PAIR_MAGICS:
        raise UnsupportedScan(
            name, "it is the header of a NIfTI pair (.hdr and .img)", "Convert it to one .nii file"
        )


def _header(head: bytes) -> Any:
    try:
        from nibabel.nifti1 import Nifti1Header
        from nibabel.nifti2 import Nifti2Header
    except ImportError as error:
        extra, what = "nifti", "Reading NIfTI"
        raise MissingExtra(extra, what) from error
    kind = Nifti2Header if head[4:7] == b"n+2" else Nifti1Header
    # Its own check would write to stderr.
    return kind.from_fileobj(BytesIO(head), check=False)  # type: ignore[no-untyped-call]


def _dtype(name: str, header: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(header.get_data_dtype())
    if dtype.fields is not None:
        raise UnsupportedScan(name, "it holds colours, which MRI does not have")
    if dtype.kind not in "iuf" or dtype.itemsize > _LARGEST_FLOAT_BYTES:
        raise UnsupportedScan(name, f"it holds numbers of the type {dtype.name}")
    return dtype


def _shape(name: str, header: Any) -> tuple[int, int, int]:
    shape = tuple(int(count) for count in header.get_data_shape())
    if not shape or min(shape) < 1:
        raise UnreadableScan(name, f"it has no voxels (shape {shape})", "Get the file again")
    volumes = int(np.prod(shape[_SPATIAL:], dtype=object))
    if volumes > 1:
        raise UnsupportedScan(
            name,
            f"it holds {volumes} volumes (shape {shape})",
            "Give one volume, such as one time point or one sequence",
        )
    return (*shape, 1, 1)[:_SPATIAL]  # type: ignore[return-value]


def _affine(name: str, header: Any) -> NDArray[np.float64]:
    affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) == 0.0:
        raise UnreadableScan(
            name, "its affine does not say how the volume lies", "Convert it again from DICOM"
        )
    return affine


def _inflated(name: str, data: bytes, end: int, limits: Limits) -> bytearray:
    """The gzipped bytes up to an end; files made of several gzip members are read on."""
    inflated = bytearray()
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    for start in range(0, len(data), _PIECE_BYTES):
        piece = data[start : start + _PIECE_BYTES]
        while piece and len(inflated) < end:
            inflated += inflater.decompress(piece, end - len(inflated))
            piece = inflater.unused_data
            if inflater.eof:
                inflater = zlib.decompressobj(_GZIP_WINDOW)
        ratio = len(inflated) / (start + _PIECE_BYTES)
        if len(inflated) > RATIO_FLOOR_BYTES and ratio > limits.max_zip_ratio:
            raise ScanTooLarge(
                name,
                f"it inflates {ratio:.0f} times, as a gzip bomb does",
                "Raise max_zip_ratio if you know where it comes from",
            )
        if len(inflated) >= end:
            break
    return inflated


def _cut(name: str, volume: _Volume, plane: Plane, limits: Limits) -> _Cut:
    axes, signs = _world_axes(volume.affine)
    plane = plane if plane is not Plane.AUTO else _auto_plane(volume, axes)
    shown = [axes.index(world) for world in _SHOWN_AXES[plane]]
    across = axes.index(_NORMAL_AXIS[plane])
    slices, rows, columns = (volume.voxels.shape[axis] for axis in (across, *shown))
    if slices > limits.max_frames:
        raise ScanTooLarge(
            name, f"{slices} slices are over the limit of {limits.max_frames}", "Raise max_frames"
        )
    if rows * columns > limits.max_pixels:
        raise ScanTooLarge(
            name,
            f"{columns} x {rows} pixels are over the limit of {limits.max_pixels}",
            "Raise max_pixels if this is a scan",
        )
    # Shown axes run backwards in the world. Slices run along the normal that DICOM gives such a
    # slice, rows x columns: superior, posterior, or right.
    down, right = (-signs[axis] for axis in shown)
    onward = signs[across] * (-1 if plane is Plane.CORONAL else 1)
    row_spacing, column_spacing = (float(volume.spacings[axis]) for axis in shown)
    stored = StoredVolume(volume.header, (across, shown[0], shown[1]), (onward, down, right))
    return _Cut(
        stored.shown(volume.voxels),
        (row_spacing, column_spacing),
        _positions(volume, across, onward),
        _places(volume, stored),
    )


def _places(volume: _Volume, stored: StoredVolume) -> list[Place]:
    """Where each slice lies, from the affine."""
    first = np.zeros(_SPATIAL)
    vectors = []
    for axis, step in zip(stored.axes, stored.steps, strict=True):
        first[axis] = 0 if step > 0 else volume.voxels.shape[axis] - 1
        vectors.append(step * volume.affine[:3, axis])
    corner = volume.affine[:3, :3] @ first + volume.affine[:3, 3]
    onward, down, right = map(_vector, vectors)
    count = volume.voxels.shape[stored.axes[0]]
    return [
        Place(_vector(corner + index * vectors[0]), down, right, onward, stored)
        for index in range(count)
    ]


def _vector(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _placing_header(header: Any) -> bytes:
    """A header of the same kind that keeps how the volume lies, and no word or value of it."""
    kept = type(header)()
    for field in _PLACING_FIELDS:
        kept[field] = header[field]
    return bytes(kept.binaryblock)


def _world_axes(affine: NDArray[np.float64]) -> tuple[list[int], list[int]]:
    """For each axis of the array, the axis of the world it is nearest to, and its sense."""
    from nibabel.orientations import io_orientation

    found = io_orientation(affine)  # type: ignore[no-untyped-call]
    return [int(axis) for axis in found[:, 0]], [int(sign) for sign in found[:, 1]]


def _auto_plane(volume: _Volume, axes: list[int]) -> Plane:
    spacings = {plane: volume.spacings[axes.index(_NORMAL_AXIS[plane])] for plane in _NORMAL_AXIS}
    flat = [p for p in _NORMAL_AXIS if volume.voxels.shape[axes.index(_NORMAL_AXIS[p])] == 1]
    if flat:  # a picture of one slice has only one plane to be seen in
        return flat[-1]
    coarsest = max(spacings, key=lambda plane: spacings[plane])
    is_axial = spacings[Plane.AXIAL] * _EQUAL_SPACING >= spacings[coarsest]
    return Plane.AXIAL if is_axial else coarsest


def _positions(volume: _Volume, across: int, onward: int) -> NDArray[np.float64]:
    """Where slices lie along their normal, from the place of their first voxel."""
    first_axis, second_axis = (axis for axis in range(_SPATIAL) if axis != across)
    normal = np.cross(volume.affine[:3, first_axis], volume.affine[:3, second_axis])
    normal /= np.linalg.norm(normal)
    step = float(normal @ volume.affine[:3, across])
    first = float(normal @ volume.affine[:3, 3])
    count = volume.voxels.shape[across]
    places = (first + step * np.arange(count)) * (1.0 if step * onward > 0 else -1.0)
    return np.asarray(places[::onward], dtype=np.float64)


def _shown_range(name: str, volume: _Volume) -> tuple[float, float]:
    """The values that become 0 and 1; the whole volume is looked at, in parts."""
    not_finite, lowest, highest, is_whole = 0, np.inf, -np.inf, True
    sample = []
    step = -(-volume.voxels.size // _SAMPLE_VOXELS)
    for stored in np.moveaxis(volume.voxels, -1, 0):
        values = volume.values(stored.ravel(order="K"))
        finite = np.isfinite(values)
        if not finite.all():
            not_finite += int(np.count_nonzero(~finite))
            continue
        lowest, highest = min(lowest, values.min()), max(highest, values.max())
        is_whole = is_whole and bool((stored == np.rint(stored)).all())
        sample.append(values[::step].copy())  # a view would keep the slice in memory
    if not_finite:
        raise UnreadableScan(
            name,
            f"{not_finite} of {volume.voxels.size} voxels are not numbers (NaN or infinite)",
            "Replace them where the volume was made",
        )
    looked_at = np.concatenate(sample)
    if is_whole and highest > lowest:
        _refuse_mask(name, looked_at, (highest - lowest) / abs(volume.slope))
    shown = looked_at[looked_at != 0.0]
    return robust_range(shown if shown.size else looked_at)


def _refuse_mask(name: str, sample: NDArray[np.float64], steps: float) -> None:
    if steps < _MASK_VALUES or len(np.unique(sample)) <= _MASK_VALUES:
        raise UnsupportedScan(
            name,
            "it looks like a mask: it holds a few whole numbers",
            "Give the scan, not the mask",
        )
