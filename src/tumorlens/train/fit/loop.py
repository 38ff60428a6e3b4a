"""The loop of a fit: batches, steps, validation, early stopping, and what is kept of them."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from tumorlens.errors import RecipeError
from tumorlens.train.dataset import label_weights
from tumorlens.train.fit.checkpoint import load_state, save_state
from tumorlens.train.fit.losses import partial_label_loss, partial_label_losses
from tumorlens.train.fit.optimize import Stepper, averaged, make_optimizer
from tumorlens.train.fit.records import Epoch, Fitted, Step, best_epoch, write_curves
from tumorlens.train.fit.schedule import learning_rate
from tumorlens.train.fit.spec import Balance, Precision
from tumorlens.train.workers import ALONE

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from torch import Generator, Tensor
    from torch.optim.swa_utils import AveragedModel

    from tumorlens.train.architectures.classifier import Classifier
    from tumorlens.train.dataset import Examples
    from tumorlens.train.recipe import Recipe
    from tumorlens.train.workers import Workers

EVALUATION_BATCH = 64

CPU_BATCH = 8
"""Images at a time on a CPU where none waits for another: what they need then fits its caches,
which makes MobileNetV2 up to three times as fast as batches of 64."""

STEPS_BETWEEN_REPORTS = 10
"""On a GPU: to ask it for the loss is to wait for it."""

SEEDS_APART = 100_003
"""A prime between the chances of a seed's epochs and those of the next seed."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Fit:
    """A fit under way."""

    network: Classifier
    recipe: Recipe
    training: Examples
    validation: Examples | None
    folder: Path
    epochs: int
    device: torch.device
    workers: Workers
    stepper: Stepper
    average: AveragedModel | None
    curves: list[Epoch] = field(default_factory=list)

    @property
    def judged(self) -> Classifier:
        """The network that is validated and kept: the running mean, where there is one."""
        if self.average is None:
            return self.network
        return cast("Classifier", self.average.module)


