"""Carrying out trials: each fits a network with some settings, and is judged on validation.

A folder of tuning holds ``recipe.json`` and ``manifest.csv``, ``study.db`` where no other storage
is named, ``best.toml``, ``trials.csv`` and pictures, and a folder a trial with its curves.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from optuna import TrialPruned
from optuna.exceptions import StorageInternalError
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

from tumorlens.data import manifest
from tumorlens.errors import RecipeError, TumorLensError
from tumorlens.model.run import first_line
from tumorlens.train.fit import fit
from tumorlens.train.fit.optimize import check_precision
from tumorlens.train.fit.records import badness
from tumorlens.train.folders import make_folder
from tumorlens.train.neural import (
    Place,
    check_start,
    examples_of,
    read_images,
    sides,
    spec_of,
    start_network,
)
from tumorlens.train.run import Run, begin
from tumorlens.train.tune.outcome import Tuned, outcome, write_outcome
from tumorlens.train.tune.space import Space
from tumorlens.train.tune.study import ENDED, claim, open_study, revive, sign
from tumorlens.train.workers import ALONE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from tumorlens.data.manifest import Entry
    from tumorlens.train.dataset import LabelledImages
    from tumorlens.train.fit import Epoch
    from tumorlens.train.recipe import Recipe
    from tumorlens.train.run import Watcher
    from tumorlens.train.tune.knobs import Knob
    from tumorlens.train.tune.space import Params

STUDY_FILE = "study.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a recipe is tuned.

    Attributes:
        trials: How many trials the study is to have in the end, those of other processes and of
            earlier starts included.
        knobs: What is tuned; none stands for all that mean something for the recipe.
        storage: An Optuna storage URL that processes can share, or None for a file in the folder.
        name: Of the study, or None for the recipe's name.
        seconds: No trial is begun after so long; None for no limit.
    """

    trials: int
    knobs: Sequence[Knob] = ()
    storage: str | None = None
    name: str | None = None
    seconds: float | None = None


def tune(
    recipe: Recipe,
    root: Path,
    folder: Path,
    plan: Plan,
    *,
    init: Path | None,
    device: torch.device,
    watcher: Watcher,
    entries: Sequence[Entry] | None = None,
) -> Tuned:
    """Try settings of a recipe, or go on with trying.

    1. Split, and read the images of all folds but the test fold.
    2. Try the recipe's own settings, then what the tree-structured Parzen estimator suggests
       (Bergstra et al., 2011). Trials that are worse after an epoch than half of the others were
       are stopped.
    3. After each trial, write the best settings as a recipe.

    The figure is that of the recipe's ``fit.monitor`` on the validation fold. The images of the
    test fold are never opened by a trial.

    Args:
        recipe: With a network.
        root: The folder that holds the recipe's sets.
        folder: Where everything is kept; used again, tuning goes on.
        plan: What is tried, how often, and where it is noted.
        init: A Keras weight file for the network's extractor, or None to start from chance.
        device: Where to compute.
        watcher: Is told of progress.
        entries: The manifest to tune by, instead of one that is built from the recipe's sets.

    Raises:
        DatasetError, RecipeError, ModelError, ScanError: Naming what is wrong.
    """
    _check_tunable(recipe)
    check_precision(recipe.fit, device)
    network = check_start(recipe, init)  # a wrong weight file is told before hours of work
    make_folder(folder)
    study = open_study(
        plan.storage or f"sqlite:///{folder / STUDY_FILE}",
        plan.name or recipe.name,
        seed=None if plan.storage else recipe.seed,
    )
    claim(study, {"recipe": recipe.model_dump_json(), "starting weights": _digest(init)})
    if entries is not None:
        claim(study, {"manifest": _manifest_digest(entries)})
    run, found = begin(recipe, root, folder, watcher, entries)
    claim(study, {"manifest": _manifest_digest(found)})
    images = read_images(run, root, found, watcher)
    learnt, _ = sides(run.recipe, images)
    space = Space(
        run.recipe,
        plan.knobs,
        stages=len(network.backbone.stages),
        images=len(learnt),
        has_weights=init is not None,
    )
    claim(study, {"choice of what is tuned": [str(knob) for knob in space.knobs]})
    study.enqueue_trial(space.own(), skip_if_exists=True)
    revive(study)
    trials = _Trials(recipe, space, images, folder, init, Place(device, ALONE, watcher))
    try:
        _optimize(study, trials, plan)
    except StorageInternalError as error:
        msg = f"the study's storage no longer answers: {first_line(error)}; start again to go on"
        raise TumorLensError(msg) from error
    return outcome(study, recipe, space, folder)


def _check_tunable(recipe: Recipe) -> None:
    """Refuse what has none of the settings that are tuned.

    Raises:
        RecipeError: The recipe has no ``[network]``.
    """
    if recipe.network is None:
        way = (
            "`tumorlens train` tries all settings of its classifier by the validation fold"
            if recipe.classical
            else "`tumorlens train … --set key=value` tries one setting"
        )
        msg = f"recipe {recipe.name}: cannot be tuned, as it has no [network] table; {way}"
        raise RecipeError(msg)


