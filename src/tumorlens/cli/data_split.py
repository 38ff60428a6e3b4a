"""``tumorlens data split``: folds in which nothing stands on two sides."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.extras import data_extra
from tumorlens.cli.guard import tell
from tumorlens.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.data.manifest import Entry

EPILOG = """
**Examples**

`tumorlens data split sets/mine --out manifest.csv`

`tumorlens data split sets/mine --by patient --folds 10 --out manifest.csv`

`tumorlens data split sets/cheng sets/br35h --seed 1 --out manifest.csv` keeps the folds that an
author made by patient, and deals the other set by groups of near-copies.

`--by official` keeps the Training and Testing folders of a set as fold 1 and the rest, without the
test images whose copies are learnt from.

`--by authors` repeats what authors of published systems did, copies on two sides included, so that
their figures can be measured as they meant them. Each line of the manifest then says so, and so
does every evaluation by it.

The manifest is read by `tumorlens train … --manifest` and `tumorlens evaluate … --manifest`.
"""

# Any other file that is named by mistake, such as a scan, is not to be replaced.
MANIFEST_SUFFIX = ".csv"


@data_extra("Splitting data")
def split(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Sets of labelled images.")
    ],
    out: Annotated[Path, typer.Option(help="The manifest to write (.csv).")],
    by: Annotated[
        str,
        typer.Option(help="auto, patient, group, official or authors: what decides on the side."),
    ] = "auto",
    folds: Annotated[int, typer.Option(min=2, max=1000, help="How many folds.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Decides the deal.")] = 0,
) -> None:
    """Split labelled images so that no patient and no copy stands on two sides."""
    from tumorlens.cli.display import Display
    from tumorlens.data import manifest
    from tumorlens.data import split as splitting

    try:
        way = splitting.SplitBy(by)
    except ValueError:
        ways = ", ".join(splitting.SplitBy)
        msg = f"--by {by}: is none of {ways}"
        raise typer.BadParameter(msg) from None
    if out.suffix.lower() != MANIFEST_SUFFIX:
        msg = f"--out {out}: name a file that ends in {MANIFEST_SUFFIX}"
        raise typer.BadParameter(msg)
    if len({folder.resolve().parent for folder in folders}) > 1:
        msg = "the sets must lie in one folder, since a manifest names files relative to it"
        raise DatasetError(msg)
    with Display().counting("comparing images") as count:
        found = splitting.split(
            [folder.resolve() for folder in folders], by=way, folds=folds, seed=seed, progress=count
        )
    digest = manifest.write(found.entries, out)
    # Read back, so that what is said of the file was checked on the file.
    entries = manifest.load(out)
    for note in found.notes:
        tell(note)
    _show(entries)
    groups = len({entry.group for entry in entries})
    tell(f"{out}: {len(entries)} images in {groups} groups, {_crossing(entries)}; SHA-256 {digest}")


def _crossing(entries: Sequence[Entry]) -> str:
    """How many groups stand in two folds, in words."""
    folds = {(entry.group, entry.fold) for entry in entries}
    crossing = sum(number > 1 for number in Counter(name for name, _ in folds).values())
    if not crossing:
        return "none in two folds"
    return f"{crossing} of them in two folds, as their authors split"


def _show(entries: Sequence[Entry]) -> None:
    """A table of images by label and fold."""
    from rich.table import Table

    from tumorlens.cli.console import OutputConsole

    counts = Counter((entry.label, entry.fold) for entry in entries)
    folds = sorted({entry.fold for entry in entries})
    table = Table("label", *(f"fold {fold}" for fold in folds), "all")
    for label in sorted({entry.label for entry in entries}):
        numbers = [counts[label, fold] for fold in folds]
        table.add_row(label, *map(str, numbers), str(sum(numbers)))
    OutputConsole().print(table)
