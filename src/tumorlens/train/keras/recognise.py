"""Which published architecture a Keras model has, and what it is to be fed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from tumorlens.errors import RecipeError
from tumorlens.train.architectures.vgg16 import MEANS_BGR
from tumorlens.train.keras.graph import Value
from tumorlens.train.keras.layers import NOTHING_IN_INFERENCE

if TYPE_CHECKING:
    from collections.abc import Collection

    from tumorlens.train.keras.graph import Graph, Step


class Range(StrEnum):
    """What values the model was fed in training.

    UNIT is [0, 1] (``rescale=1/255``); BYTE is [0, 255], for models that rescale inside; OWN is
    what the architecture's ``preprocess_input`` gives.
    """

    UNIT = "unit"
    OWN = "own"
    BYTE = "255"


class Habit(StrEnum):
    """What a published architecture is fed, in the words of Keras' ``preprocess_input``."""

    SIGNED = "[-1, 1]"
    MEANS = "blue, green, red from 0 to 255, less the means of ImageNet"
    BYTE = "[0, 255]"


@dataclass(frozen=True, slots=True)
class Family:
    """A published architecture.

    Attributes:
        title: Its name.
        marks: Layers by whose names it is known.
        habit: What it is fed.
    """

    title: str
    marks: frozenset[str]
    habit: Habit


FAMILIES = (
    Family("MobileNetV2", frozenset({"Conv1", "bn_Conv1", "block_1_expand"}), Habit.SIGNED),
    Family("MobileNet", frozenset({"conv1", "conv_dw_1", "conv_pw_13"}), Habit.SIGNED),
    Family("VGG19", frozenset({"block1_conv1", "block5_conv4"}), Habit.MEANS),
    Family("VGG16", frozenset({"block1_conv1", "block5_conv3"}), Habit.MEANS),
    Family("ResNet", frozenset({"conv1_conv", "conv5_block3_out"}), Habit.MEANS),
    Family("Xception", frozenset({"block1_conv1", "block14_sepconv2"}), Habit.SIGNED),
    Family("InceptionV3", frozenset({"mixed0", "mixed10"}), Habit.SIGNED),
    Family("EfficientNet", frozenset({"stem_conv", "top_conv"}), Habit.BYTE),
)

_PLAIN = frozenset(
    {
        "Activation", "AveragePooling2D", "BatchNormalization", "Conv2D", "Dense", "Flatten",
        "GlobalAveragePooling2D", "GlobalMaxPooling2D", "InputLayer", "LeakyReLU", "MaxPooling2D",
        "ReLU", "Rescaling", "Softmax",
    }
)  # fmt: skip

_SMALL_SCALE = 0.02
"""A Rescaling by less than this is of 8-bit values: 1 / 255 or 1 / 127.5."""


def family(names: Collection[str]) -> Family | None:
    """The architecture whose layers have these names."""
    present = set(names)
    return next((found for found in FAMILIES if found.marks <= present), None)


def title(graph: Graph) -> str:
    """What a model is, in a few words."""
    found = family([place.names[-1] for place in graph.places])
    if found is not None:
        return found.title
    kinds = {step.place.kind for step in graph.steps} - NOTHING_IN_INFERENCE
    if kinds <= _PLAIN:
        return "plain convolutional network"
    return f"network of {len(graph.steps)} layers"


def rescales_bytes(graph: Graph) -> bool:
    """Whether the model itself brings values of [0, 255] to what its layers want."""
    value = Value(-1)
    for number, step in enumerate(graph.steps):
        if value not in step.values:
            continue
        if step.place.kind not in NOTHING_IN_INFERENCE | {"Resizing"}:
            return _takes_bytes(step)
        value = Value(number)
    return False


def _takes_bytes(step: Step) -> bool:
    constants = [abs(value) for value in step.inputs if isinstance(value, float)]
    kind, config = step.place.kind, step.place.config
    if kind == "Rescaling":
        scale = float(np.max(np.abs(config.get("scale", 1.0))))
        offset = float(np.max(np.abs(config.get("offset", 0.0))))
        # What is taken off lies within the range that was fed: 127.5, or a mean of some 120.
        return scale < _SMALL_SCALE or offset > 2 * scale
    if kind in {"TrueDivide", "Divide"} or str(config.get("function", "")).endswith(
        ("truediv", "divide")
    ):
        return any(value > 1 / _SMALL_SCALE for value in constants)
    return kind == "Normalization" or any(0 < value < _SMALL_SCALE for value in constants)


class Feed(nn.Module):
    """What is done to [0, 1] before a Keras model gets it.

    Args:
        channels: How many the model takes; grey is repeated.
        values: What range it was fed in training.
        found: Its architecture, where that is known.

    Raises:
        RecipeError: The range is the architecture's own, and the architecture is not known.
    """

    def __init__(self, channels: int, values: Range, found: Family | None) -> None:
        super().__init__()
        self.channels = channels
        self.habit = None
        self.factor = 255.0 if values is Range.BYTE else 1.0
        if values is Range.OWN:
            if found is None:
                msg = (
                    "--input-range own: the architecture is not one whose own range is known; "
                    "choose unit or 255"
                )
                raise RecipeError(msg)
            self.habit = found.habit

    def forward(self, image: Tensor) -> Tensor:
        """(N, 1 or channels, H, W) in [0, 1] → (N, channels, H, W) as the model takes it."""
        x = image.expand(-1, self.channels, -1, -1)
        if self.habit is Habit.SIGNED:
            return x * 2 - 1
        if self.habit is Habit.BYTE:
            return x * 255
        if self.habit is Habit.MEANS:
            means = torch.tensor(MEANS_BGR, dtype=x.dtype, device=x.device).view(1, -1, 1, 1)
            return torch.cat([x[:, 2:3], x[:, 1:2], x[:, 0:1]], dim=1) * 255 - means
        return x * self.factor if self.factor != 1 else x
