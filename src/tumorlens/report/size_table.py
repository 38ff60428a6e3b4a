"""What was marked, and its size, as a table for a reader at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from tumorlens.decide.finding import Finding
from tumorlens.decide.study import Study
from tumorlens.decide.words import diameter_words
from tumorlens.errors import ScanError
from tumorlens.report.table import ERROR_STYLE, NOTHING, STATUS_STYLES
from tumorlens.report.words import NOT_ANSWERED, STATUS_WORDS, one_line, slice_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tumorlens.decide.finding import Lesion, Measurements, Status
    from tumorlens.decide.study import StudyLesion

Row = tuple[Text, ...]


def size_table_of(rows: Iterable[Row]) -> Table:
    """The table of rows that `size_rows` made."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("input", overflow="fold")
    table.add_column("answer", no_wrap=True)
    table.add_column("lesion", no_wrap=True, justify="right")
    table.add_column("size", overflow="fold")
    table.add_column("diameters", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def size_rows(outcome: Finding | Study | ScanError) -> list[Row]:
    """The rows of one outcome: one a lesion, or one that says what there is none for."""
    match outcome:
        case ScanError():
            answer = Text(NOT_ANSWERED, style=ERROR_STYLE)
            why = one_line(outcome.reason)
            return [(Text(one_line(outcome.source)), answer, *map(Text, (NOTHING, why, NOTHING)))]
        case Finding():
            return _rows(slice_name(outcome.scan), outcome.status, _slice_cells(outcome))
        case Study():
            name = f"{outcome.source}, all {outcome.slice_count} slices"
            return _rows(name, outcome.status, _study_cells(outcome))


def _rows(name: str, status: Status, lesions: list[tuple[str, str, str]]) -> list[Row]:
    first = (Text(one_line(name)), Text(STATUS_WORDS[status], style=STATUS_STYLES[status]))
    return [
        (*(first if row == 0 else (Text(""), Text(""))), *map(Text, cells))
        for row, cells in enumerate(lesions)
    ]


def _slice_cells(finding: Finding) -> list[tuple[str, str, str]]:
    size = finding.measurements
    if size is None:
        return [(NOTHING, _unmeasured(finding), NOTHING)]
    return [_lesion_cells(lesion) for lesion in size.lesions] or [_none(size)]


def _unmeasured(finding: Finding) -> str:
    why = "; ".join(reason.text for reason in finding.reasons)
    return f"not measured: {why}" if why else "not measured"


def _lesion_cells(lesion: Lesion) -> tuple[str, str, str]:
    area = _area(lesion.area_pixels, lesion.area_mm2)
    return str(lesion.number), area, diameter_words(lesion)


def _none(size: Measurements) -> tuple[str, str, str]:
    return "0", _area(size.area_pixels, size.area_mm2), NOTHING


def _study_cells(study: Study) -> list[tuple[str, str, str]]:
    notes = "; ".join(note.text for note in study.notes)
    size = study.measurements
    if size is None:
        return [(NOTHING, notes or "not measured", NOTHING)]
    absent = ("0", _volume(size.volume_ml, size.pixels), NOTHING)
    cells = [_study_lesion_cells(lesion) for lesion in size.lesions] or [absent]
    return [*cells, *([(NOTHING, notes, NOTHING)] if notes else [])]


def _study_lesion_cells(lesion: StudyLesion) -> tuple[str, str, str]:
    volume = _volume(lesion.volume_ml, lesion.pixels)
    is_one = lesion.first_slice == lesion.last_slice
    last = "" if is_one else f" to {lesion.last_slice}"
    reach = f"{volume}, slice{'' if is_one else 's'} {lesion.first_slice}{last}"
    widest = f"{diameter_words(lesion.largest)} on slice {lesion.largest_slice}"
    return str(lesion.number), reach, widest


def _area(pixels: int, mm2: float | None) -> str:
    return f"{pixels} pixels" if mm2 is None else f"{mm2:.0f} mm²"


def _volume(volume_ml: float | None, pixels: int) -> str:
    return f"{pixels} pixels" if volume_ml is None else f"{volume_ml:.2f} mL"
