"""What a file is, told from its first bytes and never from its name."""

from __future__ import annotations

import struct

from tumorlens.scan.scan import FileFormat

HEAD_BYTES = 352
"""How many bytes are looked at: a NIfTI-1 header with its magic is 348, and 4 follow it."""

_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_GZIP_MAGIC = b"\x1f\x8b"
_NIFTI1_SIZE, _NIFTI2_SIZE = 348, 540

_RASTERS = (
    (b"\xff\xd8\xff", FileFormat.JPEG),
    (b"\x89PNG\r\n\x1a\n", FileFormat.PNG),
    (b"II*\x00", FileFormat.TIFF),
    (b"MM\x00*", FileFormat.TIFF),
    (b"II+\x00", FileFormat.TIFF),
    (b"MM\x00+", FileFormat.TIFF),
    (b"GIF87a", FileFormat.GIF),
    (b"GIF89a", FileFormat.GIF),
)

# Whole formats that people try, and that are named rather than called damaged.
_NAMED_BY_MAGIC = (
    (b"%PDF-", "a PDF document"),
    (b"NRRD000", "an NRRD volume"),
    (b"8BPS", "a Photoshop picture"),
    (b"\x00\x00\x00\x0cjP  \r\n", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 codestream"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array file"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"ObjectType", "a MetaImage volume"),
    (b"NDims", "a MetaImage volume"),
)
_NAMED_BY_BRAND = {
    b"avif": "an AVIF picture",
    b"avis": "an animated AVIF picture",
    b"heic": "a HEIC picture",
    b"heix": "a HEIC picture",
    b"mif1": "a HEIF picture",
    b"isom": "an MP4 video",
    b"mp42": "an MP4 video",
    b"qt  ": "a QuickTime video",
}
_NAMED_BY_SUFFIX = {
    ".mgz": "a FreeSurfer volume (.mgz)",
    ".mgh": "a FreeSurfer volume (.mgh)",
    ".nrrd": "an NRRD volume (.nrrd)",
    ".nhdr": "an NRRD header (.nhdr)",
    ".mha": "a MetaImage volume (.mha)",
    ".mhd": "a MetaImage header (.mhd)",
    ".mnc": "a MINC volume (.mnc)",
}

_BMP_HEADERS = frozenset(struct.pack("<I", size) for size in (12, 40, 52, 56, 64, 108, 124))

# A dataset without a preamble starts with its meta information or in the identifying group.
_DICOM_FIRST_GROUPS = frozenset({0x0002, 0x0008})
_DICOM_LAST_FIRST_ELEMENT = 0x0060  # Modality; no file starts beyond it

# Value representations that an explicit dataset can start with (DICOM PS3.5, table 6.2-1).
_DICOM_FIRST_VRS = frozenset({b"UL", b"OB", b"UI", b"CS", b"DA", b"TM", b"LO", b"SH", b"UN"})


def sniff(head: bytes) -> FileFormat | None:
    """Tell which of the formats that are read here the bytes are, or None.

    Args:
        head: The first `HEAD_BYTES` of the file, or all of it where it is shorter.
    """
    if _has_prefix(head):  # first, since its preamble may make a DICOM file a TIFF as well
        return FileFormat.DICOM
    if found := _raster(head):
        return found
    if _starts_dataset(head):
        return FileFormat.DICOM
    return FileFormat.NIFTI if is_nifti(head) or is_gzip(head) else None


def is_zip(head: bytes) -> bool:
    """Tell whether the bytes start a zip archive."""
    return head.startswith(_ZIP_MAGICS)


def is_gzip(head: bytes) -> bool:
    """Tell whether the bytes start a gzip file, which may or may not hold a NIfTI volume."""
    return head.startswith(_GZIP_MAGIC)


def is_dicom(head: bytes) -> bool:
    """Tell whether the bytes start a DICOM file, with a preamble (PS3.10) or without one."""
    return sniff(head) is FileFormat.DICOM


def is_nifti(head: bytes) -> bool:
    """Tell whether the bytes are the header of an uncompressed NIfTI-1 or NIfTI-2 file."""
    sizes = {head[:4]} & {
        struct.pack(order + "i", size) for order in "<>" for size in (_NIFTI1_SIZE, _NIFTI2_SIZE)
    }
    return bool(sizes) and (head[344:347] in (b"n+1", b"ni1") or head[4:7] in (b"n+2", b"ni2"))


def unsupported_name(head: bytes, name: str) -> str | None:
    """The words for a known format that is not read here, or None for an unknown one."""
    if is_zip(head):
        return "a zip archive inside another input"
    for magic, words in _NAMED_BY_MAGIC:
        if head.startswith(magic):
            return words
    if head[4:8] == b"ftyp":
        return _NAMED_BY_BRAND.get(head[8:12], "a video or HEIF file")
    suffix = "." + name.lower().rpartition(".")[2]
    return _NAMED_BY_SUFFIX.get(suffix)


def looks_like_text(head: bytes) -> bool:
    """Tell whether the bytes are plain text, which no image format here starts with."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # a character cut off at the end is still text
            return False
        text = head[: error.start].decode("utf-8")
    return bool(text) and all(letter.isprintable() or letter in "\r\n\t\f" for letter in text)


def _has_prefix(head: bytes) -> bool:
    return head[128:132] == b"DICM"


def _raster(head: bytes) -> FileFormat | None:
    for magic, found in _RASTERS:
        if head.startswith(magic):
            return found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return FileFormat.WEBP
    # Two letters alone would make a picture of many a text.
    return FileFormat.BMP if head[:2] == b"BM" and head[14:18] in _BMP_HEADERS else None


def _starts_dataset(head: bytes) -> bool:
    for order in ("<", ">"):
        element = struct.Struct(order + "HHI")
        if len(head) < element.size:
            return False
        group, number, length = element.unpack_from(head)
        if group in _DICOM_FIRST_GROUPS and number <= _DICOM_LAST_FIRST_ELEMENT:
            # Explicit VR names itself; implicit VR has a length here, an even and short one.
            return head[4:6] in _DICOM_FIRST_VRS or (length % 2 == 0 and length <= len(head))
    return False
