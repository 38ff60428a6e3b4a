"""Keras layers as PyTorch modules that compute the same, made of their settings and arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from tumorlens.train.architectures.head import CURVES, Activation, Pooling, leaky
from tumorlens.train.keras.given import Given, UnknownLayer, pair
from tumorlens.train.keras.modules import (
    MAP_RANK,
    Affine,
    Joined,
    MeanOfWindow,
    Pool,
    Softmax,
    Windowed,
)
from tumorlens.train.keras.weighted import (
    MAX_REACH,
    batch_norm,
    conv,
    dense,
    depthwise,
    separable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tumorlens.train.keras.graph import Place
    from tumorlens.train.keras.tree import Array

    Maker = Callable[["Given"], list[nn.Module]]

NOTHING_IN_INFERENCE = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "RandomBrightness",
        "RandomContrast",
        "RandomFlip",
        "RandomHue",
        "RandomRotation",
        "RandomSaturation",
        "RandomShear",
        "RandomTranslation",
        "RandomZoom",
        "SpatialDropout2D",
    }
)
"""Kinds that change values while a model is trained, and nothing after."""

CODE = frozenset({"Lambda", "TFOpLambda", "SlicingOpLambda"})
"""Kinds that hold, or may hold, code of the file's author."""

_ACTIVATIONS = {
    "relu": "relu",
    "relu6": "relu6",
    "elu": "elu",
    "selu": "selu",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "silu": "silu",
    "swish": "silu",
    "softplus": "softplus",
    "gelu": "gelu",
}
_EPSILON = 1e-7
"""Keras' smallest deviation in its Normalization layer."""


def make(place: Place, arrays: Sequence[Array], shape: torch.Size) -> list[nn.Module]:
    """The modules, one after the other, of a layer that is given a value of some shape.

    Raises:
        UnknownLayer: It is of a kind, or has a setting, that is not understood here.
        ValueError: Its arrays do not fit its settings.
    """
    config = place.config
    if place.kind in NOTHING_IN_INFERENCE:
        return [nn.Identity()]
    maker = _MAKERS.get(place.kind)
    if maker is None:
        raise UnknownLayer(place, "this kind of layer is not understood without Keras")
    with torch.device("meta"):  # a module is given its arrays, and no memory before
        modules = maker(Given(place, arrays, shape))
    return [*modules, *_activation(place, config.get("activation"))]


def is_code(place: Place) -> bool:
    """Whether a layer holds code of its author's, or names some."""
    if place.kind == "TFOpLambda":
        return _operation(place) is None
    return place.kind in CODE


def _activation(place: Place, value: Any) -> list[nn.Module]:
    """An activation as Keras 2 or 3 write it: a word, or a dictionary about a word."""
    settings: Mapping[str, Any] = {}
    if isinstance(value, dict):
        inner = value.get("config")
        if value.get("class_name") not in {"function", None} and isinstance(inner, dict):
            settings, value = inner, str(value["class_name"]).lower()
        else:
            value = inner.get("name") if isinstance(inner, dict) else inner
    if value in {None, "linear"}:
        return []
    if value == "softmax":
        return [Softmax()]
    if value in {"leaky_relu", "leakyrelu"}:
        return [Activation(leaky(float(settings.get("negative_slope", 0.2))))]
    if value not in _ACTIVATIONS:
        raise UnknownLayer(place, f"the activation {value!r} is not understood")
    return [Activation(CURVES[_ACTIVATIONS[value]])]


def _max_pool(given: Given) -> list[nn.Module]:
    kernel = pair(given.config.get("pool_size", 2))
    stride = pair(given.config.get("strides") or kernel)
    same = given.config.get("padding", "valid") == "same"
    return [Windowed(nn.MaxPool2d(kernel, stride), kernel, stride, same=same, fill=-np.inf)]


def _mean_pool(given: Given) -> list[nn.Module]:
    kernel = pair(given.config.get("pool_size", 2))
    stride = pair(given.config.get("strides") or kernel)
    return [MeanOfWindow(kernel, stride, same=given.config.get("padding", "valid") == "same")]


def _global(pooling: Pooling) -> Maker:
    def make_pool(given: Given) -> list[nn.Module]:
        return [Pool(pooling, keeps_dimensions=bool(given.config.get("keepdims", False)))]

    return make_pool


def _reshape(given: Given) -> list[nn.Module]:
    target = [int(size) for size in given.config["target_shape"]]
    size = int(np.prod(given.shape[1:]))
    if target in ([size], [-1]):
        return [Pool(Pooling.FLATTEN)]
    if target == [1, 1, size]:
        return [Joined(lambda inputs: inputs[0].reshape(-1, size, 1, 1))]
    raise UnknownLayer(
        given.place, f"reshaping {tuple(given.shape[1:])} to {target} is not understood"
    )


def _zeros(given: Given) -> list[nn.Module]:
    padding = given.config.get("padding", 1)
    rows, columns = padding if isinstance(padding, list) else (padding, padding)
    top, bottom = pair(rows)
    left, right = pair(columns)
    if not 0 <= min(top, bottom, left, right) <= max(top, bottom, left, right) <= MAX_REACH:
        raise UnknownLayer(given.place, f"padding {padding} is not understood")
    return [nn.ZeroPad2d((left, right, top, bottom))]


def _cropping(given: Given) -> list[nn.Module]:
    cropping = given.config["cropping"]
    (top, bottom), (left, right) = (pair(side) for side in cropping)
    if min(top, bottom, left, right) < 0:
        raise UnknownLayer(given.place, f"cropping {cropping} is not understood")
    return [nn.ZeroPad2d((-left, -right, -top, -bottom))]


