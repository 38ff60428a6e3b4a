"""From a feature map to logits, and each logit back to the places of the map that it comes from.

A head is a pooling and a chain of layers on vectors. Its evidence maps are HiResCAM's (Draelos &
Carin, 2020): gradient times feature, place by place. They are written without automatic
differentiation, as products of plain tensors, so that they are a part of an exported graph. Where
the head is a global average and one dense layer they are the class activation maps of Zhou et al.
(2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Pooling(StrEnum):
    """How a feature map becomes a vector."""

    AVERAGE = "average"
    MAXIMUM = "maximum"
    FLATTEN = "flatten"


@dataclass(frozen=True, slots=True)
class Curve:
    """A function of one number, and its slope."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
"""The constants of Klambauer et al. (2017)."""


def _selu_slope(x: Tensor) -> Tensor:
    return SELU_SCALE * torch.where(x > 0, torch.ones_like(x), SELU_ALPHA * torch.exp(x))


def _silu_slope(x: Tensor) -> Tensor:
    gate = torch.sigmoid(x)
    return gate * (1 + x * (1 - gate))


def _gelu_slope(x: Tensor) -> Tensor:
    below = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    return below + x * torch.exp(-0.5 * x.square()) / math.sqrt(2 * math.pi)


def leaky(slope: float) -> Curve:
    """The leaky ReLU: a line of the given slope below 0."""
    return Curve(
        lambda x: functional.leaky_relu(x, slope),
        lambda x: torch.where(x > 0, torch.ones_like(x), torch.full_like(x, slope)),
    )


CURVES = {
    "relu": Curve(torch.relu, lambda x: (x > 0).to(x.dtype)),
    "relu6": Curve(functional.relu6, lambda x: ((x > 0) & (x < 6)).to(x.dtype)),  # noqa: PLR2004
    "elu": Curve(functional.elu, lambda x: torch.exp(x.clamp_max(0))),
    "selu": Curve(functional.selu, _selu_slope),
    "tanh": Curve(torch.tanh, lambda x: 1 - torch.tanh(x).square()),
    "sigmoid": Curve(torch.sigmoid, lambda x: torch.sigmoid(x) * torch.sigmoid(-x)),
    "silu": Curve(functional.silu, _silu_slope),
    "softplus": Curve(functional.softplus, torch.sigmoid),
    "gelu": Curve(functional.gelu, _gelu_slope),
    "log_sigmoid": Curve(functional.logsigmoid, lambda x: torch.sigmoid(-x)),
}
"""The activations of a head, by PyTorch's name."""


class Activation(nn.Module):
    """A function of each number by itself."""

    def __init__(self, curve: Curve) -> None:
        super().__init__()
        self.curve = curve

    def forward(self, x: Tensor) -> Tensor:
        """Any shape → the same shape."""
        return self.curve.value(x)


def pool(features: Tensor, pooling: Pooling) -> Tensor:
    """(N, F, h, w) → (N, F), or (N, h * w * F) in Keras' order, where features vary fastest."""
    if pooling is Pooling.AVERAGE:
        return features.mean(dim=(2, 3))
    if pooling is Pooling.MAXIMUM:
        return features.amax(dim=(2, 3))
    return features.permute(0, 2, 3, 1).flatten(1)


def evidence(features: Tensor, pooling: Pooling, layers: Sequence[nn.Module]) -> Tensor:
    """The evidence maps of a head's outputs: the mean over each map is its output.

    1. Run the layers, and keep what each was given.
    2. Follow each output back through them to its gradient by the pooled vector.
    3. Multiply by the features, place by place. What a gradient does not explain (the biases) is
       spread evenly.

    Args:
        features: (N, F, h, w).
        pooling: What comes first.
        layers: What follows, in inference mode: `nn.Linear`, `nn.BatchNorm1d`, `nn.Dropout` and
            `Activation`.

    Returns:
        (N, C, h, w).
    """
    vector = pool(features, pooling)
    inputs = []
    output = vector
    for layer in layers:
        inputs.append(output)
        output = layer(output)
    classes = output.shape[1]
    gradient = torch.eye(classes, dtype=output.dtype, device=output.device).unsqueeze(0)
    for layer, given in zip(reversed(layers), reversed(inputs), strict=True):
        gradient = _back(layer, given, gradient)
    maps = _on_places(gradient, features, pooling)
    unexplained = output - maps.mean(dim=(2, 3))
    return maps + unexplained[:, :, None, None]


def _back(layer: nn.Module, given: Tensor, gradient: Tensor) -> Tensor:
    """A gradient (N or 1, C, out) by a layer's output to that by its input (N or 1, C, in)."""
    if isinstance(layer, nn.Linear):
        return gradient @ layer.weight
    if isinstance(layer, Activation):
        return gradient * layer.curve.slope(given).unsqueeze(1)
    if isinstance(layer, nn.BatchNorm1d):
        mean, variance = layer.running_mean, layer.running_var
        assert mean is not None  # noqa: S101 - for the type checker; Keras' always has statistics
        assert variance is not None  # noqa: S101
        scale = torch.rsqrt(variance + layer.eps)
        return gradient * (scale if layer.weight is None else scale * layer.weight)
    return gradient  # dropout, which is nothing in inference


def _on_places(gradient: Tensor, features: Tensor, pooling: Pooling) -> Tensor:
    """Gradient by the pooled vector times features, for each place, times the number of places."""
    count, channels, height, width = features.shape
    if pooling is Pooling.FLATTEN:
        by_place = gradient.reshape(-1, gradient.shape[1], height, width, channels)
        products = by_place * features.permute(0, 2, 3, 1).unsqueeze(1)
        return products.sum(dim=4) * (height * width)
    if pooling is Pooling.MAXIMUM:
        winners = (features == features.amax(dim=(2, 3), keepdim=True)).to(features.dtype)
        share = winners / winners.sum(dim=(2, 3), keepdim=True)
        features = features * share * (height * width)
    maps = gradient @ features.flatten(2)
    return maps.reshape(count, -1, height, width)
