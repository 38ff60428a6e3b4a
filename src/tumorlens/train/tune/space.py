"""What is tuned: the settings that are tried, and a recipe with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tumorlens.errors import RecipeError
from tumorlens.train.neural import spec_of
from tumorlens.train.tune.knobs import Knob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna import Trial

    from tumorlens.train.recipe import Recipe

Params = dict[str, Any]
"""Knob → the value that is tried."""

SLOWEST, FASTEST = 1 / 30, 10.0
"""Of the recipe's own learning rate: one that is far too high costs one trial, and tells much."""

DECAYS = (1e-6, 0.1)
"""Weight decay from one that does nothing to one that holds all weights near 0."""

MOST_DROPOUT = 0.7
"""Beyond it, little of what a head could learn from is left."""

MOST_AUGMENTATION, AUGMENTATION_STEP = 2.0, 0.25
"""Factors on all ranges; in steps, so that the features of a frozen extractor serve again."""

BATCHES = (8, 16, 32, 64, 128)

LEAST_STEPS = 4
"""Batches so large that an epoch has fewer steps are not tried."""


class Space:
    """The settings that are tried for a recipe.

    Args:
        recipe: With a network.
        knobs: What is tuned; none stands for all that mean something for the recipe.
        stages: Of the feature extractor.
        images: How many are learnt from.
        has_weights: Whether the extractor begins from trained weights; only then may parts of it
            be frozen.

    Raises:
        RecipeError: A knob means nothing for this recipe.
    """

    def __init__(
        self, recipe: Recipe, knobs: Sequence[Knob], *, stages: int, images: int, has_weights: bool
    ) -> None:
        self.recipe = recipe
        most = images // LEAST_STEPS
        self._batches = sorted({recipe.fit.batch, *(b for b in BATCHES if b <= most)})
        self._depths = _depths(recipe, stages) if has_weights else []
        self.knobs = tuple(knobs) or tuple(k for k in Knob if not self._why_not(k))
        for knob in self.knobs:
            if reason := self._why_not(knob):
                msg = f"{knob} cannot be tuned: {reason}"
                raise RecipeError(msg)

    def suggest(self, trial: Trial) -> Params:
        """The settings of a trial."""
        return {knob: self._suggest(trial, knob) for knob in self.knobs}

    def own(self) -> Params:
        """The settings of the recipe itself, each within what is tried."""
        fit, network = self.recipe.fit, spec_of(self.recipe)
        values: Params = {
            Knob.LEARNING_RATE: fit.learning_rate,
            Knob.DROPOUT: network.dropout,
            Knob.AUGMENTATION: 1.0,
            Knob.DEPTH: network.trainable,
            Knob.WEIGHT_DECAY: min(max(fit.weight_decay, DECAYS[0]), DECAYS[1]),
            Knob.BATCH: fit.batch,
        }
        return {knob: values[knob] for knob in self.knobs}

    def settle(self, params: Params) -> Recipe:
        """The recipe with some settings."""
        fit, network = self.recipe.fit, spec_of(self.recipe)
        fit = fit.model_copy(
            update={
                "learning_rate": params.get(Knob.LEARNING_RATE, fit.learning_rate),
                "weight_decay": params.get(Knob.WEIGHT_DECAY, fit.weight_decay),
                "batch": params.get(Knob.BATCH, fit.batch),
            }
        )
        network = network.model_copy(
            update={
                "dropout": params.get(Knob.DROPOUT, network.dropout),
                "trainable": params.get(Knob.DEPTH, network.trainable),
            }
        )
        augment = self.recipe.augment.scaled(params.get(Knob.AUGMENTATION, 1.0))
        return self.recipe.model_copy(update={"fit": fit, "network": network, "augment": augment})

    def _suggest(self, trial: Trial, knob: Knob) -> Any:
        rate = self.recipe.fit.learning_rate
        if knob is Knob.LEARNING_RATE:
            return trial.suggest_float(knob, rate * SLOWEST, rate * FASTEST, log=True)
        if knob is Knob.DROPOUT:
            highest = max(MOST_DROPOUT, spec_of(self.recipe).dropout)
            return trial.suggest_float(knob, 0.0, highest)
        if knob is Knob.AUGMENTATION:
            return trial.suggest_float(knob, 0.0, MOST_AUGMENTATION, step=AUGMENTATION_STEP)
        if knob is Knob.DEPTH:
            return trial.suggest_categorical(knob, self._depths)
        if knob is Knob.WEIGHT_DECAY:
            return trial.suggest_float(knob, *DECAYS, log=True)
        return trial.suggest_categorical(knob, self._batches)

    def _why_not(self, knob: Knob) -> str:
        """Why a knob means nothing here; empty where it does."""
        if knob is Knob.AUGMENTATION and self.recipe.augment.scaled(2) == self.recipe.augment:
            return "the recipe changes training images in no range that could grow or shrink"
        if knob is Knob.DEPTH and not self._depths:
            return "layers that begin from chance cannot stay frozen; name weights with --init"
        return ""


def _depths(recipe: Recipe, stages: int) -> list[str | int]:
    """From the head alone over the last 1, 2, 4, … stages to all of them."""
    depth = spec_of(recipe).trainable
    some = {2**power for power in range(stages.bit_length()) if 2**power < stages}
    if isinstance(depth, int):
        some.add(depth)
    return ["head", *sorted(some), "all"]
