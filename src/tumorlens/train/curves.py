"""The training curves as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tumorlens.train.fit import Epoch


def plot_curves(curves: Sequence[Epoch], best: int, path: Path) -> None:
    """Draw loss and validation accuracy over the epochs, with the chosen epoch marked."""
    from matplotlib.figure import Figure

    epochs = [c.epoch for c in curves]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    loss.plot(epochs, [c.train_loss for c in curves], marker="o", label="training (augmented)")
    held_out = [c for c in curves if c.validation_loss is not None]
    if held_out:
        numbers = [c.epoch for c in held_out]
        loss.plot(numbers, [c.validation_loss for c in held_out], marker="o", label="validation")
        accuracy.plot(numbers, [c.validation_accuracy for c in held_out], marker="o")
    for axes in (loss, accuracy):
        axes.axvline(best, color="0.6", linestyle="--", linewidth=1)
        axes.set_xlabel(f"epoch (chosen: {best})")
        axes.xaxis.get_major_locator().set_params(integer=True)
    loss.set_ylabel("loss")
    loss.set_ylim(bottom=0)
    loss.legend()
    accuracy.set_ylabel("validation accuracy")
    figure.savefig(path, dpi=120)
