"""Depthwise convolutions of stride 2, trained on a CPU in 16 bits without the wait.

oneDNN has no fast kernel for the gradient of such a convolution in bfloat16. In 32 bits it has one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def convolved(layer: nn.Module, x: Tensor) -> Tensor:
    """What a convolution gives, its gradient taken the faster way where there is one."""
    if isinstance(layer, nn.Conv2d) and _is_slow(layer, x):
        result: Tensor = _Strided.apply(x, layer.weight, layer.stride[0])  # type: ignore[no-untyped-call]
        return result
    given: Tensor = layer(x)
    return given


def _is_slow(layer: nn.Conv2d, x: Tensor) -> bool:
    """Whether it is a depthwise one of stride 2, padded by hand, that learns in bfloat16."""
    return (
        layer.groups == layer.in_channels > 1
        and layer.stride[0] > 1
        and layer.padding == (0, 0)
        and layer.weight.requires_grad
        and torch.is_grad_enabled()
        and x.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") is torch.bfloat16
    )


class _Strided(torch.autograd.Function):
    """A depthwise convolution forwards in bfloat16, and backwards in float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        narrow = x.to(torch.bfloat16)
        ctx.save_for_backward(narrow, weight)
        ctx.stride = stride
        with torch.autocast("cpu", enabled=False):
            return functional.conv2d(
                narrow, weight.to(torch.bfloat16), stride=stride, groups=x.shape[1]
            )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        # torch.nn.grad's functions lose the layout of channels, which costs more than is gained.
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            gradients[0].float(),
            x.float(),
            weight.float(),
            [0],
            [ctx.stride, ctx.stride],
            [0, 0],
            [1, 1],
            False,
            [0, 0],
            x.shape[1],
            [True, True, False],
        )
        return of_x.to(torch.bfloat16), of_weight, None
