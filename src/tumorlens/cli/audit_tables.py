"""An audit on the terminal: the verdict, then what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from tumorlens.cli.console import OutputConsole
from tumorlens.data.audit.report import Severity
from tumorlens.report.words import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tumorlens.data.audit.report import AuditReport

_STYLES = {Severity.SERIOUS: "bold red", Severity.NOTICE: "yellow", Severity.FINE: "cyan"}


def show(report: AuditReport) -> None:
    """Print the summary of what was found."""
    console = OutputConsole()
    verdict = Table(box=None, padding=(0, 2, 0, 0), show_header=False, title="Verdict")
    for sentence in report.verdict:
        state = Text(sentence.severity.value, style=_STYLES[sentence.severity])
        verdict.add_row(state, Text(one_line(sentence.text), overflow="fold"))
    console.print(verdict)
    for table in _tables(report):
        if table.row_count:
            console.print()
            console.print(table)


def _tables(report: AuditReport) -> Iterator[Table]:
    yield _sets(report)
    yield _classes(report)
    yield _copies(report)
    yield _leaks(report)
    yield _overlaps(report)
    yield _controls(report)


def _table(title: str, *columns: str, words: int = 1) -> Table:
    """A table whose columns after the first `words` hold numbers."""
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < words else "right", overflow="fold")
    return table


def _row(table: Table, *cells: object) -> None:
    shown = (f"{cell:,}" if isinstance(cell, int) else one_line(str(cell)) for cell in cells)
    table.add_row(*map(Text, shown))


def _sets(report: AuditReport) -> Table:
    columns = ("set", "files", "readable", "different pictures", "independent groups")
    table = _table("Sets", *columns)
    for one in report.sets:
        _row(table, one.name, one.files, one.readable, one.distinct, one.groups)
    if len(report.sets) > 1:
        files, readable = (
            sum(counts)
            for counts in zip(*((s.files, s.readable) for s in report.sets), strict=True)
        )
        _row(table, "together", files, readable, report.distinct, report.groups)
    return table


def _classes(report: AuditReport) -> Table:
    table = _table("Classes", "set", "split", "class", "images", words=3)
    for one in report.sets:
        for count in one.classes:
            _row(table, one.name, count.split or "-", count.label, count.images)
    return table


def _copies(report: AuditReport) -> Table:
    columns = ("pairs of copies", "all", "turned", "across classes", "across splits", "across sets")
    table = _table("Copies", *columns)
    for c in report.copy_counts:
        crossing = (c.across_classes, c.across_splits, c.across_sets)
        _row(table, c.relation.value, c.pairs, c.turned, *crossing)
    return table


def _leaks(report: AuditReport) -> Table:
    columns = ("set", "images of", "with a copy in", "images", "same picture", "or near")
    table = _table("Leaks", *columns, words=3)
    for leak in report.leaks:
        counts = (_share(leak.same, leak.images), _share(leak.near, leak.images))
        _row(table, leak.name, leak.split, leak.against, leak.images, *counts)
    return table


def _overlaps(report: AuditReport) -> Table:
    names = [one.name for one in report.sets]
    table = _table("Images of (row) that are also in (column)", "", *names)
    same = {(o.of, o.among): _share(o.same, o.images) for o in report.overlaps}
    if same:
        for name in names:
            _row(table, name, *(same.get((name, other), "") for other in names))
    return table


def _controls(report: AuditReport) -> Table:
    columns = ("control", "on", "accuracy", "balanced", "largest class", "images")
    table = _table("What knows nothing of tumors scores", *columns, words=2)
    for c in report.controls:
        figures = (f"{value:.1%}" for value in (c.accuracy, c.balanced_accuracy, c.chance))
        _row(table, c.name, c.on, *figures, c.images)
    return table


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / max(whole, 1):.1%})"