def _rescaling(given: Given) -> list[nn.Module]:
    return [Affine(given.config["scale"], given.config.get("offset", 0.0))]


def _normalization(given: Given) -> list[nn.Module]:
    config = given.config
    mean, variance = config.get("mean"), config.get("variance")
    if mean is None or variance is None:
        mean, variance = given.arrays[0], given.arrays[1]
    mean, deviation = np.ravel(mean), np.maximum(np.sqrt(np.ravel(variance)), _EPSILON)
    if config.get("invert") or mean.size not in {1, given.shape[1]} or len(given.shape) < MAP_RANK:
        raise UnknownLayer(given.place, "only a mean and a variance a channel are understood")
    return [Affine(1 / deviation, -mean / deviation)]


def _resizing(given: Given) -> list[nn.Module]:
    config = given.config
    if (config["height"], config["width"]) != tuple(given.shape[2:]):
        raise UnknownLayer(given.place, "resizing to another size is not understood")
    return [nn.Identity()]


def _relu(given: Given) -> list[nn.Module]:
    config = given.config
    most, below = config.get("max_value"), float(config.get("negative_slope") or 0)
    if config.get("threshold") or (most is not None and below):
        raise UnknownLayer(given.place, "a threshold, or a slope and a maximum, are not understood")
    if most is not None and float(most) != 6.0:  # noqa: PLR2004 - ReLU6, the only one in use
        raise UnknownLayer(given.place, f"max_value {most} is not understood, only 6")
    if most is not None:
        return [Activation(CURVES["relu6"])]
    return [Activation(leaky(below) if below else CURVES["relu"])]


def _leaky(given: Given) -> list[nn.Module]:
    slopes = [given.config[key] for key in ("negative_slope", "alpha") if key in given.config]
    return [Activation(leaky(float(slopes[0]) if slopes else 0.3))]


def _elu(given: Given) -> list[nn.Module]:
    if float(given.config.get("alpha", 1.0)) != 1.0:
        raise UnknownLayer(given.place, "an alpha other than 1 is not understood")
    return [Activation(CURVES["elu"])]


def _softmax(given: Given) -> list[nn.Module]:
    if given.config.get("axis", -1) not in {-1, len(given.shape) - 1}:
        raise UnknownLayer(given.place, "softmax over another axis than the last is not understood")
    return [Softmax()]


def _only_activation(_: Given) -> list[nn.Module]:
    return [nn.Identity()]  # `make` adds what the setting says


def _concatenated(given: Given) -> list[nn.Module]:
    if given.config.get("axis", -1) not in {-1, len(given.shape) - 1}:
        raise UnknownLayer(given.place, "only joining along the channels is understood")
    return [Joined(lambda inputs: torch.cat(list(inputs), dim=1))]


def _folded(pairwise: Callable[[Any, Any], Any]) -> Maker:
    def join(inputs: Sequence[Any]) -> Any:
        result = inputs[0]
        for other in inputs[1:]:
            result = pairwise(result, other)
        return result

    def make_joined(_: Given) -> list[nn.Module]:
        return [Joined(join)]

    return make_joined


def _average(_: Given) -> list[nn.Module]:
    return [Joined(lambda inputs: sum(inputs) / len(inputs))]


_ADD = _folded(lambda a, b: a + b)
_SUBTRACT = _folded(lambda a, b: a - b)
_MULTIPLY = _folded(lambda a, b: a * b)
_DIVIDE = _folded(lambda a, b: a / b)
_OPERATIONS = {
    "math.add": _ADD,
    "__operators__.add": _ADD,
    "math.subtract": _SUBTRACT,
    "__operators__.sub": _SUBTRACT,
    "math.multiply": _MULTIPLY,
    "__operators__.mul": _MULTIPLY,
    "math.truediv": _DIVIDE,
    "math.divide": _DIVIDE,
    "__operators__.truediv": _DIVIDE,
}
"""What Keras 2 calls arithmetic that a functional model does between its layers."""


def _operation(place: Place) -> Maker | None:
    return _OPERATIONS.get(str(place.config.get("function", "")).removeprefix("tf."))


def _arithmetic(given: Given) -> list[nn.Module]:
    operation = _operation(given.place)
    if operation is None:
        raise UnknownLayer(given.place, f"the function {given.config.get('function')!r} is code")
    return operation(given)


_MAKERS: dict[str, Maker] = {
    "Activation": _only_activation,
    "Add": _ADD,
    "Average": _average,
    "AveragePooling2D": _mean_pool,
    "BatchNormalization": batch_norm,
    "Concatenate": _concatenated,
    "Conv2D": conv,
    "Cropping2D": _cropping,
    "Dense": dense,
    "DepthwiseConv2D": depthwise,
    "Divide": _DIVIDE,
    "ELU": _elu,
    "Flatten": _global(Pooling.FLATTEN),
    "GlobalAveragePooling2D": _global(Pooling.AVERAGE),
    "GlobalMaxPooling2D": _global(Pooling.MAXIMUM),
    "LeakyReLU": _leaky,
    "MaxPooling2D": _max_pool,
    "Maximum": _folded(torch.maximum),
    "Multiply": _MULTIPLY,
    "Normalization": _normalization,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Resizing": _resizing,
    "SeparableConv2D": separable,
    "Softmax": _softmax,
    "Subtract": _SUBTRACT,
    "TFOpLambda": _arithmetic,
    "TrueDivide": _DIVIDE,
    "ZeroPadding2D": _zeros,
}
