"""Prediction sets: the classes that cannot be ruled out.

Class-conditional (Mondrian) split conformal prediction with the score ``1 - probability``; Vovk,
"Conditional validity of inductive conformal predictors", 2013; Sadinle et al., "Least ambiguous
set-valued classifiers with bounded error levels", 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def prediction_set(
    probabilities: Mapping[str, float], thresholds: Mapping[str, float]
) -> tuple[str, ...]:
    """The classes whose score is within their threshold, in the order of `probabilities`.

    Args:
        probabilities: Class → calibrated probability.
        thresholds: Class → the highest score ``1 - probability`` that still belongs. A class
            without one was never calibrated, so nothing rules it out.
    """
    return tuple(
        name
        for name, probability in probabilities.items()
        if 1.0 - probability <= thresholds.get(name, 1.0)
    )
