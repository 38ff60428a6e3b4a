"""VGG16 (Simonyan & Zisserman, 2014), with the layer names of Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from tumorlens.train.architectures.backbone import Backbone

if TYPE_CHECKING:
    from torch import Tensor

FEATURES = 512

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of convolutions of each block, configuration D of the paper."""

MEANS_BGR = (103.939, 116.779, 123.68)
"""The mean of ImageNet that Keras takes from 8-bit blue, green and red before VGG16."""


class VGG16(Backbone):
    """The feature extractor without the top; a stage is a block.

    Takes BGR of shape (N, 3, H, W), 8-bit values less `MEANS_BGR`, and gives features of shape
    (N, 512, H // 32, W // 32), all at least 0.
    """

    channels = FEATURES

    def __init__(self) -> None:
        super().__init__()
        channels = 3
        stages = []
        for block, (outputs, convolutions) in enumerate(BLOCKS, start=1):
            names = tuple(f"block{block}_conv{i}" for i in range(1, convolutions + 1))
            for name in names:
                conv = nn.Conv2d(channels, outputs, 3, padding=1)
                # Thirteen layers without normalisation learn from chance only if each keeps the
                # variance of what passes through it (He et al., 2015).
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
                self.add_module(name, conv)
                channels = outputs
            stages.append(names)
        self.stages = tuple(stages)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), BGR less its mean → (N, 512, H // 32, W // 32)."""
        x = image
        for names in self.stages:
            for name in names:
                x = functional.relu(self.get_submodule(name)(x))
            x = functional.max_pool2d(x, 2)
        return x
