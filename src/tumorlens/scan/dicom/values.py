"""Stored values become what a reader sees: rescaled, windowed, white on black, in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi

from tumorlens.errors import UnreadableScan
from tumorlens.scan.dicom.elements import floats, frame_item, item, text
from tumorlens.scan.intensity import stretch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset


class WindowFunction(StrEnum):
    """VOILUTFunction (PS3.3 C.11.2.1.2)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """The range of values that is shown, from black to white."""

    centre: float
    width: float
    function: WindowFunction = WindowFunction.LINEAR

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Map values to [0, 1]."""
        if self.function is WindowFunction.SIGMOID:
            slope = values.astype(np.float32)
            slope -= np.float32(self.centre)
            slope *= np.float32(-4.0 / self.width)
            np.exp(np.clip(slope, -80.0, 80.0, out=slope), out=slope)
            return np.float32(1.0) / (np.float32(1.0) + slope)
        centre, width = self.centre, self.width
        if self.function is WindowFunction.LINEAR:
            centre, width = centre - 0.5, max(width - 1.0, _THINNEST)
        return stretch(values, centre - width / 2.0, centre + width / 2.0)


_THINNEST = 1e-6  # a LINEAR window of width 1 is a threshold


def window_of(dataset: FileDataset, frame: int) -> Window | None:
    """The first window that the file gives for a frame, or None where there is no sound one."""
    group = frame_item(dataset, "FrameVOILUTSequence", frame)
    source = group if group is not None else dataset
    centre, width = floats(source, "WindowCenter", 1), floats(source, "WindowWidth", 1)
    if centre is None or width is None or width[0] <= 0.0:
        return None
    try:
        function = WindowFunction((text(source, "VOILUTFunction") or "LINEAR").upper())
    except ValueError:
        function = WindowFunction.LINEAR
    if function is WindowFunction.LINEAR and width[0] < 1.0:  # C.11.2.1.2.1 forbids it
        function = WindowFunction.LINEAR_EXACT
    return Window(centre[0], width[0], function)


def rescaled(name: str, stored: NDArray[Any], dataset: FileDataset, frame: int) -> NDArray[Any]:
    """Stored values through the modality LUT, or slope and intercept (PS3.3 C.11.1).

    Raises:
        UnreadableScan: Values are not finite.
    """
    if item(dataset, "ModalityLUTSequence") is not None:
        return np.asarray(apply_modality_lut(stored, dataset))
    group = frame_item(dataset, "PixelValueTransformationSequence", frame)
    source = group if group is not None else dataset
    slope = (floats(source, "RescaleSlope", 1) or (1.0,))[0]
    intercept = (floats(source, "RescaleIntercept", 1) or (0.0,))[0]
    if slope == 0.0:  # would make every slice blank; such files mean 1
        slope = 1.0
    values = stored
    if (slope, intercept) != (1.0, 0.0):
        values = stored.astype(np.float32)
        values *= np.float32(slope)
        values += np.float32(intercept)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        count = int(np.count_nonzero(~np.isfinite(values)))
        raise UnreadableScan(name, f"{count} of {values.size} pixels are not finite numbers")
    return values


def by_voi_lut(values: NDArray[Any], dataset: FileDataset) -> NDArray[np.float32] | None:
    """Values through the VOI LUT of the file, scaled to [0, 1], or None where it has none."""
    lut = item(dataset, "VOILUTSequence")
    if lut is None or values.dtype.kind not in "iu":
        return None
    descriptor = floats(lut, "LUTDescriptor", 3)
    bits = descriptor[2] if descriptor else 16.0
    return stretch(np.asarray(apply_voi(values, dataset)), 0.0, 2.0**bits - 1.0)


def is_inverted(dataset: FileDataset) -> bool:
    """Whether the smallest value is shown white (MONOCHROME1)."""
    return text(dataset, "PhotometricInterpretation") == "MONOCHROME1"


def padding(dataset: FileDataset, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where pixels only fill the frame (PS3.3 C.7.5.1.1.2), or None."""
    edge = floats(dataset, "PixelPaddingValue", 1)
    if edge is None:
        return None
    other = floats(dataset, "PixelPaddingRangeLimit", 1) or edge
    low, high = sorted((edge[0], other[0]))
    found = (stored >= low) & (stored <= high)
    return found if found.any() and not found.all() else None


def palette_rgb(stored: NDArray[Any], dataset: FileDataset) -> NDArray[Any]:
    """The colours of a PALETTE COLOR frame, (rows, columns, 3)."""
    return np.asarray(apply_color_lut(stored, dataset))[..., :3]
