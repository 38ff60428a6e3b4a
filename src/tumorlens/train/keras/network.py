"""The network of a Keras file, with the answers that a model file must give."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from tumorlens.errors import ModelIncompatible
from tumorlens.train.architectures.head import CURVES, Activation, Pooling, evidence, pool
from tumorlens.train.keras.modules import (
    MAP_RANK,
    Dense,
    FromProbabilities,
    KerasModule,
    Pool,
    Softmax,
    Windowed,
)
from tumorlens.train.keras.parts import Part, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Output(StrEnum):
    """What a network's last layer gives."""

    SIGMOID = "one unit with a sigmoid"
    SOFTMAX = "a softmax"
    SIGMOIDS = "several units with a sigmoid each"
    LOGIT = "one unit without an activation"
    LOGITS = "units without an activation"
    UNKNOWN = "probabilities, as is assumed"


@dataclass(frozen=True, slots=True)
class Head:
    """What follows a feature map.

    Attributes:
        start: Index of the part that gives the feature map.
        pooling: What comes first.
        layers: What follows, to the network's output.
    """

    start: int
    pooling: Pooling
    layers: tuple[nn.Module, ...]


class Imported(nn.Module):
    """A network of Keras: features, then a head whose evidence can be told place by place.

    Takes what the Keras model takes, channels first: (N, channels, H, W). Where the head is no
    chain of known layers, its logits count as a feature map of one place: the answers are the
    same, and the heatmap is even.

    Attributes:
        output: What the last layer of the file gives.
        tells_where: Whether its heatmaps differ from place to place.
        classes: How many classes it knows.
    """

    def __init__(self, parts: Sequence[Part], head: Head, output: Output) -> None:
        super().__init__()
        self.parts = tuple(parts[: head.start + 1])
        self.held = nn.ModuleList(part.module for part in self.parts)
        self.pooling = head.pooling
        self.head = nn.ModuleList(head.layers)
        self.output = output
        self.tells_where = len(self.parts[-1].shape) == MAP_RANK
        units = int(parts[-1].shape[1])
        self.classes = 2 if units == 1 else units

    def features(self, image: Tensor) -> Tensor:
        """(N, channels, H, W) as the Keras model takes it → (N, F, h, w)."""
        features = run(self.parts, image)
        return features if self.tells_where else features[:, :, None, None]

    def classify(self, features: Tensor) -> Tensor:
        """(N, F, h, w) → logits (N, C); a single unit z gives [0, z]."""
        x = pool(features, self.pooling)
        for layer in self.head:
            x = layer(x)
        return functional.pad(x, [1, 0]) if x.shape[1] == 1 else x

    def embedding(self, features: Tensor) -> Tensor:
        """(N, F, h, w) → (N, F), the global average."""
        return features.mean(dim=(2, 3))

    def class_maps(self, features: Tensor) -> Tensor:
        """(N, F, h, w) → (N, C, h, w), evidence whose mean over a map is the logit of its class."""
        maps = evidence(features, self.pooling, list(self.head))
        if maps.shape[1] == 1:
            return torch.cat([torch.zeros_like(maps), maps], dim=1)
        return maps

    def forward(self, image: Tensor) -> Tensor:
        """(N, channels, H, W) → logits (N, C)."""
        return self.classify(self.features(image))


def with_head(parts: Sequence[Part], path: Path) -> Imported:
    """Find where features end and the head begins, and take the head's last activation off.

    Raises:
        ModelIncompatible: The model gives something else than an answer for each class.
    """
    shape = tuple(parts[-1].shape[1:])
    if len(shape) != 1:
        msg = f"{path}: the model gives {shape} for an image, not an answer for each class"
        raise ModelIncompatible(msg)
    head = _head(parts)
    if head is None:
        head = Head(len(parts) - 1, Pooling.AVERAGE, ())
        if isinstance(parts[-1].module, Activation | Softmax):
            head = Head(len(parts) - 2, Pooling.AVERAGE, (parts[-1].module,))
        elif isinstance(parts[-1].module, KerasModule):
            head = Head(len(parts) - 1, Pooling.AVERAGE, (FromProbabilities(),))
    layers, output = _as_logits(head.layers, shape[0], path)
    return Imported(parts, Head(head.start, head.pooling, layers), output)


def _head(parts: Sequence[Part]) -> Head | None:
    """The head, if all that follows some map is a chain of layers that evidence goes back through.

    1. Go back from the output, through layers on vectors.
    2. Stop at the pooling of a map of several places; one of a single place is taken only where
       there is no other before it.
    """
    layers: list[nn.Module] = []
    found = None
    number = len(parts) - 1
    while number >= 0 and len(parts[number].inputs) == 1:
        (value,) = parts[number].inputs
        if isinstance(value, float) or value.step < 0:
            break
        before = parts[value.step].shape
        module = parts[number].module
        if isinstance(module, Pool) and len(before) == MAP_RANK:
            found = Head(value.step, module.pooling, tuple(layers))
            if before[2] * before[3] > 1:
                break
        else:
            layer = _on_vectors(parts[number], before)
            if layer is None:
                break
            layers.insert(0, layer)
        number = value.step
    return found


def _on_vectors(part: Part, before: torch.Size) -> nn.Module | None:
    """A part as a layer on vectors, or None where it is none that evidence goes back through."""
    module = part.module
    if any(side > 1 for shape in (before, part.shape) for side in shape[2:]):
        return None
    if isinstance(module, Windowed) and isinstance(module.apply_to, nn.Conv2d):
        return _as_linear(module.apply_to)
    if isinstance(module, Dense):
        return module.linear
    known = (nn.Linear, nn.BatchNorm1d, nn.Identity, Activation, Softmax)
    return module if isinstance(module, known) else None


def _as_linear(conv: nn.Conv2d) -> nn.Linear | None:
    """A convolution of one place as a dense layer."""
    if conv.kernel_size != (1, 1) or conv.groups != 1:
        return None
    linear = nn.Linear(conv.in_channels, conv.out_channels, bias=conv.bias is not None)
    linear.weight = nn.Parameter(conv.weight.detach()[:, :, 0, 0])
    if conv.bias is not None:
        linear.bias = nn.Parameter(conv.bias.detach())
    return linear


def _as_logits(
    layers: Sequence[nn.Module], units: int, path: Path
) -> tuple[tuple[nn.Module, ...], Output]:
    """The layers of a head without the last activation, and what it was."""
    kept = [layer for layer in layers if not isinstance(layer, nn.Identity)]
    last = kept[-1] if kept else None
    single = units == 1
    if any(isinstance(layer, Softmax) for layer in kept[:-1]):
        msg = f"{path}: a softmax stands before its last layer; such heads are not understood"
        raise ModelIncompatible(msg)
    if isinstance(last, Softmax):
        if single:
            msg = f"{path}: its last layer is a softmax of one unit, which is always 1"
            raise ModelIncompatible(msg)
        return tuple(kept[:-1]), Output.SOFTMAX
    if isinstance(last, Activation):
        if last.curve is not CURVES["sigmoid"]:
            msg = (
                f"{path}: its last layer has an activation that does not give probabilities; "
                "a softmax, a sigmoid or none is understood"
            )
            raise ModelIncompatible(msg)
        if single:
            return tuple(kept[:-1]), Output.SIGMOID
        return (*kept[:-1], Activation(CURVES["log_sigmoid"])), Output.SIGMOIDS
    if isinstance(last, FromProbabilities):
        return tuple(kept), Output.UNKNOWN
    return tuple(kept), Output.LOGIT if single else Output.LOGITS
