"""Changes to training images that a scanner, a reader or an export could have made.

The names below are imported when they are first used: a recipe, which names the ranges alone, is
read without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tumorlens.train.augment.apply import augment, augment_pairs
    from tumorlens.train.augment.sheet import preview
    from tumorlens.train.augment.spec import AugmentRecipe, Fill

__all__ = ["AugmentRecipe", "Fill", "augment", "augment_pairs", "preview"]

_HOMES = {
    "AugmentRecipe": "spec",
    "Fill": "spec",
    "augment": "apply",
    "augment_pairs": "apply",
    "preview": "sheet",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
