"""Where a slice lies in the patient, so that what is marked on it can be put back there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class StoredVolume:
    """The NIfTI volume that a slice was cut from: enough to store voxels as it stores its own.

    Attributes:
        header: A NIfTI header that says nothing but how the volume lies: no words, no values.
        axes: The axes of the array that became slices, rows and columns.
        steps: For each of these, 1 where it was taken as stored and -1 where it was turned over.
    """

    header: bytes
    axes: tuple[int, int, int]
    steps: tuple[int, int, int]

    def shown(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Voxels as stored (I, J, K), as slices are shown: a view (slices, rows, columns)."""
        across, down, right = self.steps
        return voxels.transpose(self.axes)[::across, ::down, ::right]

    def stored(self, stack: NDArray[Any]) -> NDArray[Any]:
        """A stack (slices, rows, columns) as it is shown, as voxels are stored: a view."""
        across, down, right = self.steps
        return stack[::across, ::down, ::right].transpose(np.argsort(self.axes))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a slice lies, in mm; the axes run to the patient's right, anterior and superior.

    Attributes:
        corner: The centre of the first pixel of the first row.
        down: From a pixel to the one below it.
        right: From a pixel to the one at its right.
        onward: From a pixel to the same one of the next slice; None where only the other slices
            tell it.
        volume: The NIfTI volume that the slice was cut from, or None.
    """

    corner: Vector
    down: Vector
    right: Vector
    onward: Vector | None = None
    volume: StoredVolume | None = None
