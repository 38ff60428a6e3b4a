"""Charts: the slices of a series, and what a threshold does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from tumorlens.decide.finding import Status
from tumorlens.report.words import STATUS_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tumorlens.app.cases import Case
    from tumorlens.decide.finding import Finding
    from tumorlens.evaluate.curves import Curve

    Floats = NDArray[np.float64]

# The colours of the answers, as on the cards; told apart by readers who confuse red and green.
STATUS_COLOURS = {
    "tumor": "#d9541e",
    "uncertain": "#b58900",
    "no_tumor": "#3f7fc4",
    "rejected": "#84878f",
}
SENSITIVITY_COLOUR, SPECIFICITY_COLOUR = "#d9541e", "#3f7fc4"
CHART_HEIGHT, SMALL_HEIGHT, STRIP_HEIGHT = 280, 180, 190
_ON_TOP = alt.Legend(orient="top", title=None)
_UNIT = alt.Scale(domain=[0, 1])
_ALARMS, _FOUND = "1 - specificity", "sensitivity"
_X, _Y = alt.X(f"{_ALARMS}:Q", scale=_UNIT), alt.Y(f"{_FOUND}:Q", scale=_UNIT)


def along_slices(case: Case, shown: int) -> alt.LayerChart:
    """The tumor probability of each slice of a case, the shown one (from 0) marked."""
    words = {status.value: text for status, text in STATUS_WORDS.items()}
    table = pd.DataFrame(
        {
            "slice": [index + 1 for index in range(len(case.slices))],
            "tumor probability": [_shown(one) for one in case.findings],
            "answer": [words[one.status.value] for one in case.findings],
        }
    )
    colours = alt.Scale(
        domain=[words[name] for name in STATUS_COLOURS], range=list(STATUS_COLOURS.values())
    )
    encoded = alt.Chart(table).encode(
        x=alt.X("slice:O", title=None, axis=alt.Axis(labelOverlap=True, labelAngle=0)),
        y=alt.Y(
            "tumor probability:Q",
            title=None,
            scale=_UNIT,
            axis=alt.Axis(format="%", tickCount=3),
        ),
        color=alt.Color("answer:N", scale=colours, legend=_ON_TOP),
        tooltip=["slice", alt.Tooltip("tumor probability", format=".1%"), "answer"],
    )
    # The dots keep slices in sight whose bar has no height.
    bars, dots = encoded.mark_bar(), encoded.mark_circle(size=40, opacity=1)
    here = (
        alt.Chart(pd.DataFrame({"slice": [shown + 1]}))
        .mark_rule(strokeWidth=2, strokeDash=[4, 3], color="#84878f")
        .encode(x="slice:O")
    )
    return _layered(bars, dots, here).properties(height=STRIP_HEIGHT)


def _shown(finding: Finding) -> float:
    """The tumor probability; none of a slice that the network cannot judge."""
    if finding.status is Status.REJECTED:
        return 0.0
    return finding.tumor_probability or 0.0


def threshold_curves(
    thresholds: Floats, sensitivity: Floats, specificity: Floats, at: Sequence[float]
) -> alt.LayerChart:
    """Sensitivity and specificity over the threshold, the chosen thresholds marked."""
    table = pd.DataFrame(
        {
            "threshold": [*thresholds, *thresholds],
            "share": [*sensitivity, *specificity],
            "of": ["sensitivity"] * len(thresholds) + ["specificity"] * len(thresholds),
        }
    )
    colours = alt.Scale(
        domain=["sensitivity", "specificity"], range=[SENSITIVITY_COLOUR, SPECIFICITY_COLOUR]
    )
    lines = (
        alt.Chart(table)
        .mark_line()
        .encode(
            x=alt.X("threshold:Q", scale=_UNIT),
            y=alt.Y("share:Q", scale=_UNIT, axis=alt.Axis(format="%"), title=None),
            color=alt.Color("of:N", scale=colours, legend=_ON_TOP),
            strokeDash=alt.StrokeDash("of:N", legend=_ON_TOP),
            tooltip=[
                "of",
                alt.Tooltip("threshold", format=".2f"),
                alt.Tooltip("share", format=".1%"),
            ],
        )
    )
    rules = (
        alt.Chart(pd.DataFrame({"threshold": list(at)}))
        .mark_rule(strokeWidth=2, color="#84878f")
        .encode(x="threshold:Q")
    )
    return _layered(lines, rules).properties(height=CHART_HEIGHT)


def roc(curve: Curve, false_alarms: float, sensitivity: float) -> alt.LayerChart:
    """An ROC curve with the chosen point, and the line of chance."""
    at = pd.DataFrame({_ALARMS: [false_alarms], _FOUND: [sensitivity]})
    here = alt.Chart(at).mark_point(size=140, filled=True, color=SPECIFICITY_COLOUR)
    layers = (*_roc_layers(curve), here.encode(x=_X, y=_Y))
    return _layered(*layers).properties(height=CHART_HEIGHT)


def bare_roc(curve: Curve) -> alt.LayerChart:
    """An ROC curve, and the line of chance."""
    return _layered(*_roc_layers(curve)).properties(height=SMALL_HEIGHT)


def _roc_layers(curve: Curve) -> tuple[alt.Chart, alt.Chart]:
    points = pd.DataFrame({_ALARMS: list(curve.x), _FOUND: list(curve.y)})
    chance = pd.DataFrame({_ALARMS: [0, 1], _FOUND: [0, 1]})
    dashed = alt.Chart(chance).mark_line(strokeDash=[4, 3], color="#84878f")
    line = alt.Chart(points).mark_line(color=SENSITIVITY_COLOUR)
    return dashed.encode(x=_X, y=_Y), line.encode(x=_X, y=_Y)


def _layered(*layers: alt.Chart) -> alt.LayerChart:
    return alt.LayerChart(layer=list(layers))
