"""Changes to training images that a scanner, a reader or an export could have made.

The names below are imported when they are first used: a recipe, which names the ranges alone, is
read without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tumorlens.train.augment.apply import augment

__all__ = ["augment"]

_HOMES = {"augment": "tumorlens.train.augment.apply"}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(_HOMES[name]), name)
