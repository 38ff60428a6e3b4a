"""Overlays as PNG files in one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from tumorlens.explain.colour import DEFAULT_OPACITY
from tumorlens.explain.overlay import overlay
from tumorlens.report.folder import OutputFolder, stem_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tumorlens.decide.finding import Finding
    from tumorlens.explain.regions import Region

SUFFIX = ".overlay.png"
# Written into every overlay, so that a later run may replace it and nothing else.
MARK_KEY, MARK = "Software", "TumorLens overlay"
# Little smaller files at higher levels, for several times the time.
COMPRESSION = 3


class OverlayFolder(OutputFolder):
    """A folder that overlays are written into.

    Args:
        folder: Made where it does not exist.
        opacity: How much of the slice full evidence covers, in [0, 1].

    Raises:
        TumorLensError: The folder cannot be made or written to.
    """

    def __init__(self, folder: str | os.PathLike[str], *, opacity: float = DEFAULT_OPACITY) -> None:
        super().__init__(folder, what="overlays", mark=MARK)
        self._opacity = opacity

    def write(
        self,
        pixels: NDArray[np.float32],
        finding: Finding,
        lesions: Iterable[Region] | None = None,
    ) -> Path:
        """Draw and write the overlay of one slice.

        Args:
            pixels: float32 (H, W) in [0, 1], the slice of the Finding.
            finding: The answer.
            lesions: What is outlined; what the answer marks by itself if None.

        Returns:
            Where it was written: ``<name of the input>[-slice][-number].overlay.png``.

        Raises:
            TumorLensError: The file cannot be written.
        """
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        picture = Image.fromarray(overlay(pixels, finding, opacity=self._opacity, lesions=lesions))
        text = PngInfo()
        text.add_text(MARK_KEY, MARK)

        def save(stream: BinaryIO) -> None:
            picture.save(stream, "PNG", pnginfo=text, compress_level=COMPRESSION)

        return self.save(stem_of(finding.scan), SUFFIX, save)
