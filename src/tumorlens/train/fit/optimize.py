"""Steps: the optimizer, the precision's loss scale, the limit on gradients, the running mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from tumorlens.errors import RecipeError
from tumorlens.train.fit.spec import Optimizer, Precision

if TYPE_CHECKING:
    from torch import Tensor

    from tumorlens.train.fit.spec import FitRecipe

    Tensors = tuple[Tensor, ...] | list[Tensor]


class Stepper:
    """From a loss to changed weights.

    Args:
        optimizer: Of the weights that are trained.
        recipe: The limit on gradients, and the precision.
        device: Where the network lives.

    Raises:
        RecipeError: The precision needs another device.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, recipe: FitRecipe, device: torch.device
    ) -> None:
        check_precision(recipe, device)
        self._optimizer = optimizer
        self._limit = recipe.gradient_limit
        self._scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision is Precision.FP16)

    def step(self, loss: Tensor, rate: float) -> None:
        """One step down the loss."""
        optimizer, scaler = self._optimizer, self._scaler
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if self._limit:
            scaler.unscale_(optimizer)
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self._limit)
        scaler.step(optimizer)
        scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs of it."""
        return {"optimizer": self._optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])


def check_precision(recipe: FitRecipe, device: torch.device) -> None:
    """Refuse a precision that a device does not have.

    Raises:
        RecipeError: Half precision is asked for on a CPU.
    """
    if recipe.precision is Precision.FP16 and device.type != "cuda":
        msg = "fit.precision=fp16 needs a CUDA device; on a CPU use bf16 or fp32"
        raise RecipeError(msg)


def make_optimizer(network: nn.Module, recipe: FitRecipe) -> torch.optim.Optimizer:
    """The optimizer of the weights that are trained.

    It decays matrices and kernels, and leaves biases and normalisation alone.
    """
    trained = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    rate = recipe.learning_rate
    if recipe.optimizer is Optimizer.SGD:
        momentum = recipe.momentum
        return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0)
    if recipe.optimizer is Optimizer.ADAM:
        return torch.optim.Adam(groups, lr=rate)
    return torch.optim.AdamW(groups, lr=rate)


def averaged(network: nn.Module, recipe: FitRecipe) -> AveragedModel | None:
    """The running mean of the weights and batch statistics, where the recipe asks for one."""
    if not recipe.average:
        return None
    return AveragedModel(network, multi_avg_fn=RunningMean(recipe.average), use_buffers=True)


@dataclass(frozen=True, slots=True)
class RunningMean:
    """An exponential mean that forgets its beginning.

    A constant decay would keep a seventh of the untrained weights through the 400 steps of a short
    run; early on, the mean is over about a tenth of the steps so far.

    Attributes:
        decay: The share of the mean that a step leaves.
    """

    decay: float

    @torch.no_grad()
    def __call__(self, mean: Tensors, now: Tensors, steps: Tensor | int) -> None:
        """Move the mean of each tensor towards its value after `steps` steps."""
        share = 1 - min(self.decay, (1 + int(steps)) / (10 + int(steps)))
        if mean[0].is_floating_point():
            torch._foreach_lerp_(mean, now, share)
        else:
            torch._foreach_copy_(mean, now)
