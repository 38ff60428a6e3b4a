"""What every feature extractor is, and the parts that Keras' own ones are made of.

Names, padding and epsilon are Keras', so that its official weight files, and the users' own, load
layer by layer and give the same features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_NORM_EPSILON = 1e-3
"""Keras' value; PyTorch's own default of 1e-5 would change every feature."""

BATCH_NORM_MOMENTUM = 0.01
"""Keras writes 0.999 and PyTorch the complement. With the few hundred steps of a fine-tuning,
0.001 leaves ImageNet's statistics in place, so the running means follow ten times as fast."""


class Backbone(nn.Module):
    """A feature extractor: RGB (N, 3, H, W), already normalised → features (N, channels, h, w).

    Its direct children carry the names of Keras' layers.

    Attributes:
        channels: How many features a place of the map has.
        stages: The names of its children, from the image to the features, in the groups that are
            frozen together.
    """

    channels: int
    stages: tuple[tuple[str, ...], ...]

    def stage_modules(self, stage: int) -> Iterator[nn.Module]:
        """The layers of one stage, counted from 0 at the image."""
        for name in self.stages[stage]:
            yield self.get_submodule(name)


def batch_norm(channels: int, *, momentum: float = BATCH_NORM_MOMENTUM) -> nn.BatchNorm2d:
    """Batch normalisation as Keras has it, but for the momentum."""
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON, momentum=momentum)


def pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around (N, C, H, W) as Keras' ``same`` has them: an odd one goes to the far end."""
    sides = []
    for size in (x.shape[-1], x.shape[-2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        sides += [total // 2, total - total // 2]
    return functional.pad(x, sides)
