"""The planes in which a volume can be cut."""

from __future__ import annotations

from enum import StrEnum


class Plane(StrEnum):
    """Which slices of a volume are read; AUTO takes those across its coarsest spacing."""

    AUTO = "auto"
    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"
