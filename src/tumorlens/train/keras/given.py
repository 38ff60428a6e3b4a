"""What a layer is made of, and the word for a layer that cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from tumorlens.train.keras.graph import Place
    from tumorlens.train.keras.tree import Array


class UnknownLayer(Exception):
    """A layer that is not understood here; its words say which and why."""

    def __init__(self, place: Place, reason: str) -> None:
        self.place = place
        super().__init__(f"layer {place.name}: {reason}")


@dataclass(frozen=True, slots=True)
class Given:
    """What a layer is made of.

    Attributes:
        place: Which layer.
        arrays: Its weights, in Keras' order.
        shape: Of the value that it is given, with the batch.
    """

    place: Place
    arrays: Sequence[Array]
    shape: torch.Size

    @property
    def config(self) -> Mapping[str, Any]:
        """The layer's settings."""
        return self.place.config


def pair(value: Any) -> tuple[int, int]:
    """Rows and columns, of one number for both or of two."""
    if isinstance(value, list | tuple):
        first, second = value
        return int(first), int(second)
    return int(value), int(value)
