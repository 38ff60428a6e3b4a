"""The learning rate at each moment: a function of the recipe and of the epochs so far alone.

So a resumed run needs no state of a scheduler to go on exactly.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tumorlens.train.fit.records import badness
from tumorlens.train.fit.spec import Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.train.fit.records import Epoch
    from tumorlens.train.fit.spec import FitRecipe

FIRST_SHARE = 0.02
"""Share of an epoch that the warm-up counts as over at its first step, which would else do
nothing."""


def learning_rate(
    recipe: FitRecipe, position: float, epochs: int, curves: Sequence[Epoch]
) -> float:
    """The learning rate at a moment of a fit.

    Args:
        recipe: Highest rate, warm-up and schedule.
        position: Epochs since the start, with their fraction.
        epochs: The length of the fit.
        curves: The epochs that have ended.
    """
    if position < recipe.warmup_epochs:
        return recipe.learning_rate * max(position, FIRST_SHARE) / recipe.warmup_epochs
    return recipe.learning_rate * _share(recipe, position - recipe.warmup_epochs, epochs, curves)


def _share(recipe: FitRecipe, since: float, epochs: int, curves: Sequence[Epoch]) -> float:
    """The share of the highest rate, so many epochs after the warm-up."""
    if recipe.schedule is Schedule.COSINE:
        share = since / max(epochs - recipe.warmup_epochs, 1e-9)
        return 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
    if recipe.schedule is Schedule.STEP:
        return float(recipe.decay ** math.floor(since / recipe.step_epochs))
    if recipe.schedule is Schedule.PLATEAU:
        return float(recipe.decay ** plateaus(recipe, curves))
    return 1.0


def plateaus(recipe: FitRecipe, curves: Sequence[Epoch]) -> int:
    """How often ``step_epochs`` epochs in a row brought nothing better; the count begins anew."""
    best, waited, found = math.inf, 0, 0
    for line in curves:
        figure = badness(line, recipe.monitor)
        waited = 0 if figure < best else waited + 1
        best = min(best, figure)
        if waited == recipe.step_epochs:
            found, waited = found + 1, 0
    return found
