"""``tumorlens compare``: evaluations of several models side by side."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.extras import training_extra
from tumorlens.cli.guard import tell
from tumorlens.errors import DatasetError

if TYPE_CHECKING:
    from tumorlens.evaluate.compare import Compared

EPILOG = """
**Examples**

`tumorlens compare evaluations/first evaluations/second`

`tumorlens compare evaluations/ --keep short/` also writes a short copy of each evaluation, small
enough to be kept beside code, without curves.

`tumorlens compare short/ --format markdown > table.md`

`tumorlens compare short/ --recipe cnn-4class` prints every figure of one recipe, as Markdown.

A line is a recipe (and what was set otherwise than it says): what its authors report, accuracy on
their split with its copies, on what of that was not learnt from, and on a split in which no copy
and no patient stands on two sides, with the best control of each.
"""


class Format(StrEnum):
    """How the comparison is written."""

    TABLE = "table"
    MARKDOWN = "markdown"


@training_extra("Comparing evaluations")
def compare(
    places: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Evaluations, or folders that hold some."),
    ],
    form: Annotated[Format, typer.Option("--format", "-f", help="table or markdown.")] = (
        Format.TABLE
    ),
    recipe: Annotated[
        str | None, typer.Option(help="Every figure of this recipe, instead of one of each.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="A folder for short copies of the evaluations.")
    ] = None,
) -> None:
    """Set evaluations of several models side by side, controls and leaks included."""
    from tumorlens.evaluate import compare as comparing

    paths = comparing.find(places)
    compared = comparing.compare(paths)
    if keep is not None:
        _keep(paths, keep)
    if recipe is not None:
        compared = [one for one in compared if one.made.recipe == recipe]
        if not compared:
            msg = f"--recipe {recipe}: none of the {len(paths)} evaluations is of it"
            raise DatasetError(msg)
        _show_recipe(compared)
    else:
        _show(compared, form)


def _keep(paths: list[Path], folder: Path) -> None:
    """Write a short copy of each evaluation, named after its folder."""
    from tumorlens.evaluate.evaluation import EVALUATION_FILE, load_evaluation, short, to_json

    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        name = path.parent.name if path.name == EVALUATION_FILE else path.stem
        target = folder / f"{name}.json"
        target.write_text(to_json(short(load_evaluation(path))), encoding="utf-8")
        tell(f"{target}: written")


def _show(compared: list[Compared], form: Format) -> None:
    from rich.table import Table

    from tumorlens.cli.console import OutputConsole
    from tumorlens.evaluate.compare import HEAD, summary_rows, summary_table

    if form is Format.MARKDOWN:
        typer.echo(summary_table(compared), nl=False)
        return
    shown = Table(*HEAD)
    for row in summary_rows(compared):
        shown.add_row(*row)
    OutputConsole().print(shown)


def _show_recipe(compared: list[Compared]) -> None:
    from tumorlens.evaluate.compare import recipe_table

    for one in compared:
        typer.echo(f"{one.name}\n\n{recipe_table(one)}")
