"""``tumorlens calibrate``: a model file gets what lets its answers be doubted."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.extras import training_extra

if TYPE_CHECKING:
    from rich.console import Console

    from tumorlens.train.decision.fit import Calibrated

EPILOG = """
**Examples**

`tumorlens calibrate runs/first.onnx --data sets/ --out first-calibrated.onnx`

`tumorlens calibrate tumorlens-v1 --data sets/ --manifest manifest.csv --out tumorlens-v1.onnx`

`tumorlens calibrate fold1.onnx --data sets/ --beside fold3.onnx --beside fold4.onnx --out new.onnx`

What is fitted, on the validation fold of the model's own manifest, and on the folds that models
beside it held out: how soft its probabilities are; the tumor threshold that keeps 97 % of tumors;
prediction sets at every coverage; how sure an answer must be; what a brain MRI looks like; how much
of a map may lie at the border; how a series becomes one answer; examples to compare with; and the
reference that `tumorlens monitor` compares with. Test images are never opened.
"""


@training_extra("Calibrating")
def calibrate(
    model: Annotated[str, typer.Argument(help="An installed model, or a model file.")],
    data: Annotated[Path, typer.Option(help="The folder of the sets that it was trained on.")],
    out: Annotated[Path, typer.Option(help="The model file to write (.onnx).")],
    manifest: Annotated[
        Path | None, typer.Option(help="manifest.csv of the training run, instead of a new one.")
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            help="A model of the same recipe that held another fold out: its answers there are "
            "fitted on too. May be named several times."
        ),
    ] = None,
    right: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.999,
            help="The share of given answers that should be right; the others are uncertain. "
            "0 withholds none for it.",
        ),
    ] = 0.97,
) -> None:
    """Fit when a model doubts or refuses, on images that it did not learn from."""
    from tumorlens.cli.console import OutputConsole
    from tumorlens.cli.display import Display
    from tumorlens.model.registry import load_model
    from tumorlens.train.decision.fit import calibrate_file

    if out.suffix != ".onnx" or out.is_dir():
        msg = f"{out} must be a file that ends in .onnx"
        raise typer.BadParameter(msg, param_hint="'--out'")
    display = Display()
    with ExitStack() as shown:
        found = calibrate_file(
            load_model(model, threads=1),
            data,
            out,
            manifest=manifest,
            beside=[load_model(one, threads=1) for one in beside or ()],
            right=right,
            progress=lambda what: shown.enter_context(display.counting(what)),
        )
    _show(OutputConsole(), found)
    for note in found.notes:
        display.say(note)
    display.say(f"{out}: {found.metadata.name} {found.metadata.version}, calibrated")


def _show(console: Console, found: Calibrated) -> None:
    from rich.table import Table

    from tumorlens.model.format import MaskRules

    decision = found.metadata.decision
    console.print(f"fitted on {decision.fitted_on}, {found.held_out} images", markup=False)
    if decision.calibration:
        table = Table(
            "source", "images", "own temperature", "ECE before", "after", "Brier", "after"
        )
        for one in decision.calibration:
            figures = (one.temperature, one.ece_before, one.ece_after)
            briers = (one.brier_before, one.brier_after)
            cells = [f"{value:.3f}" for value in (*figures, *briers)]
            table.add_row(one.source, str(one.images), *cells)
        console.print(table)
    if (point := decision.operating) is not None:
        kept = "" if point.specificity is None else f", specificity {point.specificity:.3f}"
        console.print(
            f"no tumor at or below {point.threshold:.4f}: sensitivity {point.sensitivity:.3f}"
            f"{kept} ({point.tumors} tumor, {point.free} tumor-free images)"
        )
    if (gate := decision.picture) is not None:
        console.print(
            f"picture: uncertain above {gate.uncertain:.1f}, rejected {gate.rejected:.1f}"
        )
    if (rule := decision.selection) is not None:
        console.print(
            f"answers from a tumor probability of {rule.tumor:.3f}, a share of the kind of "
            f"{rule.kind:.3f}, or a probability of no tumor of {rule.no_tumor:.3f} up: "
            f"{rule.accuracy:.3f} right of the {rule.answered:.0%} that are given "
            f"(target {rule.target:.2f})"
        )
    if decision.frame_energy is not None:
        console.print(f"map at the border: uncertain above {decision.frame_energy:.0%}")
    if (series := decision.study) is not None:
        console.print(
            f"series: mean of the {series.highest} highest slices, AUROC {series.auroc:.3f} over "
            f"{series.studies} {series.on}"
        )
    if (rules := found.metadata.mask) != MaskRules():
        console.print(
            f"outlines from a probability of {rules.level:.2f} up: what reaches "
            f"{rules.peak_share or rules.level:.2f}{' of the highest' if rules.peak_share else ''}"
        )
    if (known := decision.neighbours) is not None:
        console.print(
            f"nearest examples: {len(known.label_of)}, distance usually {known.usual:.2f}"
        )