def fit(
    network: Classifier,
    recipe: Recipe,
    training: Examples,
    validation: Examples | None,
    folder: Path,
    *,
    epochs: int,
    device: torch.device,
    on_step: Callable[[Step], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    workers: Workers = ALONE,
) -> Fitted:
    """Train a network, or go on where a killed run stopped.

    After each epoch ``last.pt`` is replaced in one step, so that a kill at any time leaves a
    whole checkpoint. Chance is seeded by the recipe's seed and the epoch, so a resumed run
    draws what the unbroken one would have drawn.

    Args:
        network: On `device`; left with the weights of the best epoch (of the last epoch, where
            there are no validation images).
        recipe: What to do.
        training: What to learn from.
        validation: What is held out and chooses the epoch, or None to take the last.
        folder: Where ``last.pt``, ``best.pt`` and ``curves.csv`` are kept.
        epochs: The length of the run.
        device: Where the network lives.
        on_step: Called after each step.
        on_epoch: Called after each epoch.
        workers: The processes that train together, this one among them.

    Raises:
        RecipeError: The loss is no longer a number, or the precision needs another device.
        ModelCorrupt: A checkpoint is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    running = _Fit(
        network=network,
        recipe=recipe,
        training=training,
        validation=validation,
        folder=folder,
        epochs=epochs,
        device=device,
        workers=workers,
        stepper=Stepper(make_optimizer(network, recipe.fit), recipe.fit, device),
        average=averaged(network, recipe.fit),
    )
    _resume(running)
    workers.wait()  # until all have read the checkpoint that the first one is about to replace
    trained = _trained_part(running)
    while len(running.curves) < epochs and not _exhausted(running):
        line = _one_epoch(running, trained, on_step)
        running.curves.append(line)
        if workers.is_first:
            _keep(running)
        if on_epoch:
            on_epoch(line)
    workers.wait()
    network.load_state_dict(load_state(folder / "best.pt")["network"])
    network.eval()
    return Fitted(tuple(running.curves), best_epoch(running.curves, recipe.fit.monitor))


@torch.inference_mode()
def answers(
    network: Classifier, examples: Examples, device: torch.device, workers: Workers = ALONE
) -> tuple[Tensor, Tensor]:
    """The network's embeddings (N, F) and logits (N, C) of all examples, float32, on the CPU.

    Computed in 32 bits, on the examples as they are, each process its share.
    """
    network.eval()
    order = workers.share(torch.arange(len(examples)))
    embeddings, logits = [], []
    for chosen in torch.split(order, at_a_time(device)):
        features = examples.features(network, examples.unchanged(chosen, device)).float()
        embeddings.append(network.embedding(features))
        logits.append(network.classify(features).float())
    return (
        _gathered(torch.cat(embeddings), order, len(examples), workers),
        _gathered(torch.cat(logits), order, len(examples), workers),
    )


def at_a_time(device: torch.device) -> int:
    """How many images to answer at once."""
    return CPU_BATCH if device.type == "cpu" else EVALUATION_BATCH


def _gathered(rows: Tensor, order: Tensor, count: int, workers: Workers) -> Tensor:
    """The rows of all processes, in order, in each of them."""
    everything = rows.new_zeros((count, *rows.shape[1:]))
    everything[order.to(rows.device)] = rows
    return workers.add(everything).cpu()


class _Trained(nn.Module):
    """What a step computes: examples as they are given → logits."""

    def __init__(self, network: Classifier, examples: Examples) -> None:
        super().__init__()
        self.network = network
        self._examples = examples

    def forward(self, given: Tensor) -> Tensor:
        """Images or features → logits (n, C)."""
        return self.network.classify(self._examples.features(self.network, given))


def _trained_part(running: _Fit) -> nn.Module:
    trained: nn.Module = _Trained(running.network, running.training)
    if running.workers.count == 1:
        return trained
    if running.device.type == "cuda":
        # Batch statistics over the whole batch; PyTorch has this for GPUs only.
        nn.SyncBatchNorm.convert_sync_batchnorm(trained)  # type: ignore[no-untyped-call]
    return nn.parallel.DistributedDataParallel(trained)


def _one_epoch(running: _Fit, trained: nn.Module, on_step: Callable[[Step], None] | None) -> Epoch:
    started = time.perf_counter()
    number = len(running.curves) + 1
    loss, rate = _train_epoch(running, trained, number, on_step)
    if not math.isfinite(loss):
        msg = (
            f"{running.folder}: the loss is no longer a number in epoch {number}; train with a "
            f"lower fit.learning_rate (it is {running.recipe.fit.learning_rate:g})"
        )
        raise RecipeError(msg)
    held_out = _validate(running)
    return Epoch(
        epoch=number,
        learning_rate=rate,
        train_loss=loss,
        validation_loss=held_out[0],
        validation_accuracy=held_out[1],
        seconds=time.perf_counter() - started,
    )


def _train_epoch(
    running: _Fit, trained: nn.Module, number: int, on_step: Callable[[Step], None] | None
) -> tuple[float, float]:
    """The mean loss of an epoch's batches, and the learning rate at its last step."""
    recipe, workers, device = running.recipe, running.workers, running.device
    chance = torch.Generator().manual_seed(recipe.seed * SEEDS_APART + number)
    batches = _batches(running, chance)
    changes = _chance_of_changes(running, number, chance)
    weights = _loss_weights(running)
    running.network.train()
    total = torch.zeros((), device=device)
    rate = 0.0
    for step, chosen in enumerate(batches, start=1):
        position = (number - 1) + (step - 1) / len(batches)
        rate = learning_rate(recipe.fit, position, running.epochs, running.curves)
        mine = workers.share(chosen)
        given = running.training.changed(mine, number, recipe.augment, changes)
        with computed_in(recipe.fit.precision, device):
            logits = trained(given)
        losses = partial_label_losses(
            logits, running.training.allowed[mine].to(device), recipe.fit.label_smoothing
        )
        if weights is not None:
            losses = losses * weights[mine].to(device)
        # Gradients are averaged over the processes, whose shares may differ by one.
        loss = losses.sum() * workers.count / len(chosen)
        running.stepper.step(loss, rate)
        if running.average is not None:
            running.average.update_parameters(running.network)
        total += loss.detach()
        if on_step and (device.type == "cpu" or step % STEPS_BETWEEN_REPORTS == 0):
            mean = total.item() / step
            on_step(Step(number, running.epochs, step, len(batches), mean))
    return workers.add(total).item() / workers.count / len(batches), rate


def _batches(running: _Fit, chance: Generator) -> list[Tensor]:
    """The order of an epoch; a last batch that is too small for a batch's statistics is left out.

    The order is the same in each process.
    """
    recipe, count = running.recipe.fit, len(running.training)
    if recipe.sampler is Balance.NONE:
        order = torch.randperm(count, generator=chance)
    else:
        weights = label_weights(running.training, recipe.sampler)
        order = torch.multinomial(weights, count, replacement=True, generator=chance)
    least = 2 * running.workers.count
    return [batch for batch in torch.split(order, recipe.batch) if len(batch) >= least]


def _chance_of_changes(running: _Fit, number: int, chance: Generator) -> Generator:
    """Where augmentation and dropout draw from in an epoch, different in each process."""
    workers, device = running.workers, running.device
    seed = running.recipe.seed * SEEDS_APART + number
    seed += workers.rank * SEEDS_APART * SEEDS_APART
    torch.manual_seed(seed)  # dropout draws from the global stream
    if workers.count == 1 and device.type == "cpu":
        return chance
    return torch.Generator(device).manual_seed(seed)


def _loss_weights(running: _Fit) -> Tensor | None:
    """How much each training image counts, with the mean 1; None where all count the same."""
    balance = running.recipe.fit.class_weights
    if balance is Balance.NONE:
        return None
    weights = label_weights(running.training, balance)
    return (weights / weights.mean()).float()


def computed_in(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which a network is computed in a precision."""
    if precision is Precision.FP32:
        return nullcontext()
    return torch.autocast(
        device.type, torch.bfloat16 if precision is Precision.BF16 else torch.float16
    )


def _validate(running: _Fit) -> tuple[float, float] | tuple[None, None]:
    images = running.validation
    if images is None:
        return None, None
    _, logits = answers(running.judged, images, running.device, running.workers)
    loss = partial_label_loss(logits, images.allowed)
    chosen = logits.argmax(dim=1, keepdim=True)
    return loss.item(), images.allowed.gather(1, chosen).float().mean().item()


def _exhausted(running: _Fit) -> bool:
    if not running.curves or running.validation is None:
        return False
    best = best_epoch(running.curves, running.recipe.fit.monitor)
    return running.curves[-1].epoch - best >= running.recipe.fit.patience


def _resume(running: _Fit) -> None:
    if not (running.folder / "last.pt").is_file():
        return
    state = load_state(running.folder / "last.pt")
    running.network.load_state_dict(state["network"])
    running.stepper.load_state_dict(state)
    if running.average is not None:
        running.average.load_state_dict(state["average"])
    running.curves = [Epoch(**line) for line in state["curves"]]


def _keep(running: _Fit) -> None:
    curves = running.curves
    number = curves[-1].epoch
    if best_epoch(curves, running.recipe.fit.monitor) == number:
        state = {"network": running.judged.state_dict(), "epoch": number}
        save_state(running.folder / "best.pt", state)
    state = {
        "network": running.network.state_dict(),
        **running.stepper.state_dict(),
        "curves": [asdict(line) for line in curves],
    }
    if running.average is not None:
        state["average"] = running.average.state_dict()
    save_state(running.folder / "last.pt", state)
    write_curves(running.folder / "curves.csv", curves)
