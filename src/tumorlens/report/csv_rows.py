"""Findings and errors as CSV, one row each, for spreadsheets and statistics programs."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from tumorlens.decide.finding import Finding, Measurements
from tumorlens.decide.study import Study, StudyMeasurements
from tumorlens.errors import ScanError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.decide.finding import Lesion
    from tumorlens.decide.study import StudyLesion

    Cell = str | float | int | None

# A spreadsheet runs a cell that starts with one of these as a formula, and a file may have any
# name; with an apostrophe before it, it is text (OWASP, "CSV injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_BEFORE_CLASSES = (
    "record",
    "input",
    "slice",
    "slices",
    "status",
    "label",
    "tumor_probability",
)
_AFTER_CLASSES = (
    "prediction_set",
    "novelty",
    "area_pixels",
    "area_mm2",
    "lesions",
    "lesion",
    "volume_ml",
    "longest_pixels",
    "longest_mm",
    "perpendicular_pixels",
    "perpendicular_mm",
    "mask_file",
    "reasons",
    "error",
    "message",
    "width",
    "height",
    "row_spacing_mm",
    "column_spacing_mm",
    "position_mm",
    "series",
    "format",
    "sha256",
    "model",
    "model_version",
    "model_sha256",
    "elapsed_ms",
    "notice",
)


def csv_header(classes: Sequence[str]) -> str:
    """The first line, for a model of these classes; a column ``p_<class>`` for each."""
    return _line([*_BEFORE_CLASSES, *(f"p_{name}" for name in classes), *_AFTER_CLASSES])


def csv_row(outcome: Finding | Study | ScanError, classes: Sequence[str]) -> str:
    """One outcome as a line with its line break; empty cells for what it does not have."""
    match outcome:
        case ScanError():
            return _row(_error_cells(outcome), classes)
        case Study():
            return _row(_study_cells(outcome), classes)
        case Finding():
            return _row(_cells(outcome), classes)


def csv_lesion_rows(outcome: Finding | Study, classes: Sequence[str]) -> str:
    """A line for each lesion of a slice or study, its record ``lesion`` or ``study_lesion``."""
    size = outcome.measurements
    match outcome, size:
        case Study(), StudyMeasurements():
            rows = [_study_lesion_cells(outcome, lesion) for lesion in size.lesions]
        case Finding(), Measurements():
            rows = [_lesion_of_slice_cells(outcome, lesion) for lesion in size.lesions]
        case _:
            rows = []
    return "".join(_row(cells, classes) for cells in rows)


def _row(cells: dict[str, Cell], classes: Sequence[str]) -> str:
    columns = [*_BEFORE_CLASSES, *(f"p_{name}" for name in classes), *_AFTER_CLASSES]
    return _line([cells.get(column) for column in columns])


def _cells(finding: Finding) -> dict[str, Cell]:
    scan, model, size = finding.scan, finding.model, finding.measurements
    cells: dict[str, Cell] = {
        "record": finding.record,
        "input": scan.source,
        "slice": scan.frame + 1,
        "slices": scan.frame_count,
        "status": finding.status.value,
        "label": finding.label,
        "tumor_probability": finding.tumor_probability,
        "prediction_set": "; ".join(finding.prediction_set),
        "novelty": finding.novelty,
        "reasons": "; ".join(reason.text for reason in finding.reasons),
        "width": scan.width,
        "height": scan.height,
        "position_mm": scan.position_mm,
        "series": scan.series,
        "format": scan.format,
        "sha256": scan.sha256,
        "model": model.name,
        "model_version": model.version,
        "model_sha256": model.sha256,
        "elapsed_ms": finding.elapsed_ms,
        "notice": finding.notice,
    }
    if size is not None:
        cells |= _size_cells(size)
    if scan.spacing_mm is not None:
        cells |= {"row_spacing_mm": scan.spacing_mm[0], "column_spacing_mm": scan.spacing_mm[1]}
    return cells | {f"p_{name}": value for name, value in finding.probabilities.items()}


def _size_cells(size: Measurements) -> dict[str, Cell]:
    """The whole area, and the diameters of the largest lesion."""
    cells: dict[str, Cell] = {
        "area_pixels": size.area_pixels,
        "area_mm2": size.area_mm2,
        "lesions": len(size.lesions),
        "mask_file": size.mask_file,
    }
    if size.lesions:
        largest = max(size.lesions, key=lambda lesion: lesion.area_pixels)
        cells |= _diameter_cells(largest)
    return cells


def _diameter_cells(lesion: Lesion) -> dict[str, Cell]:
    return {
        "longest_pixels": lesion.longest_pixels,
        "longest_mm": lesion.longest_mm,
        "perpendicular_pixels": lesion.perpendicular_pixels,
        "perpendicular_mm": lesion.perpendicular_mm,
    }


def _lesion_cells(lesion: Lesion) -> dict[str, Cell]:
    return {
        "lesion": lesion.number,
        "area_pixels": lesion.area_pixels,
        "area_mm2": lesion.area_mm2,
        **_diameter_cells(lesion),
    }


def _lesion_of_slice_cells(finding: Finding, lesion: Lesion) -> dict[str, Cell]:
    scan = finding.scan
    return {
        "record": "lesion",
        "input": scan.source,
        "slice": scan.frame + 1,
        "slices": scan.frame_count,
        "series": scan.series,
        "notice": finding.notice,
        **_lesion_cells(lesion),
    }


def _study_cells(study: Study) -> dict[str, Cell]:
    """The whole study: its volume, and the diameters of its largest lesion where it is largest."""
    size = study.measurements
    cells: dict[str, Cell] = {
        "record": study.record,
        "input": study.source,
        "slices": study.slice_count,
        "status": study.status.value,
        "label": study.label,
        "tumor_probability": study.tumor_probability,
        "mask_file": study.mask_file,
        "reasons": "; ".join(note.text for note in study.notes),
        "series": study.series,
        "model": study.model.name,
        "model_version": study.model.version,
        "model_sha256": study.model.sha256,
        "notice": study.notice,
    }
    if size is not None:
        cells |= {"lesions": len(size.lesions), "volume_ml": size.volume_ml}
        if size.lesions:
            cells |= _diameter_cells(size.lesions[0].largest)
    if study.spacing_mm is not None:
        cells |= {"row_spacing_mm": study.spacing_mm[0], "column_spacing_mm": study.spacing_mm[1]}
    return cells


def _study_lesion_cells(study: Study, lesion: StudyLesion) -> dict[str, Cell]:
    """A lesion through the study; its area and diameters are those of its largest slice."""
    return {
        "record": "study_lesion",
        "input": study.source,
        "slice": lesion.largest_slice,
        "slices": study.slice_count,
        "series": study.series,
        "volume_ml": lesion.volume_ml,
        "notice": study.notice,
        **_lesion_cells(lesion.largest),
    }


def _error_cells(error: ScanError) -> dict[str, Cell]:
    return {
        "record": "error",
        "input": error.source,
        "error": type(error).__name__,
        "message": str(error),
    }


def _line(cells: Sequence[Cell]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([_safe(cell) for cell in cells])
    return text.getvalue()


def _safe(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS):
        return f"'{cell}"
    return cell
