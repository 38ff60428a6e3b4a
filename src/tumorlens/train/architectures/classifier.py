"""A classifier: what a `NetworkSpec` says, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from tumorlens.errors import RecipeError
from tumorlens.train.architectures.cnn import CNN
from tumorlens.train.architectures.head import CURVES, Activation, Pooling, evidence, pool
from tumorlens.train.architectures.mobilenet import MobileNet
from tumorlens.train.architectures.mobilenetv2 import MobileNetV2
from tumorlens.train.architectures.spec import Architecture, NetworkSpec, Normalisation
from tumorlens.train.architectures.vgg16 import MEANS_BGR, VGG16

if TYPE_CHECKING:
    from collections.abc import Callable

    from tumorlens.model.format import InputSpec
    from tumorlens.train.architectures.backbone import Backbone

CHANNELS = 3
"""Every feature extractor sees three; grey is repeated."""


class Classifier(nn.Module):
    """Slices to class logits: feature extractor → pooling → dense layers.

    Takes (N, 1 or 3, H, W) in [0, 1]; what the extractor wants is made of it inside.

    Args:
        spec: How it is put together.
        classes: How many classes there are.
        height: Rows of the input.
        width: Columns of the input.

    Raises:
        RecipeError: The spec contradicts itself, the number of classes or the input's size.
    """

    def __init__(self, spec: NetworkSpec, classes: int, height: int, width: int) -> None:
        super().__init__()
        _check(spec, classes)
        self.spec = spec
        self.classes = classes
        self.height, self.width = height, width
        self.pooling = Pooling(spec.pooling)
        self.backbone: Backbone = _backbone(spec)
        shape = _map_shape(self.backbone, height, width)
        size = shape.numel() if self.pooling is Pooling.FLATTEN else self.backbone.channels
        self.hidden = nn.ModuleList()
        for units in spec.dense:
            self.hidden.append(_dense(size, units))
            size = units
        self.predictions = _dense(size, 1 if spec.output == "sigmoid" else classes)
        self.dropout = nn.Dropout(spec.dropout)
        self.activation = Activation(CURVES["relu"])
        self.set_trainable()

    def features(self, image: Tensor) -> Tensor:
        """(N, 1 or 3, H, W) in [0, 1] → (N, F, h, w)."""
        result: Tensor = self.backbone(self._normalised(image))
        return result

    def classify(self, features: Tensor) -> Tensor:
        """(N, F, h, w) → logits (N, C); one sigmoid unit z gives [0, z], so softmax is right."""
        x = pool(features, self.pooling)
        for layer in self._layers():
            x = layer(x)
        return functional.pad(x, [1, 0]) if self.spec.output == "sigmoid" else x

    def embedding(self, features: Tensor) -> Tensor:
        """(N, F, h, w) → (N, F), the global average, which novelty is measured on."""
        return features.mean(dim=(2, 3))

    def class_maps(self, features: Tensor) -> Tensor:
        """(N, F, h, w) → (N, C, h, w), evidence whose mean over a map is the logit of its class.

        In inference mode only. The class activation map where the head is a global average and
        one dense layer, HiResCAM otherwise; see `evidence`.
        """
        maps = evidence(features, self.pooling, self._layers())
        if self.spec.output == "sigmoid":
            return torch.cat([torch.zeros_like(maps), maps], dim=1)
        return maps

    def forward(self, image: Tensor) -> Tensor:
        """(N, 1 or 3, H, W) in [0, 1] → logits (N, C)."""
        return self.classify(self.features(image))

    def frozen_extractor(self) -> bool:
        """Whether features never change in training, so that they can be computed once."""
        return self._frozen_stages() == len(self.backbone.stages)

    def set_trainable(self) -> None:
        """Freeze the stages that the spec does not train, and no others."""
        frozen = self._frozen_stages()
        for number in range(len(self.backbone.stages)):
            for layer in self.backbone.stage_modules(number):
                layer.requires_grad_(number >= frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> Classifier:
        """Go into training mode; what is frozen stays in inference mode, statistics included."""
        super().train(mode)
        for number in range(self._frozen_stages()):
            for layer in self.backbone.stage_modules(number):
                layer.eval()
        return self

    def _frozen_stages(self) -> int:
        """How many stages, from the image on, are not trained."""
        if self.spec.trainable == "all":
            return 0
        if self.spec.trainable == "head":
            return len(self.backbone.stages)
        return max(0, len(self.backbone.stages) - self.spec.trainable)

    def _layers(self) -> list[nn.Module]:
        """What follows pooling."""
        layers: list[nn.Module] = []
        for dense in self.hidden:
            layers += [self.dropout, dense, self.activation]
        return [*layers, self.dropout, self.predictions]

    def _normalised(self, image: Tensor) -> Tensor:
        """(N, 1 or 3, H, W) in [0, 1] → (N, 3, H, W) as the extractor is fed."""
        x = image.expand(-1, CHANNELS, -1, -1)
        if self.spec.normalisation is Normalisation.UNIT:
            return x
        if self.spec.architecture in {Architecture.MOBILENET, Architecture.MOBILENETV2}:
            return x * 2 - 1
        if self.spec.architecture is Architecture.VGG16:
            means = torch.tensor(MEANS_BGR, dtype=x.dtype, device=x.device).view(1, CHANNELS, 1, 1)
            return torch.cat([x[:, 2:3], x[:, 1:2], x[:, 0:1]], dim=1) * 255 - means
        return x  # the plain network has no other habit than [0, 1]


def build(spec: NetworkSpec, classes: int, input: InputSpec) -> Classifier:  # noqa: A002
    """The network that a spec describes, for slices of an input's size.

    Raises:
        RecipeError: The spec contradicts itself, the number of classes or the input's size.
    """
    return Classifier(spec, classes, input.height, input.width)


def _backbone(spec: NetworkSpec) -> Backbone:
    if spec.architecture is Architecture.CNN:
        return CNN(spec.stages)
    makers: dict[Architecture, Callable[[], Backbone]] = {
        Architecture.MOBILENET: MobileNet,
        Architecture.MOBILENETV2: MobileNetV2,
        Architecture.VGG16: VGG16,
    }
    return makers[spec.architecture]()


def _check(spec: NetworkSpec, classes: int) -> None:
    is_cnn = spec.architecture is Architecture.CNN
    if is_cnn and not spec.stages:
        msg = "network.stages: the plain CNN needs at least one stage, such as {filters = 32}"
        raise RecipeError(msg)
    if spec.stages and not is_cnn:
        msg = f"network.stages: {spec.architecture} has stages of its own; leave them out"
        raise RecipeError(msg)
    if spec.output == "sigmoid" and classes != 2:  # noqa: PLR2004
        msg = f"network.output: sigmoid is for two classes, there are {classes}; set softmax"
        raise RecipeError(msg)


def _map_shape(backbone: nn.Module, height: int, width: int) -> torch.Size:
    """(1, F, h, w) of the features, without computing any."""
    state = {name: tensor.to("meta") for name, tensor in backbone.state_dict().items()}
    image = torch.empty(1, CHANNELS, height, width, device="meta")
    try:
        features: Tensor = torch.func.functional_call(backbone.eval(), state, (image,))
    except RuntimeError:
        msg = (
            f"network: an input of {height}x{width} is too small for its "
            "stages, each of which halves it; take a larger input or fewer stages"
        )
        raise RecipeError(msg) from None
    return features.shape


def _dense(inputs: int, units: int) -> nn.Linear:
    """A dense layer that starts as Keras' do (Glorot & Bengio, 2010)."""
    dense = nn.Linear(inputs, units)
    nn.init.xavier_uniform_(dense.weight)
    nn.init.zeros_(dense.bias)
    return dense
