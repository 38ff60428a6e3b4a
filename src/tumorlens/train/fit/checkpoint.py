"""States on disk: written in one step, so that a kill at any time leaves a whole one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

from tumorlens.errors import ModelCorrupt
from tumorlens.model.run import first_line

if TYPE_CHECKING:
    from pathlib import Path


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state in one step, so that a kill at any time leaves the old one or the new one."""
    # Each process has its own: several of them may write beside one another.
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)  # noqa: PTH105 - atomic on every platform, which rename is not


def load_state(path: Path) -> dict[str, Any]:
    """Read a state that `save_state` wrote.

    Raises:
        ModelCorrupt: The file is damaged.
    """
    return _load(path, mapped=False)


def map_state(path: Path) -> dict[str, Any]:
    """The same, with tensors that stay in the file until they are used.

    Raises:
        ModelCorrupt: The file is damaged.
    """
    return _load(path, mapped=True)


def _load(path: Path, *, mapped: bool) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:
        msg = f"{path}: it is damaged ({first_line(error)}); delete it, and train again"
        raise ModelCorrupt(msg) from error
    return state
