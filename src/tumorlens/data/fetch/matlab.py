"""Reading the files of Cheng's set: slices in MATLAB 7.3, and the author's folds.

A MATLAB 7.3 file is HDF5 with MATLAB's conventions: arrays lie transposed, since MATLAB stores
columns first; text is an array of UTF-16 units; a field may stand as a reference to its value.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.errors import DatasetError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py
    from numpy.typing import NDArray

LABELS = {1: "meningioma", 2: "glioma", 3: "pituitary"}
"""Numbers in the files → classes, as the set's README has them."""

STRUCT = "cjdata"
FOLDS = "cvind"

_HDF5_AT = (0, 512)
"""Where an HDF5 file may begin: MATLAB writes a header of its own before it."""

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MatlabSlice:
    """One slice as it was published.

    Attributes:
        image: Integers of (H, W), rows downwards.
        mask: bool (H, W), the tumor.
        border: float64 (n,), the outline that a person drew: coordinates in pixels, two a point.
        label: A class name.
        patient: The set's own pseudonym of the patient.
    """

    image: NDArray[Any]
    mask: NDArray[np.bool_]
    border: NDArray[np.float64]
    label: str
    patient: str


def read_slice(data: bytes, name: str) -> MatlabSlice:
    """Read one slice.

    Args:
        data: The bytes of the file.
        name: For messages.

    Raises:
        DatasetError: It is not such a file, or one of its fields is missing or makes no sense.
        MissingExtra: h5py is not installed.
    """
    with _fields(data, name) as file:
        try:
            image = _array(file, f"{STRUCT}/image").T
            mask = _array(file, f"{STRUCT}/tumorMask").T != 0
            border = _array(file, f"{STRUCT}/tumorBorder").astype(np.float64).ravel()
            number = int(_array(file, f"{STRUCT}/label").item())
            units = _array(file, f"{STRUCT}/PID").ravel()
            # The array lies transposed, and a text is one row: so it is read in its own order.
            patient = units.astype("<u2").tobytes().decode("utf-16-le").strip("\0 ")
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            msg = f"{name}: not a slice of Cheng's set ({error})"
            raise DatasetError(msg) from error
    if number not in LABELS or not patient or image.ndim != 2 or image.shape != mask.shape:  # noqa: PLR2004
        msg = (
            f"{name}: label {number}, image {image.shape}, mask {mask.shape}, patient {patient!r} "
            "make no slice of Cheng's set"
        )
        raise DatasetError(msg)
    return MatlabSlice(image=image, mask=mask, border=border, label=LABELS[number], patient=patient)


def read_folds(data: bytes, name: str) -> list[int]:
    """The author's fold of each slice, from 1, in the order of the slices' numbers.

    Reads MATLAB 7.3 and the older formats.

    Raises:
        DatasetError: It is not such a file.
        MissingExtra: h5py or SciPy is not installed.
    """
    if _is_hdf5(data):
        with _fields(data, name) as file:
            try:
                values = _array(file, FOLDS)
            except (KeyError, TypeError, AttributeError) as error:
                msg = f"{name}: holds no {FOLDS} ({error})"
                raise DatasetError(msg) from error
    else:
        values = _old_format(data, name)
    folds = [int(value) for value in np.asarray(values).ravel()]
    if not folds or min(folds) < 1:
        msg = f"{name}: its folds are not numbers from 1"
        raise DatasetError(msg)
    return folds


def _old_format(data: bytes, name: str) -> Any:
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        extra = "data"
        raise MissingExtra(extra, "Reading MATLAB files") from error
    try:
        return loadmat(io.BytesIO(data))[FOLDS]
    except Exception as error:  # SciPy raises whatever a damaged file leads it to
        msg = f"{name}: not a MATLAB file with {FOLDS} ({error})"
        raise DatasetError(msg) from error


def _is_hdf5(data: bytes) -> bool:
    return any(data[at : at + len(_HDF5_SIGNATURE)] == _HDF5_SIGNATURE for at in _HDF5_AT)


def _fields(data: bytes, name: str) -> h5py.File:
    try:
        import h5py
    except ModuleNotFoundError as error:
        extra = "data"
        raise MissingExtra(extra, "Reading MATLAB files") from error
    try:
        return h5py.File(io.BytesIO(data), "r")
    except OSError as error:
        msg = f"{name}: not a whole MATLAB 7.3 file ({error})"
        raise DatasetError(msg) from error


def _array(file: h5py.File, path: str) -> NDArray[Any]:
    """The values of a field, through a reference where MATLAB stored one."""
    import h5py

    values = file[path][()]
    if h5py.check_ref_dtype(getattr(values, "dtype", np.dtype(int))) is not None:
        (reference,) = _references(values)
        values = file[reference][()]
    return np.asarray(values)


def _references(values: Any) -> Iterator[Any]:
    yield from np.asarray(values).ravel()
