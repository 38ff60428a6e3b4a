"""Findings and errors as a table for a reader at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from tumorlens.decide.finding import Status
from tumorlens.decide.words import class_words, percent
from tumorlens.errors import ScanError
from tumorlens.report.words import NOT_ANSWERED, STATUS_WORDS, one_line, slice_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tumorlens.decide.finding import Finding

# The words carry the answer; colours only help the eye, and none of them says "all is well".
STATUS_STYLES = {
    Status.TUMOR: "bold bright_red",
    Status.NO_TUMOR: "cyan",
    Status.UNCERTAIN: "bold yellow",
    Status.REJECTED: "dim",
}
ERROR_STYLE = "red"
NOTHING = "-"

Row = tuple[Text, ...]


def table_of(rows: Iterable[Row]) -> Table:
    """The table of rows that `table_row` made."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("input", overflow="fold")
    table.add_column("answer", no_wrap=True)
    table.add_column("tumor", no_wrap=True, justify="right")
    table.add_column("kind", overflow="fold")
    table.add_column("why", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def table_row(outcome: Finding | ScanError) -> Row:
    """One outcome: input, answer, tumor probability, kind of tumor, and why it is not clearer."""
    if isinstance(outcome, ScanError):
        answer = Text(NOT_ANSWERED, style=ERROR_STYLE)
        cells = (NOTHING, NOTHING, one_line(outcome.reason))
        return (Text(one_line(outcome.source)), answer, *map(Text, cells))
    cells = (
        _probability(outcome),
        NOTHING if outcome.label is None else class_words(outcome.label, outcome.model.display),
        "; ".join(reason.text for reason in outcome.reasons) or NOTHING,
    )
    answer = Text(STATUS_WORDS[outcome.status], style=STATUS_STYLES[outcome.status])
    return (Text(one_line(slice_name(outcome.scan))), answer, *map(Text, cells))


def _probability(finding: Finding) -> str:
    """The tumor probability, where a reader can make something of it."""
    if finding.tumor_probability is None or finding.status is Status.REJECTED:
        return NOTHING
    return percent(finding.tumor_probability)
