"""How figures of findings are spread over held-out images: what drift is measured from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorlens.decide.picture import picture_score
from tumorlens.model.decision import Histogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.model.decision import PictureGate
    from tumorlens.train.decision.observe import Observations

    Numbers = NDArray[np.float64]

BINS = 10
"""Of equal share in the reference, as the population stability index is usually taken."""

QUANTILES = 101
"""Every hundredth of the sample: enough for a Kolmogorov-Smirnov distance of one in a hundred."""

_DIGITS = 6


def histograms(seen: Observations, gate: PictureGate | None) -> tuple[Histogram, ...]:
    """The reference of all figures that findings carry."""
    figures = {"novelty": seen.novelty, "tumor_probability": seen.tumor_probability}
    if gate is not None:
        figures["unlikeness"] = np.array([picture_score(one, gate) for one in seen.facts])
    return tuple(histogram(name, values) for name, values in figures.items())


def histogram(name: str, values: Numbers) -> Histogram:
    """The spread of one figure over some images."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]).round(_DIGITS))
    number = np.searchsorted(edges, values.round(_DIGITS), side="right")
    shares = np.bincount(number, minlength=len(edges) + 1) / len(values)
    quantiles = np.quantile(values, np.linspace(0, 1, QUANTILES))
    return Histogram(
        name=name,
        edges=tuple(float(value) for value in edges),
        shares=tuple(round(float(value), _DIGITS) for value in shares),
        count=len(values),
        quantiles=tuple(round(float(value), _DIGITS) for value in quantiles),
    )
