"""Training the network that marks lesions: between a recipe and the files of an export.

A run's folder holds what a network's run holds (`tumorlens.train.neural`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tumorlens.errors import DatasetError, RecipeError
from tumorlens.model.format import Thresholds
from tumorlens.train.calibrate import Calibration, Outputs, calibrate, fit_novelty
from tumorlens.train.curves import plot_curves
from tumorlens.train.dense.fit import dense_answers, dense_spec, fit_dense
from tumorlens.train.dense.images import load_marked
from tumorlens.train.dense.level import fit_mask_rules
from tumorlens.train.dense.network import LesionNetwork
from tumorlens.train.fit.checkpoint import save_state
from tumorlens.train.fit.optimize import check_precision
from tumorlens.train.keras.fill import load_keras_weights
from tumorlens.train.neural import (
    Place,
    is_finished,
    keep_calibration,
    keep_novelty,
    note_start,
    watched,
)
from tumorlens.train.run import REFIT, SELECT, begin
from tumorlens.train.workers import ALONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tumorlens.data.manifest import Entry
    from tumorlens.train.dataset import LabelledImages
    from tumorlens.train.dense.images import MarkedImages
    from tumorlens.train.recipe import Recipe
    from tumorlens.train.run import Run, Watcher


def train_dense(
    recipe: Recipe,
    root: Path,
    folder: Path,
    *,
    init: Path | None,
    device: torch.device,
    watcher: Watcher,
    entries: Sequence[Entry] | None = None,
) -> Run:
    """Carry out a recipe with a network that marks lesions, or go on where a killed run stopped.

    1. Split, and read the pictures and masks of all folds but the test fold.
    2. Train for the recipe's epochs on all folds but the test and the validation fold.
    3. Fit temperature, thresholds, gates and the level of the mask on the validation fold with that
       network.
    4. Where the recipe says ``refit``, train anew with the validation fold.

    Where a recipe that says ``refit`` gives the rules of the mask, only the last is done: what is
    fitted on held-out folds is then fitted by `tumorlens.train.decision`, on those of other models.

    The arguments are those of `tumorlens.train.run.train`.
    """
    check_precision(recipe.fit, device)
    if init is None and dense_spec(recipe).frozen_stages:
        msg = (
            f"recipe {recipe.name}: the first stages of its encoder are frozen, and would stay as "
            "chance made them; name weights with --init, or --set dense.frozen_stages=0"
        )
        raise RecipeError(msg)
    start_dense(recipe, init, device)  # a wrong weight file is told before hours of work
    run, found = begin(recipe, root, folder, watcher, entries)
    note_start(run, init)
    if is_finished(run):
        watcher.say(f"{folder}: this run is finished")
        return run
    used = [entry for entry in found if entry.fold != run.recipe.data.test_fold]
    with watcher.counting("reading images") as count:
        data = load_marked(root, used, run.recipe, count)
    _carry_out(run, data, init, Place(device, ALONE, watcher))
    return run


def start_dense(recipe: Recipe, init: Path | None, device: torch.device) -> LesionNetwork:
    """The network before it has learnt, its encoder from a weight file or by the recipe's seed.

    Raises:
        ModelError: The weight file is missing, or of something else.
    """
    torch.manual_seed(recipe.seed)
    spec = dense_spec(recipe)
    kinds = max(1, len(recipe.positive))
    network = LesionNetwork(
        kinds,
        dropout=spec.dropout,
        contrast=spec.contrast,
        mirrored=spec.mirrored,
        encoder=spec.encoder,
        frozen=spec.frozen_stages,
    )
    if init is not None:
        load_keras_weights(network.backbone, init)
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _carry_out(run: Run, data: MarkedImages, init: Path | None, place: Place) -> None:
    recipe, device = run.recipe, place.device
    network = start_dense(recipe, init, device)
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    place.watcher.say(f"classes: {', '.join(recipe.classes)}; {millions:.2f} million parameters")
    rules = dense_spec(recipe).rules if recipe.fit.refit else None
    if rules is None:
        learnt, known = _select(network, run, data, place)
    else:
        keep_calibration(run, Calibration(temperature=1.0, thresholds=Thresholds(), mask=rules))
    if recipe.fit.refit:
        _check_sides({"training": data})
        network, learnt = start_dense(recipe, init, device), data.images
        _fit(network, run, REFIT, data, None, place)
        known = _outputs(network, learnt, device)
    keep_novelty(run, fit_novelty(known.features, learnt))
    save_state(run.weights, network.state_dict())


def _select(
    network: LesionNetwork, run: Run, data: MarkedImages, place: Place
) -> tuple[LabelledImages, Outputs]:
    """Train without the validation fold, and fit temperature, thresholds and rules on it.

    Returns:
        What the network learnt from, and what it answers for that.
    """
    recipe, device = run.recipe, place.device
    validation = recipe.data.validation_fold
    held_out = data.subset({validation})
    learnt = data.subset({e.fold for e in data.images.entries} - {validation})
    _check_sides({"training": learnt, "validation": held_out})
    _fit(network, run, SELECT, learnt, held_out.images, place)
    known = _outputs(network, learnt.images, device)
    answered = _outputs(network, held_out.images, device)
    novelty = fit_novelty(known.features, learnt.images).distance(answered.features)
    found = calibrate(answered, held_out.images, recipe, novelty)
    rules = fit_mask_rules(network, held_out, device)
    keep_calibration(run, found.model_copy(update={"mask": rules}))
    return learnt.images, known


def _fit(
    network: LesionNetwork,
    run: Run,
    name: str,
    training: MarkedImages,
    validation: LabelledImages | None,
    place: Place,
) -> None:
    watcher, folder = place.watcher, run.folder / name
    watcher.say(f"{name}: {len(training)} images, {run.recipe.fit.epochs} epochs on {place.device}")
    with watched(folder, name, place) as (on_step, on_epoch):
        fitted = fit_dense(
            network,
            run.recipe,
            training,
            validation,
            folder,
            device=place.device,
            on_step=on_step,
            on_epoch=on_epoch,
        )
    plot_curves(fitted.curves, fitted.best_epoch, folder / "curves.png")


def _outputs(network: LesionNetwork, images: LabelledImages, device: torch.device) -> Outputs:
    features, logits = dense_answers(network, images, device)
    return Outputs(features.numpy(), logits.numpy())


def _check_sides(sides: Mapping[str, MarkedImages]) -> None:
    for side, data in sides.items():
        if not data.free.any() or not data.marked.any():
            lacking = "image without a tumor" if data.marked.any() else "tumor with a mask"
            msg = f"the {side} folds hold no {lacking}; this recipe needs some on both sides"
            raise DatasetError(msg)
