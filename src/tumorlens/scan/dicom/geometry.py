"""Where a slice lies and how far apart its pixels are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorlens.scan.dicom.elements import floats, frame_item
from tumorlens.scan.place import Place

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_SMALLEST_NORMAL = 0.5  # the normal of two unit vectors at right angles has length 1

# In the order of trust: in the patient, at the detector, on the scanned film (PS3.3 10.7).
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def spacing(dataset: Dataset, frame: int = 0) -> tuple[float, float] | None:
    """Distance of pixel centres in mm, (between rows, between columns), or None."""
    measures = frame_item(dataset, "PixelMeasuresSequence", frame)
    sources = [(measures, _SPACINGS[0])] if measures is not None else []
    sources += [(dataset, keyword) for keyword in _SPACINGS]
    for source, keyword in sources:
        found = floats(source, keyword, 2)
        if found and min(found) > 0.0:
            return found[0], found[1]
    return None


def orientation(dataset: Dataset, frame: int = 0) -> tuple[float, ...] | None:
    """ImageOrientationPatient: direction cosines along a row, then along a column."""
    group = frame_item(dataset, "PlaneOrientationSequence", frame)
    found = floats(group, "ImageOrientationPatient", 6) if group is not None else None
    return found or floats(dataset, "ImageOrientationPatient", 6)


def position(dataset: Dataset, frame: int = 0) -> float | None:
    """Place of the slice along its normal in mm: ImagePositionPatient · normal, or None."""
    corner, axes = _corner(dataset, frame), orientation(dataset, frame)
    if corner is None or axes is None:
        return None
    with np.errstate(all="ignore"):
        normal = np.cross(axes[:3], axes[3:])
        length = float(np.linalg.norm(normal))
        if not _SMALLEST_NORMAL < length < 1.0 / _SMALLEST_NORMAL:
            return None
        place = float(np.dot(corner, normal) / length)
    return place if np.isfinite(place) else None


def place(dataset: Dataset, frame: int = 0) -> Place | None:
    """Where the slice lies in the patient, or None (PS3.3 C.7.6.2.1.1)."""
    corner, axes = _corner(dataset, frame), orientation(dataset, frame)
    distances = spacing(dataset, frame)
    if corner is None or axes is None or distances is None or position(dataset, frame) is None:
        return None
    # DICOM's axes run to the patient's left and posterior.
    (x, y, z), row_spacing, column_spacing = corner, *distances
    right, down = axes[:3], axes[3:]
    return Place(
        corner=(-x, -y, z),
        down=(-row_spacing * down[0], -row_spacing * down[1], row_spacing * down[2]),
        right=(-column_spacing * right[0], -column_spacing * right[1], column_spacing * right[2]),
    )


def _corner(dataset: Dataset, frame: int) -> tuple[float, ...] | None:
    """ImagePositionPatient: where the centre of the first pixel lies."""
    group = frame_item(dataset, "PlanePositionSequence", frame)
    corner = floats(group, "ImagePositionPatient", 3) if group is not None else None
    return corner or floats(dataset, "ImagePositionPatient", 3)
