"""Reading: a file, a folder, a zip or an array becomes Scans, or a clear error."""

from __future__ import annotations

from tumorlens.scan.limits import Limits
from tumorlens.scan.phantom import DrawnTumor, Phantom, draw_phantom
from tumorlens.scan.place import Place, StoredVolume
from tumorlens.scan.plane import Plane
from tumorlens.scan.quality import QualityFlag, QualityKind, assess
from tumorlens.scan.read import read
from tumorlens.scan.scan import FileFormat, Scan
from tumorlens.scan.source import Source
from tumorlens.scan.sources import discover

__all__ = [
    "DrawnTumor",
    "FileFormat",
    "Limits",
    "Phantom",
    "Place",
    "Plane",
    "QualityFlag",
    "QualityKind",
    "Scan",
    "Source",
    "StoredVolume",
    "assess",
    "discover",
    "draw_phantom",
    "read",
]
