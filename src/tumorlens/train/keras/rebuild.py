"""A network from weights alone: names and shapes of its layers tell the architecture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tumorlens.errors import ModelCorrupt, ModelIncompatible
from tumorlens.train.architectures.classifier import Classifier
from tumorlens.train.architectures.spec import Architecture, NetworkSpec, Normalisation
from tumorlens.train.keras.fill import fill, put, stored_layers
from tumorlens.train.keras.recognise import Family, family

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from tumorlens.train.keras.saved import Saved
    from tumorlens.train.keras.tree import Array

DEFAULT_SIZE = 224
"""Rows and columns of an input that a file does not tell: what the architectures are made for."""

REDUCTION = 32
"""How much smaller than the image the map of each of these architectures is."""

_ARCHITECTURES = {
    "MobileNetV2": Architecture.MOBILENETV2,
    "MobileNet": Architecture.MOBILENET,
    "VGG16": Architecture.VGG16,
}
_CHANNELS = {Architecture.MOBILENETV2: 1280, Architecture.MOBILENET: 1024, Architecture.VGG16: 512}
_DENSE_ARRAYS = 2
"""A kernel and a bias."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A network that was rebuilt, and what had to be assumed for it."""

    network: Classifier
    family: Family
    assumed: tuple[str, ...]


def rebuild(saved: Saved, size: int | None) -> Rebuilt:
    """The network that a file's weights are of, with these weights.

    Args:
        saved: The file.
        size: Rows and columns of the input, where the file does not tell them.

    Raises:
        ModelIncompatible: The weights are of no architecture that can be told from them, or do
            not fit the one that their names tell of.
        ModelCorrupt: The head's do not fit.
    """
    path, layers = saved.path, stored_layers(saved)
    found = family(layers)
    architecture = _ARCHITECTURES.get(found.title) if found else None
    if found is None or architecture is None:
        msg = (
            f"{path}: it has weights alone, and their names are of no architecture that is known "
            "(MobileNet, MobileNetV2, VGG16). Save the whole model with model.save('model.keras')"
        )
        raise ModelIncompatible(msg)
    dense = {
        name: arrays
        for name, arrays in layers.items()
        if len(arrays) == _DENSE_ARRAYS and arrays[0].ndim == 2  # noqa: PLR2004
    }
    if not dense:
        msg = (
            f"{path}: weights of a {found.title} without a head: it tells no classes. To train "
            "from them, give the file to `tumorlens train --init`"
        )
        raise ModelIncompatible(msg)
    spec, side = _spec(architecture, list(dense.values()), path)
    size = size or (side * REDUCTION if side else DEFAULT_SIZE)
    classes = 2 if spec.output == "sigmoid" else len(list(dense.values())[-1][1])
    network = Classifier(spec, classes, size, size)
    try:
        fill(network.backbone, layers, path)
    except ModelCorrupt as error:
        msg = (
            f"{error}. Weights alone are understood for the full width (alpha 1.0); save the "
            "whole model with model.save('model.keras')"
        )
        raise ModelIncompatible(msg) from error
    heads: list[nn.Module] = [*network.hidden, network.predictions]
    for module, (name, arrays) in zip(heads, dense.items(), strict=True):
        put(module, arrays, f"{path}: layer {name}")
    return Rebuilt(network.eval(), found, _assumed(spec, size))


def _spec(
    architecture: Architecture, dense: list[list[Array]], path: Path
) -> tuple[NetworkSpec, int | None]:
    """The spec, and the side of the map where the head tells it."""
    inputs, channels = dense[0][0].shape[0], _CHANNELS[architecture]
    side = math.isqrt(inputs // channels)
    if side * side * channels != inputs:
        msg = (
            f"{path}: its first dense layer takes {inputs} numbers, which is no square map of "
            f"{channels} features; save the whole model with model.save('model.keras')"
        )
        raise ModelIncompatible(msg)
    spec = NetworkSpec(
        architecture=architecture,
        pooling="average" if side == 1 else "flatten",
        dense=tuple(arrays[0].shape[1] for arrays in dense[:-1]),
        output="sigmoid" if dense[-1][0].shape[1] == 1 else "softmax",
        normalisation=Normalisation.UNIT,
    )
    return spec, None if side == 1 else side


def _assumed(spec: NetworkSpec, size: int) -> tuple[str, ...]:
    assumed = [f"an input of {size}x{size}", f"a {spec.output} at its end"]
    if spec.pooling == "average":
        assumed.append("a global average before its dense layers")
    if spec.dense:
        assumed.append("ReLU after its hidden dense layers")
    return tuple(assumed)
