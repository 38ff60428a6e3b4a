"""Fitting: a recipe and labelled images become weights, with checkpoints that resume exactly."""

from __future__ import annotations

import csv
import math
import os
import time
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import torch

from tumorlens.errors import ModelCorrupt
from tumorlens.model.run import first_line
from tumorlens.train.augment import augment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor, nn

    from tumorlens.train.dataset import LabelledImages
    from tumorlens.train.recipe import FitRecipe, Recipe

EVALUATION_BATCH = 64
GRADIENT_LIMIT = 5.0
"""Gradients of a larger norm are scaled down: a rare bad batch must not undo an epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One line of the training curves.

    Attributes:
        epoch: From 1.
        learning_rate: At its last step.
        train_loss: Mean loss over its augmented training images.
        validation_loss: Mean loss over the validation images, or None where there are none.
        validation_accuracy: Share of validation images whose most probable class is allowed.
        seconds: How long it took.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Step:
    """Where a running fit stands, for a progress display."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """The end of a fit: its curves, and the epoch whose weights the network now has."""

    curves: tuple[Epoch, ...]
    best_epoch: int


def partial_label_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """Mean of -log of the summed probability of the classes that each image may be of.

    With one allowed class this is cross-entropy; with all tumor classes allowed, it asks for a
    tumor and leaves the kind open.

    Args:
        logits: float (N, C).
        allowed: bool (N, C), at least one True a row.
    """
    log_probabilities = torch.log_softmax(logits.float(), dim=1)
    kept = log_probabilities.masked_fill(~allowed, -math.inf)
    return -torch.logsumexp(kept, dim=1).mean()


def fit(
    network: nn.Module,
    recipe: Recipe,
    training: LabelledImages,
    validation: LabelledImages | None,
    folder: Path,
    *,
    epochs: int,
    device: torch.device,
    on_step: Callable[[Step], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Fitted:
    """Train a network, or go on where a killed run stopped.

    After each epoch ``last.pt`` is replaced in one step, so that a kill at any time leaves a
    whole checkpoint. Chance is seeded by the recipe's seed and the epoch, so a resumed run
    draws what the unbroken one would have drawn.

    Args:
        network: On `device`; left with the weights of the best epoch (of the last epoch, where
            there are no validation images).
        recipe: What to do.
        training: Images to learn from.
        validation: Held-out images that choose the epoch, or None to take the last.
        folder: Where ``last.pt``, ``best.pt`` and ``curves.csv`` are kept.
        epochs: The length of the run.
        device: Where the network lives.
        on_step: Called after each step.
        on_epoch: Called after each epoch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = _optimizer(network, recipe.fit)
    curves: list[Epoch] = []
    if (folder / "last.pt").is_file():
        state = load_state(folder / "last.pt")
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        curves = [Epoch(**line) for line in state["curves"]]
    while len(curves) < epochs and not _exhausted(curves, recipe.fit.patience):
        started = time.perf_counter()
        number = len(curves) + 1
        loss, rate = _train_epoch(
            network, recipe, training, optimizer, number, epochs, device, on_step
        )
        held_out = _validate(network, validation, device) if validation else (None, None)
        line = Epoch(
            epoch=number,
            learning_rate=rate,
            train_loss=loss,
            validation_loss=held_out[0],
            validation_accuracy=held_out[1],
            seconds=time.perf_counter() - started,
        )
        curves.append(line)
        if best_epoch(curves) == number:
            save_state(folder / "best.pt", {"network": network.state_dict(), "epoch": number})
        save_state(
            folder / "last.pt",
            {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "curves": [asdict(c) for c in curves],
            },
        )
        _write_curves(folder / "curves.csv", curves)
        if on_epoch:
            on_epoch(line)
    network.load_state_dict(load_state(folder / "best.pt")["network"])
    network.eval()
    return Fitted(tuple(curves), best_epoch(curves))


def best_epoch(curves: list[Epoch]) -> int:
    """The epoch of the lowest validation loss, or the last where nothing was held out."""
    if curves[-1].validation_loss is None:
        return curves[-1].epoch
    return min(
        curves, key=lambda c: math.inf if c.validation_loss is None else c.validation_loss
    ).epoch


@torch.inference_mode()
def evaluate_batches(
    network: nn.Module, images: LabelledImages, device: torch.device
) -> Iterator[Tensor]:
    """The network's output for the images, a batch at a time, in 32-bit float, on the CPU."""
    network.eval()
    for batch in torch.split(images.pixels, EVALUATION_BATCH):
        yield network(batch.to(device).float() / 255).cpu()


def _train_epoch(
    network: nn.Module,
    recipe: Recipe,
    training: LabelledImages,
    optimizer: torch.optim.Optimizer,
    number: int,
    epochs: int,
    device: torch.device,
    on_step: Callable[[Step], None] | None,
) -> tuple[float, float]:
    chance = torch.Generator().manual_seed(recipe.seed * 100_003 + number)
    torch.manual_seed(recipe.seed * 100_003 + number)  # dropout draws from the global stream
    order = torch.multinomial(
        training.balanced_weights(), len(training), replacement=True, generator=chance
    )
    batches = [
        b for b in torch.split(order, recipe.fit.batch) if len(b) > 1
    ]  # one image has no variance
    network.train()
    total = 0.0
    rate = 0.0
    for step, chosen in enumerate(batches):
        rate = _learning_rate(recipe.fit, (number - 1) + step / len(batches), epochs)
        for group in optimizer.param_groups:
            group["lr"] = rate
        pixels = training.pixels[chosen].float() / 255
        images = augment(pixels, recipe.augment, chance).to(device)
        allowed = training.allowed[chosen].to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.fit.precision == "bf16"):
            logits = network(images.contiguous(memory_format=torch.channels_last))
        loss = partial_label_loss(logits, allowed)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
        optimizer.step()
        total += loss.item()
        if on_step:
            on_step(Step(number, epochs, step + 1, len(batches), total / (step + 1)))
    return total / len(batches), rate


def _validate(
    network: nn.Module, images: LabelledImages, device: torch.device
) -> tuple[float, float]:
    logits = torch.cat(list(evaluate_batches(network, images, device)))
    loss = partial_label_loss(logits, images.allowed)
    chosen = logits.argmax(dim=1, keepdim=True)
    return loss.item(), images.allowed.gather(1, chosen).float().mean().item()


def _learning_rate(recipe: FitRecipe, epoch: float, epochs: int) -> float:
    """Linear warm-up, then half a cosine down to 0 at the end."""
    if epoch < recipe.warmup_epochs:
        return recipe.learning_rate * max(epoch, 0.02) / recipe.warmup_epochs
    share = (epoch - recipe.warmup_epochs) / max(epochs - recipe.warmup_epochs, 1e-9)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def _optimizer(network: nn.Module, recipe: FitRecipe) -> torch.optim.Optimizer:
    """AdamW that decays matrices and kernels, and leaves biases and normalisation alone."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def _exhausted(curves: list[Epoch], patience: int) -> bool:
    return bool(curves) and curves[-1].epoch - best_epoch(curves) >= patience


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state in one step, so that a kill at any time leaves the old one or the new one."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)  # noqa: PTH105 - atomic on every platform, which rename is not


def load_state(path: Path) -> dict[str, Any]:
    """Read a state that `save_state` wrote.

    Raises:
        ModelCorrupt: The file is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        msg = f"{path}: it is damaged ({first_line(error)}); delete it, and train again"
        raise ModelCorrupt(msg) from error
    return state


def _write_curves(path: Path, curves: list[Epoch]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Epoch)])
        writer.writeheader()
        writer.writerows(asdict(line) for line in curves)
