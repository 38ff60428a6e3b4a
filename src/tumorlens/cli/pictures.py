"""Overlays of a run of answers; one that cannot be written never loses an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from tumorlens.cli.guard import tell
from tumorlens.decide.finding import Finding
from tumorlens.errors import TumorLensError
from tumorlens.report.words import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from tumorlens.analysis import Answer
    from tumorlens.report.overlays import OverlayFolder


def pictures_in(folder: Path, opacity: float) -> Pictures:
    """Draw into a folder, which is made where it does not exist.

    Raises:
        typer.BadParameter: It cannot be made.
    """
    from tumorlens.report.overlays import OverlayFolder

    try:
        return Pictures(OverlayFolder(folder, opacity=opacity))
    except TumorLensError as error:
        raise typer.BadParameter(str(error)) from None


class Pictures:
    """Draws the slices of answers, and tells once where that fails, such as on a full disk.

    Attributes:
        failed: How many overlays could not be written.
    """

    def __init__(self, folder: OverlayFolder) -> None:
        self._folder = folder
        self._drawn = 0
        self.failed = 0

    def draw(self, answer: Answer) -> None:
        """Draw the slice of an answer that has one."""
        if answer.scan is None or not isinstance(answer.outcome, Finding):
            return
        try:
            self._folder.write(answer.scan.pixels, answer.outcome)
            self._drawn += 1
        except TumorLensError as error:
            if not self.failed:
                tell(f"error: {one_line(str(error))} The answers go on without.")
            self.failed += 1

    def tell_where(self) -> None:
        """Say where the overlays are, and how many are not there."""
        where = one_line(str(self._folder.folder))
        if self.failed:
            tell(f"{self.failed} of {self.failed + self._drawn} overlays are missing in {where}")
        elif self._drawn:
            tell(f"overlays are in {where}")
