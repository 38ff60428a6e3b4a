"""The folders that a run needs: its own, and those of its sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.errors import DatasetError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def make_folder(folder: Path) -> None:
    """The folder of a run or of a tuning, made where there is none yet.

    Raises:
        RecipeError: There is a file of that name.
    """
    if folder.is_file():
        msg = f"--out {folder}: is a file; name a folder"
        raise RecipeError(msg)
    folder.mkdir(parents=True, exist_ok=True)


def set_folders(root: Path, sets: Sequence[str]) -> list[Path]:
    """Where the sets of a recipe lie.

    Raises:
        DatasetError: One of them is not there.
    """
    missing = [name for name in sets if not (root / name).exists()]
    if missing:
        msg = (
            f"--data {root}: no such folder in it: {', '.join(missing)}. It must hold the recipe's "
            f"sets, a folder each ({', '.join(sets)}); others are named by "
            "--set \"data.sources=['…']\""
        )
        raise DatasetError(msg)
    return [root / name for name in sets]
