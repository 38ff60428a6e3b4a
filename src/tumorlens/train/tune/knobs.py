"""The names of what can be tuned."""

from __future__ import annotations

from enum import StrEnum


class Knob(StrEnum):
    """What can be tuned, by the name that it has on the command line and in a study."""

    LEARNING_RATE = "learning-rate"
    DROPOUT = "dropout"
    AUGMENTATION = "augmentation"
    DEPTH = "depth"
    WEIGHT_DECAY = "weight-decay"
    BATCH = "batch"
