"""``tumorlens models``: what is installed, with hashes and figures."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.guard import tell
from tumorlens.model.registry import inspect_model, installed_models
from tumorlens.report.words import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from tumorlens.model.format import Metric
    from tumorlens.model.registry import Inspection

EPILOG = """
**Examples**

`tumorlens models`

`tumorlens models --format json`

Models of your own: name their folders in the environment variable `TUMORLENS_MODELS`, separated
as in `PATH`. Any model file can also be named by its path.
"""

# So much of a SHA-256 tells files apart in a table; JSON has all of it.
SHOWN_DIGITS = 12
MEGABYTE = 1e6


class Format(StrEnum):
    """The formats of the list."""

    TABLE = "table"
    JSON = "json"


def models(
    *,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="What is written to standard output.")
    ] = Format.TABLE,
) -> None:
    """List the installed models: name, version, classes, size, hash and figures."""
    inspections = [inspect_model(model) for model in installed_models()]
    if form is Format.JSON:
        for inspection in inspections:
            sys.stdout.write(json.dumps(_record(inspection), ensure_ascii=False) + "\n")
    elif inspections:
        _print(inspections)
    for inspection in inspections:
        if inspection.problem is not None:
            tell(f"{inspection.model.name} cannot be used: {one_line(inspection.problem)}")
    if not inspections:
        tell("no model is installed; a model file is named by its path")


def _record(inspection: Inspection) -> dict[str, object]:
    model, metadata = inspection.model, inspection.metadata
    record: dict[str, object] = {
        "record": "model",
        "name": model.name,
        "default": model.is_default,
        "path": str(model.path),
        "size_bytes": inspection.size,
        "sha256": inspection.sha256,
        "published_sha256": model.published_sha256,
        "problem": inspection.problem,
    }
    if metadata is not None:
        record |= {
            "version": metadata.version,
            "task": metadata.task,
            "classes": list(metadata.classes),
            "positive": list(metadata.positive),
            "licence": metadata.licence,
            "metrics": [metric.model_dump(mode="json") for metric in metadata.metrics],
            "operating_point": (
                None
                if metadata.decision.operating is None
                else metadata.decision.operating.model_dump(mode="json")
            ),
        }
    return record


def _print(inspections: Sequence[Inspection]) -> None:
    from tumorlens.cli.console import OutputConsole

    console = OutputConsole()
    console.print(_table(inspections))
    for inspection in inspections:
        if inspection.metadata is not None and inspection.metadata.metrics:
            console.print(f"\nMeasured on {inspection.model.name}:", markup=False)
            console.print(_figures(inspection.metadata.metrics))
        if inspection.metadata is not None and (point := inspection.metadata.decision.operating):
            kept = "" if point.specificity is None else f", specificity {point.specificity:.3f}"
            console.print(
                f'"no tumor" at or below a tumor probability of {point.threshold:.4f}: on '
                f"{point.on} sensitivity {point.sensitivity:.3f}{kept}",
                markup=False,
            )


def _table(inspections: Sequence[Inspection]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("name", "version", "classes", "size", "sha256"):
        table.add_column(name, overflow="fold", justify="right" if name == "size" else "left")
    for one in inspections:
        metadata = one.metadata
        cells = [
            f"{one.model.name} (default)" if one.model.is_default else one.model.name,
            "-" if metadata is None else metadata.version,
            "cannot be used" if metadata is None else ", ".join(metadata.classes),
            f"{one.size / MEGABYTE:.1f} MB",
            (one.sha256 or "-")[:SHOWN_DIGITS],
        ]
        table.add_row(*map(Text, cells))
    return table


def _figures(metrics: Sequence[Metric]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("figure", "value", "95 % interval", "on", "images"):
        table.add_column(name, justify="right" if name in ("value", "images") else "left")
    for metric in metrics:
        known = metric.low is not None and metric.high is not None
        interval = f"{metric.low:.3f} to {metric.high:.3f}" if known else "-"
        cells = (metric.name, f"{metric.value:.3f}", interval, metric.on, str(metric.count))
        table.add_row(*map(Text, cells))
    return table
