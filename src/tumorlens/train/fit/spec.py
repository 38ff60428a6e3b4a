"""How weights are found: what a recipe says of it, checked."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Epochs = Annotated[int, Field(ge=1, le=1000)]


class Optimizer(StrEnum):
    """What turns gradients into steps."""

    ADAM = "adam"
    ADAMW = "adamw"
    SGD = "sgd"


class Schedule(StrEnum):
    """How the learning rate goes on after the warm-up.

    COSINE falls to 0 at the last epoch; STEP is multiplied by ``decay`` every ``step_epochs``;
    PLATEAU is multiplied by it after ``step_epochs`` without a better validation figure.
    """

    CONSTANT = "constant"
    COSINE = "cosine"
    STEP = "step"
    PLATEAU = "plateau"


class Balance(StrEnum):
    """How much rare labels are favoured.

    BALANCED makes each label count the same; INVERSE_ROOT goes half the way, on a scale of ratios.
    """

    NONE = "none"
    INVERSE_ROOT = "inverse-root"
    BALANCED = "balanced"


class Monitor(StrEnum):
    """The validation figure that chooses the epoch and stops the training."""

    LOSS = "loss"
    ACCURACY = "accuracy"


class Precision(StrEnum):
    """What the network is computed in; its weights are always kept in 32 bits.

    FP16 needs a CUDA device, and scales the loss so that small gradients are not lost.
    """

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class FitRecipe(BaseModel):
    """How the weights are found.

    Attributes:
        epochs: Most passes over the training images.
        patience: Passes without a better validation figure after which training stops.
        monitor: Which figure that is. It also chooses the epoch whose weights are kept.
        batch: Images a step.
        optimizer: What makes the steps.
        learning_rate: The highest, reached at the end of the warm-up.
        momentum: Of SGD (Nesterov's).
        weight_decay: On weights that are not biases or normalisation; of Adam and SGD it is the
            classic L2 term, of AdamW it is decoupled.
        warmup_epochs: Passes over which the learning rate rises from nearly 0.
        schedule: How it goes on.
        step_epochs: Of the schedules ``step`` and ``plateau``.
        decay: What these multiply the learning rate by.
        gradient_limit: Gradients of a larger norm are scaled down to it; 0 never.
        label_smoothing: Share of each image's target that is spread over all classes.
        class_weights: How much more an image of a rare label counts in the loss.
        sampler: How much more often an image of a rare label is drawn; with ``none`` each image
            is drawn once a pass.
        precision: What the network is computed in.
        average: Decay a step of a running mean of the weights, which is then what is validated
            and kept (such as 0.999); 0 keeps the weights themselves.
        views: Where the feature extractor is frozen: of how many augmented views of each image
            the features are computed, once, before the head is trained on them; further epochs
            go round. 0 computes them anew in each step.
        refit: Train once more, for the best number of epochs, with the validation fold among the
            training folds. What decides (temperature, thresholds) stays from the first run,
            whose validation images were held out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: Epochs = 10
    patience: Epochs = 3
    monitor: Monitor = Monitor.LOSS
    batch: Annotated[int, Field(ge=2, le=4096)] = 32
    optimizer: Optimizer = Optimizer.ADAMW
    learning_rate: Positive = 5e-4
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    weight_decay: NotNegative = 0.02
    warmup_epochs: NotNegative = 1
    schedule: Schedule = Schedule.COSINE
    step_epochs: Epochs = 5
    decay: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    gradient_limit: NotNegative = 5.0
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    class_weights: Balance = Balance.NONE
    sampler: Balance = Balance.INVERSE_ROOT
    precision: Precision = Precision.FP32
    average: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    views: Annotated[int, Field(ge=0, le=1000)] = 4
    refit: bool = False
