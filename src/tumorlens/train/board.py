"""The log of a fit for TensorBoard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tumorlens.train.fit import Epoch
    from tumorlens.train.neural import Place


class Board:
    """Writes the curves of a fit where ``tensorboard --logdir`` finds them.

    Where TensorBoard is not installed, one line says so, and the fit goes on: the same figures
    are in ``curves.csv``.

    Args:
        folder: Where the log is kept.
        place: Who writes and who is told.
    """

    def __init__(self, folder: Path, place: Place) -> None:
        self._folder = folder
        self._place = place
        self._writer: Any = None
        self._is_missing = False

    def write(self, line: Epoch) -> None:
        """Log an epoch."""
        writer = self._opened(line.epoch)
        if writer is None:
            return
        writer.add_scalar("loss/training", line.train_loss, line.epoch)
        writer.add_scalar("learning rate", line.learning_rate, line.epoch)
        if line.validation_loss is not None:
            writer.add_scalar("loss/validation", line.validation_loss, line.epoch)
            writer.add_scalar("accuracy/validation", line.validation_accuracy, line.epoch)
        writer.flush()

    def close(self) -> None:
        """End the log."""
        if self._writer is not None:
            self._writer.close()

    def _opened(self, epoch: int) -> Any:
        """The writer, opened at the first epoch that this process sees."""
        if self._writer is None and self._place.workers.is_first and not self._is_missing:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                self._is_missing = True
                self._place.watcher.say(
                    "no log for TensorBoard, which is not installed: pip install tensorboard"
                )
                return None
            # A resumed run writes its epochs again; what a killed one wrote of them is hidden.
            self._writer = SummaryWriter(str(self._folder), purge_step=epoch)
        return self._writer
