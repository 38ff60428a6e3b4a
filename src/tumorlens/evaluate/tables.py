"""An evaluation as Markdown tables, for the docs and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tumorlens.evaluate.evaluation import Evaluation, Part
    from tumorlens.model.format import Metric

EACH_CLASS = ("precision", "sensitivity", "specificity", "F1", "AUROC", "AUPRC")
"""The figures of a single class, each a column."""


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
    fold = "all folds" if result.fold is None else f"fold {result.fold}"
    return (
        f"Model `{result.model}`, file SHA-256 `{result.model_sha256}`, {fold}, "
        f"{result.images} images.\n\n"
        + table(("figure", "on", "images", "value", "95 % interval"), figures)
        + f"\nConfusion on {confusion.on}; rows are the true class, columns the chosen one.\n\n"
        + table(("true \\ chosen", *confusion.classes), counts)
        + "".join(_all_figures(part) for part in result.parts)
        + _beside_controls(result)
    )


def by_class(part: Part) -> tuple[list[Metric], dict[str, dict[str, Metric]]]:
    """The figures of a part over all classes, and class → figure → its metric.

    The name of a figure of one class is that of a column of `EACH_CLASS` and the class.
    """
    overall: list[Metric] = []
    classes: dict[str, dict[str, Metric]] = {}
    names = part.confusion.classes if part.confusion else ()
    for metric in part.figures:
        kind, _, name = metric.name.partition(" ")
        if kind in EACH_CLASS and name in names:
            classes.setdefault(name, {})[kind] = metric
        else:
            overall.append(metric)
    return overall, classes


def _all_figures(part: Part) -> str:
    """Every figure of a part: a line a class, then those over all classes."""
    overall, classes = by_class(part)
    text = f"\nAll figures on {part.on} ({part.images} images, {part.groups} groups).\n"
    if classes:
        rows = [
            (name, *(f"{found[kind].value:.3f}" if kind in found else "" for kind in EACH_CLASS))
            for name, found in classes.items()
        ]
        text += "\n" + table(("class", *EACH_CLASS), rows)
    rows = [(m.name, f"{m.value:.3f}", interval(m.low, m.high)) for m in overall]
    return text + "\n" + table(("figure", "value", "95 % interval"), rows)


def control_table(result: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The model beside the controls: the heading and the rows, a figure each."""
    names = list(dict.fromkeys(one.control for one in result.controls))
    values = {
        (one.control, one.metric.name, one.metric.on): f"{one.metric.value:.3f}"
        for one in result.controls
    }
    measured = {(one.metric.name, one.metric.on) for one in result.controls}
    rows = [
        (m.name, m.on, f"{m.value:.3f}", *(values.get((name, m.name, m.on), "") for name in names))
        for m in result.metrics
        if (m.name, m.on) in measured
    ]
    return ("figure", "on", "the model", *names), rows


def _beside_controls(result: Evaluation) -> str:
    text = ""
    if result.controls:
        head, rows = control_table(result)
        text += "\nThe model beside controls that know nothing of tumors, trained on the same "
        text += "images.\n\n" + table(head, rows)
    if sentences := (*result.warnings, *result.notes):
        text += "\n" + "".join(f"- {sentence}\n" for sentence in sentences)
    return text


def interval(low: float | None, high: float | None) -> str:
    """An interval in words; empty where there is none."""
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
