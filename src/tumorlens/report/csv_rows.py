"""Findings and errors as CSV, one row each, for spreadsheets and statistics programs."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from tumorlens.errors import ScanError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.decide.finding import Finding, Measurements

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
    "longest_pixels",
    "longest_mm",
    "perpendicular_pixels",
    "perpendicular_mm",
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


def csv_row(outcome: Finding | ScanError, classes: Sequence[str]) -> str:
    """One outcome as a line with its line break; empty cells for what it does not have."""
    cells = _error_cells(outcome) if isinstance(outcome, ScanError) else _cells(outcome)
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
    }
    if size.lesions:
        largest = max(size.lesions, key=lambda lesion: lesion.area_pixels)
        cells |= {
            "longest_pixels": largest.longest_pixels,
            "longest_mm": largest.longest_mm,
            "perpendicular_pixels": largest.perpendicular_pixels,
            "perpendicular_mm": largest.perpendicular_mm,
        }
    return cells


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
