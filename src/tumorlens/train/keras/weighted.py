"""Keras layers with weights as PyTorch modules: axes are turned once, when a layer is made.

Modules are made empty, and filled only with arrays of the shape that their settings ask for, so
that a setting in a file cannot claim memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from tumorlens.train.keras.given import UnknownLayer, pair
from tumorlens.train.keras.modules import MAP_RANK, Dense, Windowed

if TYPE_CHECKING:
    from tumorlens.train.keras.given import Given
    from tumorlens.train.keras.graph import Place
    from tumorlens.train.keras.tree import Array

MAX_REACH = 256
"""Rows or columns that a window may span; a file could ask for padding without end."""


def _filled(module: nn.Module, **arrays: Array | None) -> nn.Module:
    """Put arrays in the place of a module's empty parameters and statistics."""
    for name, array in arrays.items():
        if array is None:
            continue
        wanted = tuple(getattr(module, name).shape)
        if wanted != array.shape:
            msg = f"its {name} has shape {array.shape}, its settings want {wanted}"
            raise ValueError(msg)
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        is_statistic = name in dict(module.named_buffers())
        setattr(module, name, tensor if is_statistic else nn.Parameter(tensor))
    return module


def _window(place: Place, module: nn.Module, kernel: tuple[int, int]) -> Windowed:
    config = place.config
    padding = config.get("padding", "valid")
    if padding not in {"same", "valid"}:
        raise UnknownLayer(place, f"padding {padding!r} is not understood")
    dilation = pair(config.get("dilation_rate", 1))
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    if max(reach) > MAX_REACH:
        raise UnknownLayer(place, f"a window of {reach} is not understood")
    stride = pair(config.get("strides") or 1)
    return Windowed(module, (reach[0], reach[1]), stride, same=padding == "same")


def conv(given: Given) -> list[nn.Module]:
    """Conv2D, kernel (h, w, in, out)."""
    config, kernel = given.config, given.arrays[0]
    module = nn.Conv2d(
        given.shape[1],
        int(config["filters"]),
        pair(config["kernel_size"]),
        pair(config.get("strides", 1)),
        dilation=pair(config.get("dilation_rate", 1)),
        groups=int(config.get("groups", 1)),
        bias=bool(config.get("use_bias", True)),
    )
    bias = given.arrays[1] if module.bias is not None else None
    _filled(module, weight=kernel.transpose(3, 2, 0, 1), bias=bias)
    return [_window(given.place, module, pair(config["kernel_size"]))]


def depthwise(given: Given) -> list[nn.Module]:
    """DepthwiseConv2D, kernel (h, w, in, multiplier)."""
    config, kernel = given.config, given.arrays[0]
    rows, columns, channels, multiplier = kernel.shape
    module = nn.Conv2d(
        given.shape[1],
        given.shape[1] * int(config.get("depth_multiplier", 1)),
        pair(config["kernel_size"]),
        pair(config.get("strides", 1)),
        dilation=pair(config.get("dilation_rate", 1)),
        groups=given.shape[1],
        bias=given.place.kind == "DepthwiseConv2D" and bool(config.get("use_bias", True)),
    )
    weight = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, rows, columns)
    _filled(module, weight=weight, bias=given.arrays[1] if module.bias is not None else None)
    return [_window(given.place, module, pair(config["kernel_size"]))]


def separable(given: Given) -> list[nn.Module]:
    """SeparableConv2D: depthwise, then pointwise."""
    first = depthwise(given)
    filters, inputs = int(given.config["filters"]), given.arrays[1].shape[2]
    module = nn.Conv2d(inputs, filters, 1, bias=bool(given.config.get("use_bias", True)))
    bias = given.arrays[2] if module.bias is not None else None
    return [*first, _filled(module, weight=given.arrays[1].transpose(3, 2, 0, 1), bias=bias)]


def dense(given: Given) -> list[nn.Module]:
    """Dense, on a vector or on every place of a map."""
    biased = bool(given.config.get("use_bias", True))
    linear = nn.Linear(given.shape[1], int(given.config["units"]), bias=biased)
    bias = given.arrays[1] if biased else None
    _filled(linear, weight=given.arrays[0].transpose(1, 0), bias=bias)
    return [linear if len(given.shape) < MAP_RANK else Dense(linear)]


def batch_norm(given: Given) -> list[nn.Module]:
    """BatchNormalization, with its statistics."""
    axis = given.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    if axis not in {-1, len(given.shape) - 1}:
        raise UnknownLayer(given.place, f"axis {axis} is not understood, only the last one")
    kind = nn.BatchNorm2d if len(given.shape) == MAP_RANK else nn.BatchNorm1d
    norm = kind(given.shape[1], eps=float(given.config.get("epsilon", 1e-3)))
    arrays = iter(given.arrays)
    ones, zeros = np.ones(given.shape[1], np.float32), np.zeros(given.shape[1], np.float32)
    scale = next(arrays) if given.config.get("scale", True) else ones
    centre = next(arrays) if given.config.get("center", True) else zeros
    _filled(norm, weight=scale, bias=centre, running_mean=next(arrays), running_var=next(arrays))
    norm.num_batches_tracked = torch.from_numpy(np.zeros((), np.int64))
    return [norm]
