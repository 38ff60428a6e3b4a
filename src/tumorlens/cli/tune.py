"""``tumorlens tune``: try settings of a recipe, and write the best ones as a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.extras import training_extra
from tumorlens.train.tune.knobs import Knob

if TYPE_CHECKING:
    from tumorlens.train.tune.outcome import Tuned

EPILOG = """
**Examples**

`tumorlens tune mobilenetv2-binary --data sets/ --init mobilenet_v2_…_no_top.h5 --trials 30
--out tuning/`

`tumorlens tune cnn-binary --data sets/ --trials 20 --out tuning/ --only learning-rate
--only dropout --set fit.epochs=5`

`tumorlens tune mobilenetv2-4class --data sets/ --trials 200 --out tuning/
--storage postgresql://user:password@host/studies` on each of several machines.

The same command again goes on where it was stopped. `tumorlens train tuning/best.toml` trains
with the best settings.
"""


@training_extra("Tuning")
def tune(
    recipe: Annotated[
        str, typer.Argument(help="Name of a recipe that comes with TumorLens, or a TOML file.")
    ],
    data: Annotated[
        Path, typer.Option(help="The folder that holds the recipe's sets, a folder each.")
    ],
    trials: Annotated[
        int, typer.Option(min=1, help="How many trials the study is to have in the end.")
    ],
    out: Annotated[Path, typer.Option(help="Where all is kept; used again, tuning goes on.")],
    init: Annotated[
        Path | None, typer.Option(help="Keras weight file (.h5) of the backbone, without the top.")
    ] = None,
    only: Annotated[
        list[Knob] | None,
        typer.Option(help="Tune this alone; may be given several times. By default, all of them."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A recipe's value, as key=value; may be given several times."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="A manifest of tumorlens data split, instead of the recipe's sets."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="An Optuna storage URL that machines can share, instead of a file."),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Name of the study in the storage; the recipe's by default.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Begin no trial after so many seconds.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Find better settings for a recipe: resumable, shared by machines, by validation alone."""
    from tumorlens.cli.display import Display
    from tumorlens.data.manifest import load
    from tumorlens.train.recipe import load_recipe
    from tumorlens.train.run import choose_device
    from tumorlens.train.tune.trials import Plan
    from tumorlens.train.tune.trials import tune as carry_out

    tuned = carry_out(
        load_recipe(recipe, settings or ()),
        data,
        out,
        Plan(
            trials=trials,
            knobs=tuple(dict.fromkeys(only or ())),
            storage=storage,
            name=study,
            seconds=timeout,
        ),
        init=init,
        device=choose_device(device),
        watcher=Display(),
        entries=load(manifest) if manifest else None,
    )
    _print(tuned)


def _print(tuned: Tuned) -> None:
    """A table of the settings, and what the best ones give beside the recipe's own."""
    from rich.console import Console
    from rich.table import Table

    table = Table("setting", "recipe", "best", "importance")
    for knob, own in tuned.own.items():
        share = tuned.importances.get(knob)
        table.add_row(
            str(knob), _text(own), _text(tuned.best[knob]), "" if share is None else f"{share:.0%}"
        )
    console = Console(highlight=False, markup=False)
    console.print(table)
    if not tuned.importances:
        console.print("importance: too few finished trials to say", soft_wrap=True)
    own_figures = (
        "stopped early"
        if tuned.own_loss is None
        else f"loss {tuned.own_loss:.4f}, accuracy {tuned.own_accuracy:.3f}"
    )
    console.print(
        f"validation: loss {tuned.loss:.4f}, accuracy {tuned.accuracy:.3f} in trial "
        f"{tuned.number} of {tuned.ended}; the recipe's own settings: {own_figures}",
        soft_wrap=True,
    )
    console.print(
        f"best settings: {tuned.file}; next: tumorlens train {tuned.file} --data … --out …",
        soft_wrap=True,
    )


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
