"""The fit of the network that marks lesions: epochs of drawn batches, resumed exactly.

Nothing is chosen by the pictures that are held out: the length is fixed, the weights are the
running mean at its end. The validation figures are there to be looked at.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

import torch

from tumorlens.errors import RecipeError
from tumorlens.train.dense.draw import Drawer
from tumorlens.train.dense.losses import Taught, dense_loss
from tumorlens.train.fit.checkpoint import load_state, save_state
from tumorlens.train.fit.loop import EVALUATION_BATCH, SEEDS_APART, computed_in
from tumorlens.train.fit.losses import partial_label_loss
from tumorlens.train.fit.optimize import Stepper, averaged, make_optimizer
from tumorlens.train.fit.records import Epoch, Fitted, Step, write_curves
from tumorlens.train.fit.schedule import learning_rate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch.optim.swa_utils import AveragedModel

    from tumorlens.train.augment.spec import AugmentRecipe
    from tumorlens.train.dataset import LabelledImages
    from tumorlens.train.dense.images import MarkedImages
    from tumorlens.train.dense.network import LesionNetwork
    from tumorlens.train.dense.spec import DenseSpec
    from tumorlens.train.fit.spec import FitRecipe
    from tumorlens.train.recipe import Recipe


def fit_dense(
    network: LesionNetwork,
    recipe: Recipe,
    training: MarkedImages,
    validation: LabelledImages | None,
    folder: Path,
    *,
    device: torch.device,
    on_step: Callable[[Step], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Fitted:
    """Train the network for the recipe's epochs, or go on where a killed run stopped.

    Args:
        network: On `device`; left with the running mean of its weights.
        recipe: What to do.
        training: What to learn from.
        validation: Held-out pictures whose figures are noted, or None.
        folder: Where ``last.pt`` and ``curves.csv`` are kept.
        device: Where the network lives.
        on_step: Called after each step.
        on_epoch: Called after each epoch.

    Raises:
        RecipeError: The loss is no longer a number.
        ModelCorrupt: A checkpoint is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spec = dense_spec(recipe)
    stepper = Stepper(make_optimizer(network, recipe.fit), recipe.fit, device)
    average = averaged(network, recipe.fit)
    kept = network if average is None else cast("LesionNetwork", average.module)
    curves = _resume(folder / "last.pt", network, stepper, average)
    drawer = None
    while len(curves) < recipe.fit.epochs:
        started, number = time.perf_counter(), len(curves) + 1
        if drawer is None or number == spec.small_first.epochs + 1:
            drawer = _drawer(training, spec, number)
        loss, rate = _epoch(network, recipe, drawer, stepper, average, number, curves, on_step)
        if not math.isfinite(loss):
            msg = (
                f"{folder}: the loss is no longer a number in epoch {number}; train with a lower "
                f"fit.learning_rate (it is {recipe.fit.learning_rate:g})"
            )
            raise RecipeError(msg)
        held_out = _validate(kept, validation, device) if validation else (None, None)
        line = Epoch(
            epoch=number,
            learning_rate=rate,
            train_loss=loss,
            validation_loss=held_out[0],
            validation_accuracy=held_out[1],
            seconds=time.perf_counter() - started,
        )
        curves.append(line)
        _keep(folder, network, stepper, average, curves)
        if on_epoch:
            on_epoch(line)
    network.load_state_dict(kept.state_dict())
    network.eval()
    return Fitted(tuple(curves), curves[-1].epoch)


def dense_spec(recipe: Recipe) -> DenseSpec:
    """The recipe's account of the network that marks lesions.

    Raises:
        RecipeError: It has none.
    """
    if recipe.dense is None:
        msg = f"recipe {recipe.name}: trains no network that marks lesions"
        raise RecipeError(msg)
    return recipe.dense


