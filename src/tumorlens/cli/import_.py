"""``tumorlens import``: a Keras classifier becomes a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tumorlens.cli.extras import training_extra
from tumorlens.cli.guard import ExitCode, tell
from tumorlens.errors import ModelError, RecipeError

EPILOG = """
**Examples**

`tumorlens import brain_tumor.h5 --out brain_tumor.onnx`

`tumorlens import model.keras --classes glioma,meningioma,no_tumor,pituitary --input-range 255`

`tumorlens predict scan.jpg --model brain_tumor.onnx`

Keras need not be installed: its files are read as data, whichever version wrote them. Where a
layer is not known here, it is computed by Keras, if `pip install "tumorlens[keras]"` is there.
"""

SUFFIX = ".onnx"


@training_extra("Importing")
def import_(
    model: Annotated[Path, typer.Argument(help="A Keras file: .h5, .keras or .weights.h5.")],
    out: Annotated[
        Path | None, typer.Option(help="The model file to write (.onnx); beside the Keras file.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Class names in the order of the outputs, as a,b,c. Two are no,yes."),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(help="Those that are tumors, as a,b; all but no, no_tumor and the like."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name; the file's.")] = None,
    input_range: Annotated[
        str | None,
        typer.Option(
            help="What it was fed: unit (0 to 1), 255 (0 to 255), or own (the architecture's "
            "preprocess_input). As its layers tell, or unit."
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Rows and columns, where the file leaves them open; 224.")
    ] = None,
    allow_code: Annotated[
        bool,
        typer.Option("--allow-code", help="Run Python code in the file (Lambda layers)."),
    ] = False,
) -> None:
    """Make a model file of a Keras classifier, whichever version of Keras wrote it."""
    from tumorlens.train.keras.importing import Wishes, read_model
    from tumorlens.train.keras.model_file import write_model
    from tumorlens.train.keras.recognise import Range
    from tumorlens.train.recipe import IMPORTED_FROM

    target = out or model.parent / f"{model.name.split('.')[0]}{SUFFIX}"
    if out is not None and target.suffix != SUFFIX:
        msg = f"--out {target}: a model file ends in {SUFFIX}"
        raise RecipeError(msg)
    if input_range is not None and input_range not in tuple(Range):
        msg = f"--input-range {input_range}: is none of {', '.join(Range)}"
        raise RecipeError(msg)
    wishes = Wishes(
        classes=_names(classes),
        positive=_names(positive),
        name=name,
        values=Range(input_range) if input_range else None,
        size=size,
        allow_code=allow_code,
    )
    try:
        found = read_model(model, wishes)
        write_model(found, target)
    except ModelError as error:  # the file is what the user named, so it is wrong use
        tell(f"error: {error}")
        raise typer.Exit(ExitCode.WRONG_USE) from None
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    origin = found.metadata.recipe[IMPORTED_FROM]
    network = origin["network"] if isinstance(origin, dict) else "model"
    megabytes = target.stat().st_size / 1e6
    typer.echo(f"{target}: {found.metadata.name}, {network}, {megabytes:.1f} MB", err=True)


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())
