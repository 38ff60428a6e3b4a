"""The limits that protect the process: what is refused before any of it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, fields

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

RATIO_FLOOR_BYTES = 32 * MIB
"""Below this size nothing can hurt, however well it was packed; a blank slice packs 1000 : 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one input may ask of the process.

    The defaults keep a process that reads the worst admitted input under 1 GiB of memory, and
    lie far above what an MRI needs.

    Attributes:
        max_file_bytes: Bytes of one file, or of one zip member once inflated.
        max_pixels: Pixels of one slice (of DICOM: samples); 2**24 is 4096 x 4096, where a slice
            of MRI has at most about 2048 x 2048. The most that reading one of that size was seen
            to take is 0.5 GiB, for WebP with alpha.
        max_frames: Slices of one file.
        max_volume_bytes: Bytes of one volume or deflated dataset once inflated.
        max_zip_ratio: Inflated over stored size, for members large enough to matter; an image
            seldom reaches 20, a bomb has 1000.
        max_zip_members: Members of one archive.
        max_total_bytes: Inflated bytes of all members of one archive together.
    """

    max_file_bytes: int = 256 * MIB
    max_pixels: int = 2**24
    max_frames: int = 4096
    max_volume_bytes: int = 384 * MIB
    max_zip_ratio: float = 200.0
    max_zip_members: int = 20_000
    max_total_bytes: int = 16 * GIB

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                msg = f"{field.name} must be above 0, got {getattr(self, field.name)}"
                raise ValueError(msg)


def readable_size(count: int) -> str:
    """Bytes as a person says them: ``3.4 MiB``."""
    for unit, size in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
