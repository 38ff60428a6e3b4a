"""``tumorlens monitor``: whether a site's scans are like those that a model's limits fit."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.extras import data_extra
from tumorlens.cli.guard import ExitCode
from tumorlens.cli.inputs import model_names
from tumorlens.model.registry import load_model

if TYPE_CHECKING:
    from tumorlens.drift import Monitoring

EPILOG = """
**Examples**

`tumorlens predict inbox/ --format json > findings.jsonl`, then
`tumorlens monitor findings.jsonl`

`tumorlens monitor january.jsonl february.jsonl --model tumorlens-v1 --format json`

`curl -s localhost:8000/api/v1/findings?limit=200 > stored.json` gives stored findings, which are
read as well.

Compared are novelty, how little pictures look like a brain MRI, and tumor probabilities, with the
reference that `tumorlens calibrate` put into the model file.

Exit codes: 0 the scans are like those; 1 they are not; 2 wrong use, or too few findings.
"""


class Format(StrEnum):
    """What is written to standard output."""

    TABLE = "table"
    JSON = "json"


@data_extra("Monitoring")
def monitor(
    *,
    files: Annotated[
        list[Path], typer.Argument(metavar="FINDINGS...", help="JSON lines of findings.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="The model that gave them.",
            show_default="the default model",
            autocompletion=model_names,
        ),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="What is written to standard output.")
    ] = Format.TABLE,
) -> None:
    """Compare recent findings with what the model's limits were fitted on."""
    from tumorlens import drift

    loaded = load_model(model, threads=1)
    records = (record for file in files for record in drift.read_findings(file))
    found = drift.monitor(records, loaded)
    if form is Format.JSON:
        sys.stdout.write(found.model_dump_json() + "\n")
    else:
        _print(found)
    if found.drift is drift.Drift.DRIFTED:
        raise typer.Exit(ExitCode.SOME_UNANSWERED)


def _print(found: Monitoring) -> None:
    from rich.table import Table

    from tumorlens.cli.console import OutputConsole

    console = OutputConsole()
    left = f", {found.others} of other models left out" if found.others else ""
    console.print(f"{found.findings} findings of {found.model}{left}", markup=False)
    statuses = ", ".join(f"{name} {count}" for name, count in sorted(found.statuses.items()))
    console.print(statuses, markup=False)
    table = Table("figure", "findings", "median", "reference", "PSI", "KS", "p", "")
    for one in found.figures:
        medians = (f"{one.median:.3f}", f"{one.reference_median:.3f}")
        tests = (f"{one.psi:.3f}", f"{one.ks:.3f}", f"{one.p:.2g}")
        table.add_row(one.name, str(one.count), *medians, *tests, one.drift.value)
    console.print(table)
    console.print(found.sentence(), markup=False)