def _optimize(study: Study, trials: _Trials, plan: Plan) -> None:
    if len(study.get_trials(deepcopy=False, states=ENDED)) < plan.trials:
        study.optimize(
            trials.carry_out,
            timeout=plan.seconds,
            callbacks=[MaxTrialsCallback(plan.trials, states=ENDED), trials.tell],
            gc_after_trial=True,
        )
    shutil.rmtree(trials.features, ignore_errors=True)


@dataclass(frozen=True, slots=True, eq=False)
class _Trials:
    """What all trials have in common.

    Attributes:
        asked: The recipe that is tuned, as it was given.
        space: What is tried.
        images: Of all folds but the test fold.
        folder: Of the tuning.
        init: A weight file, or None.
        place: Where to compute, and who is told.
    """

    asked: Recipe
    space: Space
    images: LabelledImages
    folder: Path
    init: Path | None
    place: Place

    @property
    def features(self) -> Path:
        """The features of frozen extractors, shared by trials that change images alike."""
        return self.folder / "features"

    def carry_out(self, trial: Trial) -> float:
        """Fit a network with a trial's settings; the best validation figure, which is to fall.

        Raises:
            TrialPruned: It is worse than others, its loss is no number, or it needs more memory
                than there is.
        """
        params = self.space.suggest(trial)
        folder = self._folder(trial, sign(trial), params)
        recipe = self.space.settle(params)
        settings = ", ".join(f"{knob} {_short(value)}" for knob, value in params.items())
        self.place.watcher.say(f"trial {trial.number}: {settings}")
        cache = self.features / _features_digest(recipe)
        try:
            best = self._fit(trial, recipe, folder, cache)
        except (RecipeError, torch.OutOfMemoryError) as error:
            # What is wrong with the recipe itself was told before: so it is with these settings.
            trial.set_user_attr("why", first_line(error))
            _tidy(recipe, folder, cache)
            raise TrialPruned from error
        except TrialPruned:
            _tidy(recipe, folder, cache)
            raise
        _tidy(recipe, folder, cache)
        trial.set_user_attr("epoch", best.epoch)
        trial.set_user_attr("accuracy", best.validation_accuracy)
        trial.set_user_attr("loss", best.validation_loss)
        return badness(best, recipe.fit.monitor)

    def tell(self, study: Study, trial: FrozenTrial) -> None:
        """Say how a trial ended, and write down what is known by now."""
        if trial.state is TrialState.PRUNED:
            why = trial.user_attrs.get("why", "worse than the others were by then")
            self.place.watcher.say(f"trial {trial.number}: stopped, {why}")
        else:
            self.place.watcher.say(
                f"trial {trial.number}: validation loss {trial.user_attrs['loss']:.4f} accuracy "
                f"{trial.user_attrs['accuracy']:.3f} in epoch {trial.user_attrs['epoch']}; best "
                f"so far: trial {study.best_trial.number}"
            )
        write_outcome(study, self.asked, self.space, self.folder)

    def _folder(self, trial: Trial, number: int, params: Params) -> Path:
        """The folder of a trial, emptied where something else was begun in it.

        So that no checkpoint of another study or of other images is taken for its own.
        """
        folder = self.folder / "trials" / f"{number:04}"
        begun = {"study": trial.study.study_name, **trial.study.user_attrs, "settings": params}
        text = json.dumps(begun, indent=1, sort_keys=True) + "\n"
        note = folder / "trial.json"
        if not note.is_file() or note.read_text(encoding="utf-8") != text:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            note.write_text(text, encoding="utf-8")
        return folder

    def _fit(self, trial: Trial, recipe: Recipe, folder: Path, cache: Path) -> Epoch:
        """The best epoch of a fit, which goes on where a killed attempt stopped."""
        network = start_network(recipe, self.init, self.place.device)
        examples = examples_of(Run(cache, recipe), self.images, network, self.place)
        learnt, held_out = sides(recipe, examples)
        known = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values

        def on_epoch(line: Epoch) -> None:
            if line.epoch not in known:  # as those of an attempt on another machine are
                trial.report(badness(line, recipe.fit.monitor), line.epoch)
            if trial.should_prune():
                raise TrialPruned

        with self.place.watcher.fitting(f"trial {trial.number}") as on_step:
            fitted = fit(
                network,
                recipe,
                learnt,
                held_out,
                folder,
                epochs=recipe.fit.epochs,
                device=self.place.device,
                on_step=on_step,
                on_epoch=on_epoch,
            )
        return fitted.curves[fitted.best_epoch - 1]


def _tidy(recipe: Recipe, folder: Path, cache: Path) -> None:
    """Leave of a trial that has ended its curves, and features only where they are small."""
    for file in folder.glob("*.pt"):
        file.unlink()
    if spec_of(recipe).pooling == "flatten":
        shutil.rmtree(cache, ignore_errors=True)


def _features_digest(recipe: Recipe) -> str:
    """Equal for recipes whose frozen extractor sees the same views of images."""
    seen = (recipe.augment.model_dump_json(), recipe.fit.views, recipe.fit.precision, recipe.seed)
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def _digest(file: Path | None) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file else "chance"


def _manifest_digest(entries: Sequence[Entry]) -> str:
    return hashlib.sha256(manifest.to_csv(entries).encode()).hexdigest()


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
