"""What a DICOM object is: an MR image, or something that is named and refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.uid import UID

from tumorlens.errors import UnreadableScan, UnsupportedScan
from tumorlens.scan.dicom.elements import text

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
"""The elements that hold the pixels of an image (PS3.3 C.7.6.3, C.7.6.24, C.7.6.25)."""

# MR, and the two under which workstations store pictures made of MR; some old files say nothing.
_READ = frozenset({"MR", "OT", "SC", None})

_READ_CLASSES = ("MR ", "Secondary Capture")

_MODALITIES = {
    "CR": "a computed radiograph",
    "CT": "a CT image",
    "DX": "a digital radiograph",
    "ECG": "an electrocardiogram",
    "ES": "an endoscopy picture",
    "IVUS": "an intravascular ultrasound image",
    "KO": "a key object note",
    "MG": "a mammogram",
    "NM": "a nuclear medicine image",
    "OP": "an ophthalmic picture",
    "OPT": "an ophthalmic tomogram",
    "PR": "a presentation state",
    "PT": "a PET image",
    "PX": "a panoramic radiograph",
    "REG": "a registration",
    "RF": "a fluoroscopy image",
    "RTDOSE": "a radiotherapy dose",
    "RTIMAGE": "a radiotherapy image",
    "RTPLAN": "a radiotherapy plan",
    "RTSTRUCT": "a radiotherapy structure set",
    "SEG": "a segmentation",
    "SM": "a microscopy slide",
    "SR": "a structured report",
    "US": "an ultrasound image",
    "XA": "an angiogram",
    "XC": "a photograph",
}
_ADVICE = "Give the MR images of the study"
_DIRECTORY = "1.2.840.10008.1.3.10"


def modality_of(name: str, dataset: FileDataset) -> str | None:
    """The Modality of an image that is read here.

    Raises:
        UnsupportedScan: The object has no pixels, or is of another modality; it is named.
        UnreadableScan: The object has no pixels, and nothing says what it is.
    """
    modality = text(dataset, "Modality")
    kind = _class_name(dataset)
    if kind == UID(_DIRECTORY).name or "DirectoryRecordSequence" in dataset:
        raise UnsupportedScan(
            name, "it is a DICOMDIR, an index of other files", "Name the folder that it lies in"
        )
    if modality not in _READ:
        words = _MODALITIES.get(modality or "", "an object")
        raise UnsupportedScan(
            name, f"it is {words} (Modality {modality}); TumorLens reads MR", _ADVICE
        )
    if modality is None and kind and not any(words in kind for words in _READ_CLASSES):
        raise UnsupportedScan(name, f"it is of the kind {kind}; TumorLens reads MR", _ADVICE)
    if not any(keyword in dataset for keyword in PIXELS):
        if kind is None:
            raise UnreadableScan(name, "it is a DICOM object without pixels", "Get the file again")
        raise UnsupportedScan(name, f"it is a DICOM object without pixels ({kind})", _ADVICE)
    return modality


def _class_name(dataset: FileDataset) -> str | None:
    """The name of the SOP class, of the dataset or else of the file meta information."""
    found = text(dataset, "SOPClassUID") or text(dataset.file_meta, "MediaStorageSOPClassUID")
    return UID(found).name if found else None
