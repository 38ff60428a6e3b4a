"""What the template of an evaluation's page shows, put in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tumorlens.data.manifest import Protocol
from tumorlens.evaluate.tables import EACH_CLASS, by_class, interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tumorlens.evaluate.curves import ClassCurves, Curve, Reliability
    from tumorlens.evaluate.evaluation import Confusion, Evaluation, Part
    from tumorlens.model.format import Metric

CARDS = (
    "accuracy",
    "balanced accuracy",
    "macro F1",
    "tumor AUROC",
    "tumor kind accuracy",
    "kind accuracy, given a tumor",
    "kind macro F1, given a tumor",
)
"""The figures that stand large at the top, as far as there are any, of the whole test side."""

SIDE = 100
"""Of a chart, in its own units."""

SMALLEST_DOT, LARGEST_DOT = 0.6, 3.0
"""Radius of a bin of the reliability chart; the area grows with its images."""

LEVELS = 10
"""Shades of a cell of a confusion matrix."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart.

    Attributes:
        name: What it is of.
        style: Its place among the styles.
        points: Its points, as SVG takes them.
        dots: (x, y, radius) of points that stand for more or fewer images.
    """

    name: str
    style: int
    points: str
    dots: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A square chart.

    Attributes:
        title: What it is.
        across: What runs from left to right.
        up: What runs upwards.
        diagonal: Whether the diagonal means something, such as chance.
        lines: What is drawn.
        words: The same for those who cannot see it.
    """

    title: str
    across: str
    up: str
    diagonal: bool
    lines: tuple[Line, ...]
    words: str


def build(result: Evaluation) -> dict[str, Any]:
    """All that the template needs, but the pictures."""
    return {
        "result": result,
        "leaks": result.protocol is Protocol.AUTHORS,
        "cards": _cards(result),
        "parts": [_part(part) for part in result.parts],
        "controls": _controls(result),
    }


def three(value: float | None) -> str:
    """A figure with three digits; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def _cards(result: Evaluation) -> list[dict[str, Any]]:
    figures = (*result.parts[0].figures, *result.metrics)
    first = {metric.name: metric for metric in reversed(figures)}
    return [
        {"metric": first[name], "best": _best_control(result, first[name])}
        for name in CARDS
        if name in first
    ]


def _best_control(result: Evaluation, metric: Metric) -> tuple[str, float] | None:
    """The control that comes nearest to a figure."""
    values = [
        (one.metric.value, one.control)
        for one in result.controls
        if (one.metric.name, one.metric.on) == (metric.name, metric.on)
    ]
    if not values:
        return None
    value, name = max(values)
    return name, value


def _part(part: Part) -> dict[str, Any]:
    overall, classes = by_class(part)
    return {
        "part": part,
        "overall": overall,
        "columns": EACH_CLASS,
        "classes": classes,
        "confusions": [_confusion(c) for c in (part.confusion, part.tumor_confusion) if c],
        "charts": _charts(part),
    }


def _confusion(confusion: Confusion) -> dict[str, Any]:
    rates = confusion.rates or ()
    rows = [
        (
            name,
            [
                {"count": count, "share": share, "level": round(LEVELS * share)}
                for count, share in zip(counts, shares, strict=True)
            ],
        )
        for name, counts, shares in zip(confusion.classes, confusion.counts, rates, strict=True)
    ]
    return {"on": confusion.on, "classes": confusion.classes, "rows": rows}


def _charts(part: Part) -> list[Chart]:
    curves = part.curves
    if curves is None:
        return []
    areas = {metric.name: metric.value for metric in part.figures}
    return [
        Chart(
            "ROC",
            "false positive rate",
            "sensitivity",
            diagonal=True,
            lines=_lines((one.name, one.roc) for one in curves.classes),
            words=_words("ROC curves", curves.classes, areas, "AUROC"),
        ),
        Chart(
            "Precision and recall",
            "sensitivity (recall)",
            "precision",
            diagonal=False,
            lines=_lines((one.name, one.precision_recall) for one in curves.classes),
            words=_words("Precision-recall curves", curves.classes, areas, "AUPRC"),
        ),
        Chart(
            "Reliability",
            "said probability",
            "share of which it is true",
            diagonal=True,
            lines=tuple(_reliable(one, number) for number, one in enumerate(curves.reliability)),
            words="Reliability: said probability against how often it is true; expected "
            f"calibration error {three(areas.get('ECE', areas.get('tumor ECE')))}.",
        ),
    ]


def _lines(curves: Iterable[tuple[str, Curve]]) -> tuple[Line, ...]:
    return tuple(
        Line(name, number, _points(zip(curve.x, curve.y, strict=True)))
        for number, (name, curve) in enumerate(curves)
    )


def _reliable(one: Reliability, number: int) -> Line:
    places = [(each.confidence, each.frequency) for each in one.bins]
    most = max(each.images for each in one.bins)
    dots = tuple(
        (
            round(SIDE * each.confidence, 2),
            round(SIDE * (1 - each.frequency), 2),
            round(SMALLEST_DOT + (LARGEST_DOT - SMALLEST_DOT) * (each.images / most) ** 0.5, 2),
        )
        for each in one.bins
    )
    return Line(one.name, number, _points(places), dots)


def _points(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{SIDE * x:.2f},{SIDE * (1 - y):.2f}" for x, y in places)


def _words(what: str, classes: Sequence[ClassCurves], areas: dict[str, float], figure: str) -> str:
    found = (
        f"{one.name} {three(areas.get(f'{figure} {one.name}', areas.get(f'tumor {figure}')))}"
        for one in classes
    )
    return f"{what}; area under each: {', '.join(found)}."


def _controls(result: Evaluation) -> list[dict[str, Any]]:
    """For each figure that controls were held against: the model and the controls as bars."""
    groups = []
    for metric in result.metrics:
        mine = [
            one
            for one in result.controls
            if (one.metric.name, one.metric.on) == (metric.name, metric.on)
        ]
        if mine:
            bars = [{"name": "the model", "metric": metric}]
            bars += [{"name": one.control, "metric": one.metric} for one in mine]
            for bar in bars:
                limits: Any = bar["metric"]
                bar["interval"] = interval(limits.low, limits.high)
            groups.append({"metric": metric, "bars": bars})
    return groups
