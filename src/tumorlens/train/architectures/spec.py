"""How a network is put together: what a recipe says of it, checked."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]


class Architecture(StrEnum):
    """The feature extractors that can be trained."""

    MOBILENET = "mobilenet"
    MOBILENETV2 = "mobilenetv2"
    VGG16 = "vgg16"
    CNN = "cnn"


class Normalisation(StrEnum):
    """What the feature extractor is fed.

    OWN is what the network was designed for ([-1, 1] for the MobileNets, ImageNet means for
    VGG16); UNIT leaves [0, 1], which many published recipes do by mistake.
    """

    OWN = "own"
    UNIT = "unit"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ConvolutionStage(_Strict):
    """One stage of the plain CNN: convolution, normalisation, ReLU, 2x2 max pooling, dropout."""

    filters: Count
    kernel: Count = 3
    batch_norm: bool = False
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0


class NetworkSpec(_Strict):
    """From a slice to class logits: a feature extractor, pooling, dense layers.

    Attributes:
        architecture: The feature extractor.
        stages: Of the plain CNN; empty for the others.
        pooling: Global average, or every feature of the last map (Keras' Flatten).
        dense: Units of the hidden dense layers, ReLU each.
        dropout: Before each dense layer that follows pooling, the last one included.
        output: ``softmax`` has a unit a class; ``sigmoid`` one unit for two classes, whose logit
            is that of the second class against the first.
        trainable: ``all`` layers, the ``head`` alone (the frozen extractor then stays in inference
            mode), or the last so many stages of the extractor and the head.
        normalisation: What the extractor is fed.
    """

    architecture: Architecture
    stages: tuple[ConvolutionStage, ...] = ()
    pooling: Literal["average", "flatten"] = "average"
    dense: tuple[Count, ...] = ()
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    output: Literal["softmax", "sigmoid"] = "softmax"
    trainable: Literal["all", "head"] | Count = "all"
    normalisation: Normalisation = Normalisation.OWN
