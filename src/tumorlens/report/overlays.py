"""Overlays as PNG files in one folder: safe names, none written twice, no other file replaced."""

from __future__ import annotations

import re
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tumorlens.errors import TumorLensError
from tumorlens.explain.colour import DEFAULT_OPACITY
from tumorlens.explain.overlay import overlay

if TYPE_CHECKING:
    import os

    from tumorlens.decide.finding import Finding
    from tumorlens.scan.scan import Scan

SUFFIX = ".overlay.png"
# Written into every overlay, so that a later run may replace it and nothing else.
MARK_KEY, MARK = "Software", "TumorLens overlay"
# The mark lies in the first chunks of the file.
MARK_WITHIN = 256
# File systems take 255 bytes a name; a letter takes up to four, and a number may follow.
LONGEST_STEM = 50
# Little smaller files at higher levels, for several times the time.
COMPRESSION = 3
_MEMBER = "::"
_UNSAFE = re.compile(r"[^\w.-]+")


class OverlayFolder:
    """A folder that overlays are written into.

    Args:
        folder: Made where it does not exist.
        opacity: How much of the slice full evidence covers, in [0, 1].

    Raises:
        TumorLensError: The folder cannot be made or written to.
    """

    def __init__(self, folder: str | os.PathLike[str], *, opacity: float = DEFAULT_OPACITY) -> None:
        self.folder = Path(folder)
        self._opacity = opacity
        self._taken: set[str] = set()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failed(error) from error

    def write(self, scan: Scan, finding: Finding) -> Path:
        """Draw and write the overlay of one slice.

        Returns:
            Where it was written: ``<name of the input>[-slice][-number].overlay.png``.

        Raises:
            TumorLensError: The file cannot be written.
        """
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        picture = Image.fromarray(overlay(scan.pixels, finding, opacity=self._opacity))
        text = PngInfo()
        text.add_text(MARK_KEY, MARK)
        temporary = self.folder / f".{secrets.token_hex(8)}.part"
        try:
            path = self._free_path(_stem(finding))
            with temporary.open("xb") as stream:
                picture.save(stream, "PNG", pnginfo=text, compress_level=COMPRESSION)
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise self._failed(error) from error
        return path

    def _free_path(self, stem: str) -> Path:
        """The first name that is neither taken in this run nor another file's."""
        number = 1
        while True:
            name = f"{stem}{SUFFIX}" if number == 1 else f"{stem}-{number}{SUFFIX}"
            path = self.folder / name
            # Some file systems do not tell upper from lower case.
            if name.casefold() not in self._taken and _may_replace(path):
                self._taken.add(name.casefold())
                return path
            number += 1

    def _failed(self, error: OSError) -> TumorLensError:
        return TumorLensError(
            f"overlays cannot be written to {self.folder}: {error.strerror or error}. "
            "Name another folder."
        )


def _stem(finding: Finding) -> str:
    """A file name from the last part of the input's name, with nothing that leads elsewhere."""
    last = re.split(r"[/\\]", finding.scan.source.split(_MEMBER)[-1])[-1]
    stem = _UNSAFE.sub("_", last.rsplit(".", 1)[0] if "." in last[1:] else last).strip("._-")
    # What the file system's encoding cannot write is left out of the name.
    encoding = sys.getfilesystemencoding()
    stem = stem.encode(encoding, "ignore").decode(encoding)[:LONGEST_STEM] or "scan"
    if finding.scan.frame_count > 1:
        stem = f"{stem}-{finding.scan.frame + 1:04d}"
    return stem


def _may_replace(path: Path) -> bool:
    """Whether nothing is there, or an overlay of an earlier run."""
    try:
        with path.open("rb") as stream:
            return MARK.encode() in stream.read(MARK_WITHIN)
    except FileNotFoundError:
        return not path.is_symlink()
    except OSError:
        return False
