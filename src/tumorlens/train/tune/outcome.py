"""What came of tuning: the best settings as a recipe, all trials as a table, and pictures."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomli_w
from optuna.importance import get_param_importances
from optuna.trial import TrialState

from tumorlens.errors import RecipeError
from tumorlens.train.tune.study import ENDED

if TYPE_CHECKING:
    from pathlib import Path

    from optuna import Study
    from optuna.trial import FrozenTrial

    from tumorlens.train.recipe import Recipe
    from tumorlens.train.tune.space import Params, Space

LEAST_FOR_IMPORTANCES = 8
"""Finished trials below which a comparison of what mattered is a comparison of noise."""

SUFFIX = "-tuned"


@dataclass(frozen=True, slots=True)
class Tuned:
    """The end of tuning.

    Attributes:
        file: The recipe with the best settings.
        own: The recipe's own settings, knob → value.
        best: The best settings.
        importances: Knob → its share of what decided, in [0, 1]; empty where trials are too few.
        number: Of the best trial.
        ended: Trials that were finished or stopped.
        loss: Validation loss of the best trial.
        accuracy: Its validation accuracy.
        own_loss: Validation loss of the recipe's own settings, or None where they were stopped.
        own_accuracy: Their validation accuracy.
    """

    file: Path
    own: Params
    best: Params
    importances: dict[str, float]
    number: int
    ended: int
    loss: float
    accuracy: float
    own_loss: float | None
    own_accuracy: float | None


def outcome(study: Study, asked: Recipe, space: Space, folder: Path) -> Tuned:
    """Write everything down, and give what a reader wants to know first.

    Raises:
        RecipeError: No trial has come to its end yet.
    """
    write_outcome(study, asked, space, folder)
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not finished:
        msg = (
            f"{folder}: no trial has come to its end; try more of them with --trials, or a lower "
            f"fit.learning_rate (it is {asked.fit.learning_rate:g})"
        )
        raise RecipeError(msg)
    plot_trials(finished, folder / "trials.png")
    best = study.best_trial
    own = next((trial for trial in finished if trial.params == space.own()), None)
    return Tuned(
        file=folder / "best.toml",
        own=space.own(),
        best=best.params,
        importances=importances(study),
        number=best.number,
        ended=len(study.get_trials(deepcopy=False, states=ENDED)),
        loss=best.user_attrs["loss"],
        accuracy=best.user_attrs["accuracy"],
        own_loss=own.user_attrs["loss"] if own else None,
        own_accuracy=own.user_attrs["accuracy"] if own else None,
    )


def write_outcome(study: Study, asked: Recipe, space: Space, folder: Path) -> None:
    """Write ``trials.csv``, and, once a trial has come to its end, ``best.toml``."""
    _write_trials(study, space, folder / "trials.csv")
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if finished:
        recipe = tuned_recipe(asked, space, study.best_trial.params)
        text = _heading(study) + tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True))
        (folder / "best.toml").write_text(text, encoding="utf-8")


def tuned_recipe(asked: Recipe, space: Space, params: Params) -> Recipe:
    """The recipe that was given, with some settings, and no longer that of its authors."""
    settled = space.settle(params)
    name = asked.name if asked.name.endswith(SUFFIX) else f"{asked.name}{SUFFIX}"
    return asked.model_copy(
        update={
            "name": name,
            "network": settled.network,
            "fit": settled.fit,
            "augment": settled.augment,
            "reported": None,
        }
    )


def importances(study: Study) -> dict[str, float]:
    """Knob → its share of what decided how good a trial was (PED-ANOVA, Watanabe et al., 2023)."""
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < LEAST_FOR_IMPORTANCES:
        return {}
    return get_param_importances(study)


def plot_trials(finished: list[FrozenTrial], path: Path) -> None:
    """Draw the figure of each finished trial against each setting, the best one marked."""
    from matplotlib.figure import Figure

    knobs = list(finished[0].params)
    best = min(finished, key=lambda trial: trial.value or 0.0)
    figure = Figure(figsize=(3 * len(knobs) + 1, 3.2), layout="constrained")
    grid: Any = figure.subplots(1, len(knobs), sharey=True, squeeze=False)
    for axes, knob in zip(grid[0], knobs, strict=True):
        values = [_drawn(trial.params[knob]) for trial in finished]
        axes.scatter(values, [trial.value for trial in finished], s=16)
        axes.scatter([_drawn(best.params[knob])], [best.value], s=60, marker="*")
        axes.set_xlabel(knob)
        if getattr(finished[0].distributions[knob], "log", False):
            axes.set_xscale("log")
    grid[0][0].set_ylabel("validation figure (lower is better)")
    figure.savefig(path, dpi=120)


def _drawn(value: object) -> object:
    """Choices are drawn by their names, numbers where they lie."""
    return value if isinstance(value, float) else str(value)


def _heading(study: Study) -> str:
    best = study.best_trial
    ended = len(study.get_trials(deepcopy=False, states=ENDED))
    return (
        f"# Found by tumorlens tune, study {study.study_name}: trial {best.number} of {ended}, "
        f"validation loss {best.user_attrs['loss']:.4f},\n"
        f"# accuracy {best.user_attrs['accuracy']:.3f} in epoch {best.user_attrs['epoch']}. These "
        "chose the settings; what they are worth, the test fold says.\n\n"
    )


def _write_trials(study: Study, space: Space, path: Path) -> None:
    knobs = [str(knob) for knob in space.knobs]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "state", "loss", "accuracy", "epoch", "seconds", *knobs, "why"])
        for trial in study.get_trials(deepcopy=False):
            known = trial.user_attrs
            seconds = trial.duration.total_seconds() if trial.duration else ""
            figures = [known.get(name, "") for name in ("loss", "accuracy", "epoch")]
            settings = [trial.params.get(knob, "") for knob in knobs]
            state = trial.state.name.lower()
            writer.writerow(
                [trial.number, state, *figures, seconds, *settings, known.get("why", "")]
            )
