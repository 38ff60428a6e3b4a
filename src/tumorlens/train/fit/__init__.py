"""Fitting: a recipe and labelled images become weights, with checkpoints that resume exactly."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tumorlens.train.fit.checkpoint import load_state, save_state
    from tumorlens.train.fit.loop import EVALUATION_BATCH, answers, fit
    from tumorlens.train.fit.losses import partial_label_loss
    from tumorlens.train.fit.records import Epoch, Fitted, Step, best_epoch

__all__ = [
    "EVALUATION_BATCH",
    "Epoch",
    "Fitted",
    "Step",
    "answers",
    "best_epoch",
    "fit",
    "load_state",
    "partial_label_loss",
    "save_state",
]

_HOMES = {
    "EVALUATION_BATCH": "loop",
    "Epoch": "records",
    "Fitted": "records",
    "Step": "records",
    "answers": "loop",
    "best_epoch": "records",
    "fit": "loop",
    "load_state": "checkpoint",
    "partial_label_loss": "losses",
    "save_state": "checkpoint",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: a recipe, which names the settings alone, is read without torch.
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
