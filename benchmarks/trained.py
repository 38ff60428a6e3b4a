"""What the experiments share: train by a recipe, or go on, and ask the model that comes of it."""

from __future__ import annotations

import csv
import json
import pickle
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.cli.display import Display
from tumorlens.data import manifest
from tumorlens.evaluate import holdout
from tumorlens.evaluate.masks import MaskCase, mask_cases
from tumorlens.evaluate.sides import sides, unseen_entries, without_copies
from tumorlens.model.registry import load_model
from tumorlens.train.export.convert import export
from tumorlens.train.run import choose_device, train

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.evaluate.sides import Sides
    from tumorlens.model.run import Model
    from tumorlens.train.recipe import Recipe

SPACINGS = {"cheng": 0.77}
"""mm a pixel, of sets whose files do not say it."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and what it learnt from.

    Attributes:
        model: As exported.
        sides: Its training side and its test fold.
        folder: Of its run; answers are kept there.
    """

    model: Model
    sides: Sides
    folder: Path

    def answers(self, entries: Sequence[Entry], name: str) -> NDArray[np.float64]:
        """Its probabilities (N, C), from the run's folder where they were asked for before."""
        path = self.folder / f"answers-{name}.csv"
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                kept = {row[0]: [float(value) for value in row[1:]] for row in csv.reader(file)}
            return np.array([kept[entry.name] for entry in entries]).reshape(len(entries), -1)
        found = holdout.predict(self.model, self.sides.root, entries)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            for entry, row in zip(entries, found, strict=True):
                writer.writerow([entry.name, *(f"{value:.7g}" for value in row)])
        return found

    def others(self, names: Sequence[str]) -> list[Entry]:
        """The pictures of sets that it did not learn from, without copies of what it did."""
        path = self.folder / f"others-{'-'.join(names)}.csv"
        if not path.is_file():
            entries = unseen_entries(self.model.metadata, self.sides.root, names)
            kept, _ = without_copies(entries, self.sides.training, self.sides.root)
            manifest.write(kept, path)
        return manifest.load(path)

    def masks(self, entries: Sequence[Entry], name: str) -> list[MaskCase]:
        """What it marks beside what was drawn, image by image."""
        path = self.folder / f"masks-{name}.pickle"
        if not path.is_file():
            cases = mask_cases(self.model, self.sides.root, entries, SPACINGS)
            path.write_bytes(pickle.dumps(cases))
        found: list[MaskCase] = pickle.loads(path.read_bytes())  # noqa: S301 - written above
        return found


def trained(
    recipe: Recipe, data: Path, folder: Path, init: Path, entries: Sequence[Entry]
) -> Trained:
    """Train, or go on where that was interrupted, and export."""
    run = train(
        recipe,
        data,
        folder,
        init=init,
        device=choose_device("auto"),
        watcher=Display(),
        entries=entries,
    )
    target = folder / "model.onnx"
    if not target.is_file():
        export(folder, target)
    model = load_model(str(target), threads=1)
    return Trained(model, sides(model.metadata, data, run.manifest), folder)


def keep(path: Path, content: dict[str, Any]) -> None:
    """Write a small JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def write_block(page: Path, name: str, lines: Sequence[str]) -> None:
    """Put lines between the marks ``<!-- name -->`` and ``<!-- end of name -->`` of a page."""
    text = page.read_text(encoding="utf-8")
    block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    inside = "\n".join(lines)
    page.write_text(block.sub(rf"\g<1>{inside}\n\g<2>", text), encoding="utf-8")
    print(inside)
