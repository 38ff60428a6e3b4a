"""``tumorlens export``: a finished training run becomes a model file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tumorlens.cli.extras import training_extra

EPILOG = """
**Examples**

`tumorlens export runs/first --out first.onnx`

`tumorlens predict scan.jpg --model first.onnx`

With `--metrics`, the figures of `tumorlens evaluate` are written into the file; with
`--register`, its hash is published in the `registry.json` of its folder.
"""


class Target(StrEnum):
    """The formats that a run can be exported to."""

    ONNX = "onnx"


@training_extra("Exporting")
def export(
    run: Annotated[Path, typer.Argument(help="The --out folder of tumorlens train.")],
    out: Annotated[Path, typer.Option(help="The model file to write (.onnx).")],
    to: Annotated[Target, typer.Option(help="The format.")] = Target.ONNX,
    metrics: Annotated[
        Path | None, typer.Option(help="evaluation.json of tumorlens evaluate, to be kept inside.")
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Publish the file's hash in its folder's registry.")
    ] = False,
) -> None:
    """Write the model file of a finished run, checked against the network it came from."""
    from tumorlens.evaluate.holdout import load_evaluation
    from tumorlens.train import export as exporter

    figures = load_evaluation(metrics).metrics if metrics else ()
    metadata = exporter.export(run, out, figures)
    size = out.stat().st_size / 1e6
    typer.echo(f"{out}: {metadata.name} {metadata.version}, {to} {size:.1f} MB", err=True)
    if register:
        typer.echo(f"registered in {exporter.register(out, metadata.name)}", err=True)
