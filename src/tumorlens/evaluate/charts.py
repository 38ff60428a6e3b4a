"""The charts of an evaluation as PNG files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tumorlens.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tumorlens.evaluate.curves import Curves
    from tumorlens.evaluate.evaluation import Confusion, Evaluation

DPI = 130
PANEL = 4.6
"""Inches of a panel's side: three of them fit a wide page."""

# Okabe and Ito's colours, which stay apart for eyes that see colours differently.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")
"""Lines differ by more than their colour."""

DARK_SHARE = 0.5
"""From this share on, a cell is so dark that its words are written in white."""


def draw_charts(result: Evaluation, folder: Path) -> None:
    """Write ``confusion.png``, ``roc.png``, ``precision_recall.png`` and ``reliability.png``.

    Each holds a panel a part of the evaluation.

    Args:
        result: With its curves.
        folder: Where to write.

    Raises:
        MissingExtra: Matplotlib is not installed.
    """
    confusions = [p.confusion or p.tumor_confusion for p in result.parts]
    _sheet(folder / "confusion.png", [c for c in confusions if c is not None], _confusion)
    drawn = [(part.on, part.curves) for part in result.parts if part.curves is not None]
    _sheet(folder / "roc.png", drawn, _roc)
    _sheet(folder / "precision_recall.png", drawn, _precision_recall)
    _sheet(folder / "reliability.png", drawn, _reliability)


def _sheet(path: Path, contents: list[Any], draw: Callable[[Any, Any], None]) -> None:
    """Panels side by side; an earlier picture is taken away where there is nothing to draw."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        extra = "train"
        raise MissingExtra(extra, "Drawing the charts of an evaluation") from error
    if not contents:
        path.unlink(missing_ok=True)
        return
    figure = Figure(figsize=(PANEL * len(contents) + 0.4, PANEL + 0.4), layout="constrained")
    panels = figure.subplots(1, len(contents), squeeze=False)[0]
    for axes, content in zip(panels, contents, strict=True):
        draw(axes, content)
    figure.savefig(path, dpi=DPI)


def _confusion(axes: Any, confusion: Confusion) -> None:
    import numpy as np

    counts = np.array(confusion.counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        share = shares[row, column]
        axes.text(
            *(column, row),
            f"{counts[row, column]}\n{share:.0%}",
            ha="center",
            va="center",
            color="white" if share > DARK_SHARE else "black",
        )
    numbers = range(len(confusion.classes))
    axes.set_xticks(numbers, confusion.classes, rotation=30, ha="right")
    axes.set_yticks(numbers, confusion.classes)
    axes.set_xlabel("chosen")
    axes.set_ylabel("true")
    axes.set_title(confusion.on, fontsize="small", wrap=True)


def _roc(axes: Any, content: tuple[str, Curves]) -> None:
    on, curves = content
    for number, one in enumerate(curves.classes):
        axes.plot(one.roc.x, one.roc.y, label=one.name, **_look(number))
    axes.plot((0, 1), (0, 1), color="0.6", linewidth=1, linestyle=(0, (1, 3)))
    _framed(axes, on, "false positive rate (1 - specificity)", "sensitivity", "lower right")


def _precision_recall(axes: Any, content: tuple[str, Curves]) -> None:
    on, curves = content
    for number, one in enumerate(curves.classes):
        line = one.precision_recall
        axes.plot(line.x, line.y, label=one.name, drawstyle="steps-pre", **_look(number))
    _framed(axes, on, "sensitivity (recall)", "precision", "lower left")


def _reliability(axes: Any, content: tuple[str, Curves]) -> None:
    on, curves = content
    axes.plot((0, 1), (0, 1), color="0.6", linewidth=1, linestyle=(0, (1, 3)))
    for number, one in enumerate(curves.reliability):
        said = [each.confidence for each in one.bins]
        happened = [each.frequency for each in one.bins]
        axes.plot(said, happened, marker="o", markersize=4, label=one.name, **_look(number))
    _framed(axes, on, "said probability", "share of images of which it is true", "upper left")


def _look(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": STYLES[number % len(STYLES)],
        "linewidth": 1.6,
    }


def _framed(axes: Any, title: str, across: str, up: str, legend: str) -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_aspect("equal")
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_title(title, fontsize="small", wrap=True)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc=legend, fontsize="small")
