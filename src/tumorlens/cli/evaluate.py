"""``tumorlens evaluate``: what a model file scores on images that it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.extras import training_extra

if TYPE_CHECKING:
    from rich.console import Console

    from tumorlens.evaluate.holdout import Evaluation

EPILOG = """
**Examples**

`tumorlens evaluate mobilenetv2-4class --data sets/ --out evaluation/`

`tumorlens evaluate mobilenetv2-4class --data sets/ --out evaluation/ --unseen tcia_btp` also
measures tumor against no tumor on a set that the model learnt nothing from.

The manifest is built again from the sets that the model's recipe names, or read from
`--manifest`. It must be the one that the model was trained with, or the command stops: otherwise
training images could stand among the test images.

Beside the model stand controls that know nothing of tumors: trained on the same images, they show
what copying, the outer frame of the picture, and the properties of the file reach by themselves.
"""


@training_extra("Evaluating")
def evaluate(
    model: Annotated[str, typer.Argument(help="Name of an installed model, or a model file.")],
    data: Annotated[Path, typer.Option(help="The folder that holds the model's sets.")],
    out: Annotated[Path, typer.Option(help="Where evaluation.json and predictions.csv go.")],
    manifest: Annotated[
        Path | None, typer.Option(help="manifest.csv of the training run, instead of a new one.")
    ] = None,
    unseen: Annotated[
        list[str] | None,
        typer.Option(help="A set in --data that the model has not seen; may be given again."),
    ] = None,
) -> None:
    """Measure a model on the test fold of its own manifest, with 95 % intervals."""
    from tumorlens.cli.console import OutputConsole
    from tumorlens.cli.display import Display
    from tumorlens.evaluate import holdout
    from tumorlens.model.registry import load_model

    display = Display()
    loaded = load_model(model, threads=1)
    with display.counting("comparing images") as count:
        sides = holdout.sides(loaded.metadata, data, manifest, count)
    entries = sides.held_out
    with display.counting("answering") as count:
        probabilities = holdout.predict(loaded, data, entries, count)
    result = holdout.evaluate(loaded, entries, probabilities)
    others = []
    if unseen:
        with display.counting("comparing images") as count:
            others = holdout.unseen_entries(loaded.metadata, data, unseen, count)
        with display.counting("answering") as count:
            answers = holdout.predict(loaded, data, others, count)
        figures = holdout.evaluate_unseen(loaded, others, answers)
        result = result.model_copy(update={"metrics": (*result.metrics, *figures)})
    with display.counting("measuring controls") as count:
        result = holdout.beside_controls(
            result, loaded.metadata, data, sides, unseen=others, progress=count
        )
    holdout.save(result, loaded.metadata, entries, probabilities, out)
    _show(OutputConsole(), result)


def _show(console: Console, result: Evaluation) -> None:
    from rich.table import Table

    from tumorlens.evaluate.tables import control_table, interval

    figures = Table("figure", "on", "images", "value", "95 % interval", title=result.model)
    for m in result.metrics:
        limits = interval(m.low, m.high)
        figures.add_row(m.name, m.on, str(m.count), f"{m.value:.3f}", limits)
    console.print(figures)
    confusion = result.confusion
    table = Table("true \\ chosen", *confusion.classes, title=f"confusion on {confusion.on}")
    for name, row in zip(confusion.classes, confusion.counts, strict=True):
        table.add_row(name, *map(str, row))
    console.print(table)
    if result.controls:
        head, rows = control_table(result)
        beside = Table(*head, title="beside controls that know nothing of tumors")
        for cells in rows:
            beside.add_row(*cells)
        console.print(beside)
    for sentence in result.warnings:
        console.print(sentence, style="yellow", markup=False, highlight=False)