@torch.inference_mode()
def dense_answers(
    network: LesionNetwork, images: LabelledImages, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """The network's embeddings (N, F) and class logits (N, C), in 32-bit float, on the CPU."""
    network.eval()
    embeddings, logits = [], []
    for chosen in torch.split(torch.arange(len(images)), EVALUATION_BATCH):
        outputs, embedding = network.look(images.unchanged(chosen, device))
        embeddings.append(embedding.cpu())
        logits.append(network.classify(outputs).cpu())
    return torch.cat(embeddings), torch.cat(logits)


def _epoch(
    network: LesionNetwork,
    recipe: Recipe,
    drawer: Drawer,
    stepper: Stepper,
    average: AveragedModel | None,
    number: int,
    curves: list[Epoch],
    on_step: Callable[[Step], None] | None,
) -> tuple[float, float]:
    """The mean loss of an epoch's batches, and the learning rate at its last step."""
    seed, stage = recipe.seed * SEEDS_APART + number, _stage(recipe, number)
    chance = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # dropout draws from the global stream
    spec, fit = dense_spec(recipe), recipe.fit
    device = next(network.parameters()).device
    steps = max(1, spec.draws.images // fit.batch)
    network.train()
    total, rate = 0.0, 0.0
    drawn = drawer.batches(steps, fit.batch, stage.augment, chance)
    for step, (pictures, taught) in enumerate(drawn, start=1):
        position = number - 1 - stage.before + (step - 1) / steps
        rate = learning_rate(stage.fit, position, stage.epochs, curves)
        given = pictures.to(device).contiguous(memory_format=torch.channels_last)
        with computed_in(fit.precision, device):
            outputs = network(given)
        loss = dense_loss(outputs, _on(taught, device), spec.losses)
        stepper.step(loss, rate)
        if average is not None:
            average.update_parameters(network)
        total += loss.item()
        if on_step:
            on_step(Step(number, fit.epochs, step, steps, total / step))
    return total / steps, rate


@dataclass(frozen=True, slots=True)
class _Stage:
    """A part of a fit with a schedule of its own.

    Attributes:
        before: Epochs before it.
        epochs: Of its own.
        fit: How the learning rate goes.
        augment: How pictures are changed.
    """

    before: int
    epochs: int
    fit: FitRecipe
    augment: AugmentRecipe


def _stage(recipe: Recipe, epoch: int) -> _Stage:
    """The part that an epoch is in: up to the mild epochs, and those, small and then large."""
    spec, fit = dense_spec(recipe), recipe.fit
    mild, small = spec.mild_last, spec.small_first.epochs
    first = max(0, fit.epochs - mild.epochs)
    if epoch <= first:
        return _Stage(0, first, fit, recipe.augment)
    before, end = first, fit.epochs
    if first < small < end:
        before, end = (small, end) if epoch > small else (first, small)
    again = {"learning_rate": mild.rate * fit.learning_rate, "warmup_epochs": 0}
    changed = recipe.augment.scaled(mild.scale)
    return _Stage(before, end - before, fit.model_copy(update=again), changed)


def _drawer(training: MarkedImages, spec: DenseSpec, epoch: int) -> Drawer:
    """Draws pictures of the size that an epoch sees."""
    small = spec.small_first
    return Drawer(training.resized(small.scale if epoch <= small.epochs else 1), spec)


def _on(taught: Taught, device: torch.device) -> Taught:
    return Taught(
        taught.mask.to(device),
        taught.mask_known.to(device),
        taught.tumor.to(device),
        taught.kind.to(device),
    )


def _validate(
    network: LesionNetwork, images: LabelledImages, device: torch.device
) -> tuple[float, float]:
    _, logits = dense_answers(network, images, device)
    chosen = logits.argmax(dim=1, keepdim=True)
    accuracy = images.allowed.gather(1, chosen).float().mean().item()
    return partial_label_loss(logits, images.allowed).item(), accuracy


def _resume(
    path: Path, network: LesionNetwork, stepper: Stepper, average: AveragedModel | None
) -> list[Epoch]:
    if not path.is_file():
        return []
    state = load_state(path)
    network.load_state_dict(state["network"])
    stepper.load_state_dict(state)
    if average is not None:
        average.load_state_dict(state["average"])
    return [Epoch(**line) for line in state["curves"]]


def _keep(
    folder: Path,
    network: LesionNetwork,
    stepper: Stepper,
    average: AveragedModel | None,
    curves: list[Epoch],
) -> None:
    state = {
        "network": network.state_dict(),
        **stepper.state_dict(),
        "curves": [asdict(line) for line in curves],
    }
    if average is not None:
        state["average"] = average.state_dict()
    save_state(folder / "last.pt", state)
    write_curves(folder / "curves.csv", curves)
