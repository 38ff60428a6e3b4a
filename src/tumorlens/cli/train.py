"""``tumorlens train``: carry out a recipe on a folder of data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tumorlens.cli.extras import training_extra

EPILOG = """
**Examples**

`tumorlens train mobilenetv2-binary --data sets/ --init mobilenet_v2_…_no_top.h5 --out runs/first`

`tumorlens train cnn-4class --data sets/ --set "data.sources=['mine']" --out runs/mine
--set fit.epochs=2`: the classes are the folders of sets/mine

`tumorlens train cnn-4class --data sets/ --manifest manifest.csv --out runs/mine`

`tumorlens train cnn-4class --data sets/ --out runs/mine --preview changes.png`

`torchrun --nproc-per-node 4 -m tumorlens train cnn-4class --data sets/ --out runs/fast`

The same command again goes on where a killed run stopped. `tumorlens export runs/first
--out first.onnx` makes the model file; `tensorboard --logdir runs` shows the curves.
"""


@training_extra("Training")
def train(
    recipe: Annotated[
        str, typer.Argument(help="Name of a recipe that comes with TumorLens, or a TOML file.")
    ],
    data: Annotated[
        Path, typer.Option(help="The folder that holds the recipe's sets, a folder each.")
    ],
    out: Annotated[Path, typer.Option(help="Where the run is kept; used again, it is resumed.")],
    init: Annotated[
        Path | None, typer.Option(help="Keras weight file (.h5) of the backbone, without the top.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A recipe's value, as key=value; may be given several times."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="A manifest of tumorlens data split, instead of the recipe's sets."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    preview: Annotated[
        Path | None,
        typer.Option(help="Only draw how training images are changed, into this picture."),
    ] = None,
) -> None:
    """Train a model from a recipe: resumable, with curves, never opening the test fold."""
    from tumorlens.cli.display import Display
    from tumorlens.data.manifest import load
    from tumorlens.train import run as run_module
    from tumorlens.train.recipe import load_recipe
    from tumorlens.train.workers import speaks

    display = Display() if speaks() else run_module.Silent()
    chosen = load_recipe(recipe, settings or ())
    entries = load(manifest) if manifest else None
    if preview is not None:
        run_module.draw_changes(chosen, data, out, preview, watcher=display, entries=entries)
        display.say(f"drawn: {preview}; the same command without --preview trains")
        return
    run = run_module.train(
        chosen,
        data,
        out,
        init=init,
        device=run_module.choose_device(device),
        watcher=display,
        entries=entries,
    )
    display.say(f"done: {run.folder}; next: tumorlens export {run.folder} --out model.onnx")
