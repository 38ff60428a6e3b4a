"""The formats that ``tumorlens predict`` and ``segment`` write to standard output."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.decide.finding import Finding
    from tumorlens.decide.study import Study
    from tumorlens.errors import ScanError
    from tumorlens.report.table import Row


class Format(StrEnum):
    """The formats of answers."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Writer(Protocol):
    """Takes outcomes one by one, and writes them at once or at the end."""

    def add(self, outcome: Finding | ScanError) -> None:
        """Take one outcome."""

    def close(self) -> None:
        """Write what has not been written yet."""


def writer_for(form: Format, classes: Sequence[str]) -> Writer:
    """The writer of a format, for a model of these classes."""
    match form:
        case Format.TABLE:
            return _TableWriter()
        case Format.JSON:
            return _JsonWriter()
        case Format.CSV:
            return _CsvWriter(classes)


class SizeWriter(Protocol):
    """As `Writer`, for answers that are measured, and for whole studies."""

    def add(self, outcome: Finding | Study | ScanError) -> None:
        """Take one outcome."""

    def close(self) -> None:
        """Write what has not been written yet."""


def size_writer_for(form: Format, classes: Sequence[str]) -> SizeWriter:
    """The writer of a format for what was measured, for a model of these classes."""
    match form:
        case Format.TABLE:
            return _SizeTableWriter()
        case Format.JSON:
            return _JsonWriter()
        case Format.CSV:
            return _SizeCsvWriter(classes)


class _TableWriter:
    """Keeps the rows, whose widths make the columns, and writes the table at the end."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, outcome: Finding | ScanError) -> None:
        from tumorlens.report.table import table_row

        self._rows.append(table_row(outcome))

    def close(self) -> None:
        from tumorlens.cli.console import OutputConsole
        from tumorlens.report.table import table_of

        if self._rows:
            OutputConsole().print(table_of(self._rows))


class _SizeTableWriter:
    """As `_TableWriter`, with the sizes of lesions."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, outcome: Finding | Study | ScanError) -> None:
        from tumorlens.report.size_table import size_rows

        self._rows += size_rows(outcome)

    def close(self) -> None:
        from tumorlens.cli.console import OutputConsole
        from tumorlens.report.size_table import size_table_of

        if self._rows:
            OutputConsole().print(size_table_of(self._rows))


class _JsonWriter:
    def __init__(self) -> None:
        _write_utf8()

    def add(self, outcome: Finding | Study | ScanError) -> None:
        from tumorlens.report.json_lines import json_line

        # Each line at once: another program may be waiting for it.
        sys.stdout.write(json_line(outcome) + "\n")
        sys.stdout.flush()

    def close(self) -> None:
        sys.stdout.flush()


class _CsvWriter:
    def __init__(self, classes: Sequence[str]) -> None:
        from tumorlens.report.csv_rows import csv_header

        _write_utf8()
        self._classes = classes
        sys.stdout.write(csv_header(classes))

    def add(self, outcome: Finding | ScanError) -> None:
        from tumorlens.report.csv_rows import csv_row

        sys.stdout.write(csv_row(outcome, self._classes))

    def close(self) -> None:
        sys.stdout.flush()


class _SizeCsvWriter(_CsvWriter):
    """As `_CsvWriter`, with a row for each lesion after the row of its slice or study."""

    def add(self, outcome: Finding | Study | ScanError) -> None:
        from tumorlens.errors import ScanError
        from tumorlens.report.csv_rows import csv_lesion_rows, csv_row

        sys.stdout.write(csv_row(outcome, self._classes))
        if not isinstance(outcome, ScanError):
            sys.stdout.write(csv_lesion_rows(outcome, self._classes))


def _write_utf8() -> None:
    """What programs read is UTF-8 with plain line breaks, whatever the terminal's language."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
