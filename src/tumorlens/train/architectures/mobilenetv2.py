"""MobileNetV2 (Sandler et al., 2018), with the layer names and the padding of Keras.

Names and padding are Keras' so that its official weight files, and the users' own, load layer by
layer and give the same features. Stride-2 convolutions pad one pixel at the bottom and right
only, where PyTorch's own implementations pad all four sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from tumorlens.train.architectures.backbone import Backbone, batch_norm, pad_same
from tumorlens.train.architectures.strided import convolved

if TYPE_CHECKING:
    from collections.abc import Sequence

FEATURES = 1280


@dataclass(frozen=True, slots=True)
class Stage:
    """A run of inverted residual blocks, a row of table 2 of the paper."""

    expansion: int
    channels: int
    blocks: int
    stride: int


STAGES = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)


@dataclass(frozen=True, slots=True)
class Block:
    """One inverted residual block, as the names of its layers and what they do."""

    prefix: str
    expands: bool
    stride: int
    residual: bool


class MobileNetV2(Backbone):
    """The feature extractor, width 1.0, without the top; a stage is a row of table 2 of the paper.

    Takes RGB of shape (N, 3, H, W) in [-1, 1] (``x / 127.5 - 1`` of 8-bit values) and gives
    features of shape (N, 1280, ceil(H / 32), ceil(W / 32)), all at least 0 and at most 6.

    Args:
        last: The block whose expanded features, before its stride, are the last: what comes after
            is left out. None for the whole of it.
    """

    def __init__(self, last: str | None = None) -> None:
        super().__init__()
        self._blocks: list[Block] = []
        self._last = last
        self._conv("Conv1", 3, 32, 3, stride=2)
        self._norm("bn_Conv1", 32)
        channels = 32
        index = 0
        ends = [2]
        for stage in STAGES:
            if self._complete():
                break
            for position in range(stage.blocks):
                stride = stage.stride if position == 0 else 1
                if self._complete():
                    break
                self._add_block(index, channels, stage, stride)
                self.channels = channels * stage.expansion
                channels = stage.channels
                index += 1
            ends.append(len(self._modules))
        if last is None:
            self._conv("Conv_1", channels, FEATURES, 1)
            self._norm("Conv_1_bn", FEATURES)
            self.channels = FEATURES
        names = tuple(self._modules)
        starts, stops = [0, *ends], [*ends, len(names)]
        self.stages = tuple(names[a:b] for a, b in zip(starts, stops, strict=True))

    def _complete(self) -> bool:
        """Whether the last block that is wanted is built."""
        return bool(self._blocks) and self._blocks[-1].prefix == self._last

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] → (N, channels, h, w) in [0, 6]."""
        return self.levels(image, ())[-1]

    def levels(self, image: Tensor, prefixes: Sequence[str]) -> list[Tensor]:
        """Features on the way: what a decoder joins to its own.

        Args:
            image: (N, 3, H, W) in [-1, 1].
            prefixes: Blocks whose expanded features are wanted, before their stride.

        Returns:
            Those features, in the order of the blocks, and the last ones, (N, channels, h, w).
        """
        x = self._activated("Conv1", "bn_Conv1", image, stride=2)
        found: list[Tensor] = []
        for block in self._blocks:
            inputs, name = x, block.prefix
            if block.expands:
                x = self._activated(f"{name}expand", f"{name}expand_BN", x)
            if name == self._last:
                return [*found, x]
            if name in prefixes:
                found.append(x)
            x = self._reduced(block, x)
            if block.residual:
                x = inputs + x
        return [*found, self._activated("Conv_1", "Conv_1_bn", x)]

    def _add_block(self, index: int, channels: int, stage: Stage, stride: int) -> None:
        prefix = f"block_{index}_" if index else "expanded_conv_"
        hidden = channels * stage.expansion
        expands = stage.expansion != 1
        if expands:
            self._conv(f"{prefix}expand", channels, hidden, 1)
            self._norm(f"{prefix}expand_BN", hidden)
        residual = stride == 1 and channels == stage.channels
        self._blocks.append(Block(prefix, expands, stride, residual))
        if prefix == self._last:
            return
        self._conv(f"{prefix}depthwise", hidden, hidden, 3, stride=stride, groups=hidden)
        self._norm(f"{prefix}depthwise_BN", hidden)
        self._conv(f"{prefix}project", hidden, stage.channels, 1)
        self._norm(f"{prefix}project_BN", stage.channels)

    def _conv(
        self, name: str, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.add_module(name, conv)

    def _norm(self, name: str, channels: int) -> None:
        self.add_module(name, batch_norm(channels))

    def _activated(self, conv: str, norm: str, x: Tensor, *, stride: int = 1) -> Tensor:
        return functional.relu6(self._normed(conv, norm, x, stride=stride))

    def _normed(self, conv: str, norm: str, x: Tensor, *, stride: int = 1) -> Tensor:
        if stride == 2:  # noqa: PLR2004 - the only stride that is padded by hand
            x = pad_same(x, 3, stride)
        result: Tensor = self.get_submodule(norm)(convolved(self.get_submodule(conv), x))
        return result

    def _reduced(self, block: Block, x: Tensor) -> Tensor:
        """The second half of a block: depthwise convolution and projection."""
        name = block.prefix
        x = self._activated(f"{name}depthwise", f"{name}depthwise_BN", x, stride=block.stride)
        return self._normed(f"{name}project", f"{name}project_BN", x)
