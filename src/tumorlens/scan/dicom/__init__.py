"""DICOM files: one image object, of one frame or many, becomes Scans.

Imported only when a DICOM file is met, since pydicom takes longer to import than all of
TumorLens. Nothing that identifies a patient is read.
"""

from __future__ import annotations

from tumorlens.scan.dicom.reader import read_dicom, read_slice_key

__all__ = ["read_dicom", "read_slice_key"]
