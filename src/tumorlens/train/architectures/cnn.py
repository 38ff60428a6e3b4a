"""The plain convolutional network that is trained from scratch, with Keras' default layer names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from tumorlens.train.architectures.backbone import Backbone, batch_norm, pad_same

if TYPE_CHECKING:
    from torch import Tensor

    from tumorlens.train.architectures.spec import ConvolutionStage


FROM_SCRATCH_MOMENTUM = 0.1
"""PyTorch's default, ten times Keras' share of a batch. Weights that start from chance change so
fast that Keras' running means lag behind them: for many epochs such a network answers well by the
statistics of a batch, and near chance by the running ones, which are what it answers by."""


class CNN(Backbone):
    """A pile of stages: convolution (padding ``same``), batch norm, ReLU, 2x2 max pool, dropout.

    Takes RGB of shape (N, 3, H, W) and halves it, rounding down, at each stage.
    """

    def __init__(self, stages: tuple[ConvolutionStage, ...]) -> None:
        super().__init__()
        self.specs = stages
        names = []
        channels = 3
        norms = 0
        for number, stage in enumerate(stages):
            own = [_numbered("conv2d", number)]
            # An even kernel pads one side more, which PyTorch leaves to `forward`.
            padding = stage.kernel // 2 if stage.kernel % 2 else 0
            conv = nn.Conv2d(channels, stage.filters, stage.kernel, padding=padding)
            nn.init.xavier_uniform_(conv.weight)  # what Keras starts from
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
            self.add_module(own[0], conv)
            if stage.batch_norm:
                own.append(_numbered("batch_normalization", norms))
                norm = batch_norm(stage.filters, momentum=FROM_SCRATCH_MOMENTUM)
                self.add_module(own[1], norm)
                norms += 1
            names.append(tuple(own))
            channels = stage.filters
        self.stages = tuple(names)
        self.channels = channels

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, filters of the last stage, h, w)."""
        x = image
        for spec, names in zip(self.specs, self.stages, strict=True):
            conv, *norms = (self.get_submodule(name) for name in names)
            x = conv(x if spec.kernel % 2 else pad_same(x, spec.kernel, 1))
            for norm in norms:
                x = norm(x)
            x = functional.max_pool2d(functional.relu(x), 2)
            # A stage's layers tell whether it is being trained; a frozen one drops nothing.
            x = functional.dropout(x, spec.dropout, training=conv.training)
        return x


def _numbered(name: str, number: int) -> str:
    """Keras' default name of the layer that is the ``number``-th of its kind, from 0."""
    return f"{name}_{number}" if number else name
