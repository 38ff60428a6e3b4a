"""Prediction sets: the classes that cannot be ruled out.

Class-conditional (Mondrian) split conformal prediction with the score ``1 - probability``; Vovk,
"Conditional validity of inductive conformal predictors", 2013; Sadinle et al., "Least ambiguous
set-valued classifiers with bounded error levels", 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.errors import ModelIncompatible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tumorlens.model.format import ModelMetadata

_SAME = 1e-9


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


def at_coverage(metadata: ModelMetadata, coverage: float) -> ModelMetadata:
    """The metadata of a model whose prediction sets hold the true class this often.

    Args:
        metadata: Of the model.
        coverage: One of the coverages that its file holds limits for.

    Raises:
        ModelIncompatible: It holds none for this coverage; the message names those that it has.
    """
    for level in metadata.decision.conformal:
        if abs(level.coverage - coverage) < _SAME:
            limits = metadata.thresholds.model_copy(
                update={"conformal": level.limits, "coverage": level.coverage}
            )
            return metadata.model_copy(update={"thresholds": limits})
    known = [level.coverage for level in metadata.decision.conformal]
    if not known and (own := metadata.thresholds.coverage) is not None:
        known = [own]
        if abs(own - coverage) < _SAME:
            return metadata
    covers = ", ".join(f"{one:g}" for one in sorted(known)) or "none"
    msg = f"{metadata.name} has no prediction sets with coverage {coverage:g}; it has: {covers}"
    raise ModelIncompatible(msg)
