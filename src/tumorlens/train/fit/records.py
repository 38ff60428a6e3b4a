"""What a fit tells of itself: its steps, its epochs, and which of them was the best."""

from __future__ import annotations

import csv
import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from tumorlens.train.fit.spec import Monitor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One line of the training curves.

    Attributes:
        epoch: From 1.
        learning_rate: At its last step.
        train_loss: Mean loss over its augmented training images.
        validation_loss: Mean loss over the validation images, or None where there are none.
        validation_accuracy: Share of validation images whose most probable class is allowed.
        seconds: How long it took.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Step:
    """Where a running fit stands, for a progress display."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """The end of a fit: its curves, and the epoch whose weights the network now has."""

    curves: tuple[Epoch, ...]
    best_epoch: int


def best_epoch(curves: Sequence[Epoch], monitor: Monitor = Monitor.LOSS) -> int:
    """The first epoch of the best validation figure, or the last where nothing was held out."""
    if curves[-1].validation_loss is None:
        return curves[-1].epoch
    return min(curves, key=lambda line: badness(line, monitor)).epoch


def badness(line: Epoch, monitor: Monitor) -> float:
    """What is to fall: the loss, or the share of errors. Of the training where nothing is held out.

    Equal shares of errors, which are common among few images, are told apart by nothing: the first
    epoch of them stands.
    """
    if line.validation_loss is None:
        return line.train_loss
    if monitor is Monitor.ACCURACY and line.validation_accuracy is not None:
        return 1 - line.validation_accuracy
    return line.validation_loss if math.isfinite(line.validation_loss) else math.inf


def write_curves(path: Path, curves: Sequence[Epoch]) -> None:
    """Write the epochs as CSV, a line each."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Epoch)])
        writer.writeheader()
        writer.writerows(asdict(line) for line in curves)
