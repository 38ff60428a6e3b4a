"""An evaluation as Markdown tables, for the docs and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tumorlens.evaluate.holdout import Evaluation


def to_markdown(result: Evaluation) -> str:
    """The figures and the confusion matrix of an evaluation."""
    figures = [
        (m.name, m.on, str(m.count), f"{m.value:.3f}", interval(m.low, m.high))
        for m in result.metrics
    ]
    confusion = result.confusion
    counts = [
        (name, *map(str, row))
        for name, row in zip(confusion.classes, confusion.counts, strict=True)
    ]
    return (
        f"Model `{result.model}`, file SHA-256 `{result.model_sha256}`, fold {result.fold}, "
        f"{result.images} images.\n\n"
        + _table(("figure", "on", "images", "value", "95 % interval"), figures)
        + f"\nConfusion on {confusion.on}; rows are the true class, columns the chosen one.\n\n"
        + _table(("true \\ chosen", *confusion.classes), counts)
    )


def interval(low: float | None, high: float | None) -> str:
    """An interval in words; empty where there is none."""
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
