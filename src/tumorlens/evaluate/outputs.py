"""What an evaluation leaves in its folder: JSON, Markdown, tables and pictures."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from tumorlens.errors import TumorLensError
from tumorlens.evaluate.charts import draw_charts
from tumorlens.evaluate.evaluation import EVALUATION_FILE, to_json
from tumorlens.evaluate.tables import to_markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.evaluate.evaluation import Confusion, Evaluation
    from tumorlens.model.format import ModelMetadata

    Row = Sequence[object]

FILES = (
    EVALUATION_FILE,
    "evaluation.md",
    "metrics.csv",
    "predictions.csv",
    "confusion.csv",
    "curves.csv",
)


def save(
    result: Evaluation,
    metadata: ModelMetadata,
    entries: Sequence[Entry],
    probabilities: NDArray[np.float64],
    folder: Path,
) -> None:
    """Write `FILES` and a PNG a kind of chart.

    Args:
        result: What was measured; everything but the predictions is in it.
        metadata: Of the model.
        entries: The images that were answered.
        probabilities: The answers to them, (N, C).
        folder: Made where it does not exist.

    Raises:
        TumorLensError: The folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / EVALUATION_FILE).write_text(to_json(result), encoding="utf-8")
        (folder / "evaluation.md").write_text(to_markdown(result), encoding="utf-8")
        _write(folder / "metrics.csv", _metric_rows(result))
        _write(folder / "predictions.csv", _prediction_rows(metadata, entries, probabilities))
        _write(folder / "confusion.csv", _confusion_rows(result))
        _write(folder / "curves.csv", _curve_rows(result))
        draw_charts(result, folder)
    except OSError as error:
        msg = f"{folder}: cannot be written to ({error.strerror or error}); name another folder"
        raise TumorLensError(msg) from error


def _write(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _metric_rows(result: Evaluation) -> Iterator[Row]:
    """A line a figure, of the model and of the controls."""
    yield "who", "figure", "on", "images", "value", "low", "high"
    for part in result.parts:
        for m in part.figures:
            yield "model", m.name, m.on, m.count, m.value, m.low, m.high
    whole = {(m.name, m.on) for part in result.parts for m in part.figures}
    for m in result.metrics:
        if (m.name, m.on) not in whole:
            yield "model", m.name, m.on, m.count, m.value, m.low, m.high
    for one in result.controls:
        m = one.metric
        yield one.control, m.name, m.on, m.count, m.value, m.low, m.high


def _prediction_rows(
    metadata: ModelMetadata, entries: Sequence[Entry], probabilities: NDArray[np.float64]
) -> Iterator[Row]:
    """A line an image, with the probability of each class."""
    yield "name", "label", "group", "chosen", *metadata.classes
    for entry, row in zip(entries, probabilities, strict=True):
        chosen = metadata.classes[int(row.argmax())]
        values = [f"{value:.6f}" for value in row]
        yield entry.name, entry.label, entry.group, chosen, *values


def _confusion_rows(result: Evaluation) -> Iterator[Row]:
    """A line a pair of a true and a chosen class."""
    yield "on", "true", "chosen", "images", "share of the true class"
    for part in result.parts:
        for confusion in (part.confusion, part.tumor_confusion):
            if confusion is not None:
                yield from _cells(confusion)


def _cells(confusion: Confusion) -> Iterator[Row]:
    rates = confusion.rates or confusion.counts
    for name, counts, shares in zip(confusion.classes, confusion.counts, rates, strict=True):
        for chosen, count, share in zip(confusion.classes, counts, shares, strict=True):
            yield confusion.on, name, chosen, count, share


def _curve_rows(result: Evaluation) -> Iterator[Row]:
    """A line a point of every curve; of reliability, a line a bin."""
    yield "on", "curve", "of", "x", "y", "images"
    for part in result.parts:
        curves = part.curves
        for one in curves.classes if curves else ():
            for name, curve in (("roc", one.roc), ("precision-recall", one.precision_recall)):
                for x, y in zip(curve.x, curve.y, strict=True):
                    yield part.on, name, one.name, x, y, ""
        for reliability in curves.reliability if curves else ():
            for each in reliability.bins:
                values = (each.confidence, each.frequency, each.images)
                yield part.on, "reliability", reliability.name, *values
