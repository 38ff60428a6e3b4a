"""What Keras' layers do, where PyTorch's own do it otherwise.

Maps are (N, C, H, W) here and (N, H, W, C) in Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tumorlens.train.architectures.head import Pooling, pool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAP_RANK = 4

SMALLEST_PROBABILITY = 1e-7
"""Keras' own; a smaller one counts as this."""


class Softmax(nn.Module):
    """Softmax over the classes, (N, C) or (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return torch.softmax(x, dim=1)


class Pool(nn.Module):
    """A whole map to a vector, or to a map of one place."""

    def __init__(self, pooling: Pooling, *, keeps_dimensions: bool = False) -> None:
        super().__init__()
        self.pooling = pooling
        self.keeps_dimensions = keeps_dimensions

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, D)."""
        vector = x if x.ndim < MAP_RANK else pool(x, self.pooling)
        return vector[:, :, None, None] if self.keeps_dimensions else vector


class Windowed(nn.Module):
    """A convolution or pooling with Keras' padding.

    Args:
        apply: What is done on a padded map.
        kernel: Rows and columns of the window, dilation included.
        stride: Its steps.
        same: Whether zeros (``fill``) go around so that the size is that over the stride.
        fill: What goes around.
    """

    def __init__(
        self,
        apply: nn.Module,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        *,
        same: bool,
        fill: float = 0.0,
    ) -> None:
        super().__init__()
        self.apply_to = apply
        self.kernel, self.stride, self.same, self.fill = kernel, stride, same, fill

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C', h, w)."""
        if self.same:
            sides = []
            for axis in (1, 0):
                size, stride = x.shape[2 + axis], self.stride[axis]
                total = max((-(-size // stride) - 1) * stride + self.kernel[axis] - size, 0)
                sides += [total // 2, total - total // 2]
            if any(sides):
                x = functional.pad(x, sides, value=self.fill)
        result: Tensor = self.apply_to(x)
        return result


class MeanOfWindow(nn.Module):
    """Average pooling in which padding does not count, as Keras has it on TensorFlow and JAX.

    Its PyTorch backend repeats the edge instead where more is padded on one side than on the other.
    """

    def __init__(self, kernel: tuple[int, int], stride: tuple[int, int], *, same: bool) -> None:
        super().__init__()
        sums = nn.AvgPool2d(kernel, stride, divisor_override=1)
        self.windowed = Windowed(sums, kernel, stride, same=same)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, h, w)."""
        total: Tensor = self.windowed(x)
        count: Tensor = self.windowed(torch.ones_like(x[:1, :1]))
        return total / count


class Affine(nn.Module):
    """``x * scale + offset``, a number or one a channel."""

    scale: Tensor
    offset: Tensor

    def __init__(self, scale: Any, offset: Any) -> None:
        super().__init__()
        for name, value in (("scale", scale), ("offset", offset)):
            numbers = torch.from_numpy(np.array(value, np.float32).reshape(-1, 1, 1))
            self.register_buffer(name, numbers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → the same."""
        return x * self.scale + self.offset


class Joined(nn.Module):
    """A function of several maps or vectors, such as their sum."""

    def __init__(self, function: Callable[[Sequence[Any]], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Any) -> Tensor:
        """Of one shape, or shapes that broadcast."""
        result: Tensor = self.function(inputs)
        return result


class Dense(nn.Module):
    """A dense layer on the channels of every place of a map."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, units, H, W)."""
        result: Tensor = self.linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return result


class FromProbabilities(nn.Module):
    """Logits of probabilities: those of a softmax (N, C), or of a sigmoid (N, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) → (N, C)."""
        x = x.clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
        return torch.logit(x) if x.shape[1] == 1 else torch.log(x)


class KerasModule(nn.Module):
    """A layer or model of Keras itself, with its PyTorch backend.

    Args:
        layer: The Keras object, a PyTorch module with this backend.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *inputs: Any) -> Tensor:
        """Maps (N, C, H, W) and vectors (N, D) → the same."""
        given = [x.permute(0, 2, 3, 1) if _is_map(x) else x for x in inputs]
        output: Tensor = self.layer(given[0] if len(given) == 1 else given, training=False)
        return output.permute(0, 3, 1, 2) if _is_map(output) else output


def _is_map(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == MAP_RANK
