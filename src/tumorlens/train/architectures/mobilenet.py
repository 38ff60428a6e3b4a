"""MobileNet (Howard et al., 2017), with the layer names and the padding of Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from tumorlens.train.architectures.backbone import Backbone, batch_norm, pad_same

if TYPE_CHECKING:
    from torch import Tensor

FEATURES = 1024

BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)
"""Channels and stride of each depthwise-separable block, the rows of table 1 of the paper."""


class MobileNet(Backbone):
    """The feature extractor, width 1.0, without the top; a stage is a block.

    Takes RGB of shape (N, 3, H, W) in [-1, 1] (``x / 127.5 - 1`` of 8-bit values) and gives
    features of shape (N, 1024, h, w), all at least 0 and at most 6; h is H / 32 for the multiples
    of 32 that it is made for.
    """

    channels = FEATURES

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self.conv1_bn = batch_norm(32)
        stages: list[tuple[str, ...]] = [("conv1", "conv1_bn")]
        channels = 32
        for number, (outputs, stride) in enumerate(BLOCKS, start=1):
            depthwise, pointwise = f"conv_dw_{number}", f"conv_pw_{number}"
            padding = 1 if stride == 1 else 0
            self.add_module(
                depthwise,
                nn.Conv2d(channels, channels, 3, stride, padding, groups=channels, bias=False),
            )
            self.add_module(f"{depthwise}_bn", batch_norm(channels))
            self.add_module(pointwise, nn.Conv2d(channels, outputs, 1, bias=False))
            self.add_module(f"{pointwise}_bn", batch_norm(outputs))
            stages.append((depthwise, f"{depthwise}_bn", pointwise, f"{pointwise}_bn"))
            channels = outputs
        self.stages = tuple(stages)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] → (N, 1024, h, w) in [0, 6]."""
        x = self._activated("conv1", pad_same(image, 3, 2))
        for number, (_, stride) in enumerate(BLOCKS, start=1):
            if stride != 1:
                x = functional.pad(x, [0, 1, 0, 1])  # Keras' ZeroPadding2D(((0, 1), (0, 1)))
            x = self._activated(f"conv_dw_{number}", x)
            x = self._activated(f"conv_pw_{number}", x)
        return x

    def _activated(self, conv: str, x: Tensor) -> Tensor:
        return functional.relu6(self.get_submodule(f"{conv}_bn")(self.get_submodule(conv)(x)))
