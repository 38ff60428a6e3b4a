"""The files of a run of ``tumorlens segment``; one that cannot be written loses no answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from tumorlens.cli.guard import tell
from tumorlens.errors import MissingExtra, TumorLensError
from tumorlens.report.masks import MaskFolder, PlacedMask
from tumorlens.report.overlays import OverlayFolder
from tumorlens.report.words import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tumorlens.decide.study import Study
    from tumorlens.segmentation import SegmentedSlice, SegmentedStack


def files_in(folder: Path, opacity: float) -> Files:
    """Write into a folder, which is made where it does not exist.

    Raises:
        typer.BadParameter: It cannot be made.
    """
    try:
        return Files(MaskFolder(folder), OverlayFolder(folder, opacity=opacity))
    except TumorLensError as error:
        raise typer.BadParameter(str(error)) from None


class Files:
    """Writes what was marked, and tells once what goes wrong, such as a full disk.

    Attributes:
        failed: How many files could not be written.
    """

    def __init__(self, masks: MaskFolder, overlays: OverlayFolder) -> None:
        self._masks, self._overlays = masks, overlays
        self._written = 0
        self._told: set[str] = set()
        self.failed = 0

    def write(self, stack: SegmentedStack) -> SegmentedStack:
        """Write the files of a stack; the answers then say where their masks are."""
        slices = tuple(self._slice(one) for one in stack.slices)
        study = None if stack.study is None else self._study(stack, stack.study)
        return replace(stack, slices=slices, study=study)

    def tell_where(self) -> None:
        """Say where the files are, and how many are not there."""
        where = one_line(str(self._masks.folder))
        if self.failed:
            tell(f"{self.failed} of {self.failed + self._written} files are missing in {where}")
        elif self._written:
            tell(f"masks and overlays are in {where}")

    def _slice(self, one: SegmentedSlice) -> SegmentedSlice:
        finding = one.finding
        if (size := finding.measurements) is not None:
            path = self._attempt(lambda: self._masks.write_slice(finding.scan, one.mask()))
            named = size.model_copy(update={"mask_file": None if path is None else str(path)})
            finding = finding.model_copy(update={"measurements": named})
        self._attempt(lambda: self._overlays.write(one.pixels, finding, one.lesions.values()))
        return replace(one, finding=finding)

    def _study(self, stack: SegmentedStack, study: Study) -> Study:
        if study.measurements is None:
            return study
        placed = [
            PlacedMask(one.mask(), one.finding.scan.frame, one.place)
            for one in stack.slices
            if one.place is not None
        ]
        if len(placed) < len(stack.slices):
            return study
        first = stack.slices[0].finding.scan
        path = self._attempt(lambda: self._masks.write_volume(first, placed))
        return study.model_copy(update={"mask_file": None if path is None else str(path)})

    def _attempt(self, write: Callable[[], Path | None]) -> Path | None:
        try:
            path = write()
        except MissingExtra as error:
            self._failed(str(error))
            return None
        except TumorLensError as error:
            self._failed(f"error: {one_line(str(error))} The answers go on without.")
            return None
        self._written += path is not None
        return path

    def _failed(self, text: str) -> None:
        self.failed += 1
        if text not in self._told:
            self._told.add(text)
            tell(text)
