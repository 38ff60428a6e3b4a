"""Fitting: a recipe and labelled images become weights, with checkpoints that resume exactly."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tumorlens.train.fit.loop import (
        EVALUATION_BATCH,
        Epoch,
        Fitted,
        Step,
        best_epoch,
        evaluate_batches,
        fit,
        load_state,
        partial_label_loss,
        save_state,
    )

__all__ = [
    "EVALUATION_BATCH",
    "Epoch",
    "Fitted",
    "Step",
    "best_epoch",
    "evaluate_batches",
    "fit",
    "load_state",
    "partial_label_loss",
    "save_state",
]


def __getattr__(name: str) -> Any:
    # Imported when asked for: a recipe, which names the settings alone, is read without torch.
    if name in __all__:
        return getattr(importlib.import_module("tumorlens.train.fit.loop"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
