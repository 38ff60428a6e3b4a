"""Keras itself, for what is not understood here: single layers, or a whole model."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from tumorlens.errors import MissingExtra, ModelIncompatible
from tumorlens.train.keras.graph import Value
from tumorlens.train.keras.layers import is_code
from tumorlens.train.keras.modules import MAP_RANK, KerasModule
from tumorlens.train.keras.parts import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tumorlens.train.keras.given import UnknownLayer
    from tumorlens.train.keras.graph import Place

BACKEND = "torch"
"""What Keras computes with here, so that its layers are PyTorch modules; the backend with which a
file was written does not matter."""


class WholeModel:
    """A file's model as Keras loads it, when it is first needed.

    Args:
        path: The file.
        allow_code: Whether Python code in the file may be run.
    """

    def __init__(self, path: Path, *, allow_code: bool) -> None:
        self.path = path
        self.allow_code = allow_code
        self.used: list[str] = []

    @cached_property
    def model(self) -> Any:
        """The Keras model.

        Raises:
            ModelIncompatible: Keras cannot load it, with Keras' own reason.
            MissingExtra: Keras is not installed.
        """
        keras = import_keras("Loading this model")
        try:
            with quiet_keras():
                return keras.saving.load_model(
                    str(self.path), compile=False, safe_mode=not self.allow_code
                )
        except Exception as error:  # Keras passes on whatever its parts raise
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            msg = f"{self.path}: Keras {keras.__version__} cannot load it either: {reason}"
            raise ModelIncompatible(msg) from error

    def layer(self, error: UnknownLayer) -> KerasModule:
        """The module of a layer that is not understood here.

        Raises:
            ModelIncompatible: There is none that can be used.
            UnknownLayer: It is no layer by itself, but the model as a whole may do.
        """
        place = error.place
        try:
            found: Any = self.model
            for name in place.names:
                found = found.get_layer(name)
        except (ModelIncompatible, MissingExtra) as reason:
            msg = f"{self.path}: {error}. {reason}"
            raise ModelIncompatible(msg) from reason
        except ValueError:
            raise error from None
        if not isinstance(found, torch.nn.Module):
            raise error
        self.used.append(place.name)
        return KerasModule(found)

    def parts(self, size: tuple[int, int, int]) -> list[Part]:
        """The whole model as one part, for images of (channels, height, width)."""
        module = KerasModule(self.model).eval()
        with torch.inference_mode():
            shape = module(torch.zeros(1, *size)).shape
        return [Part(module, (Value(-1),), shape)]

    @property
    def image(self) -> tuple[int | None, int | None, int | None]:
        """(height, width, channels) of the image that the model takes.

        Raises:
            ModelIncompatible: It takes something else than one image.
        """
        shape = self.model.input_shape
        if not isinstance(shape, tuple) or len(shape) != MAP_RANK:
            msg = f"{self.path}: the model takes {shape}, not one image"
            raise ModelIncompatible(msg)
        return shape[1], shape[2], shape[3]


def refuse_code(places: Sequence[Place], path: Path) -> None:
    """Raise where a layer of a file holds code.

    Raises:
        ModelIncompatible: One does, with its name.
    """
    names = [place.name for place in places if is_code(place)]
    if names:
        msg = (
            f"{path}: layer {names[0]} holds Python code, which is not run. If you trust the file, "
            "add --allow-code; or replace the layer by one of Keras' own (Rescaling for a change "
            "of range) and save the model again"
        )
        raise ModelIncompatible(msg)


def refuse_channels_first(places: Sequence[Place], path: Path) -> None:
    """Raise where a model takes its channels first, which neither this nor Keras does on a CPU.

    Raises:
        ModelIncompatible: One of its layers does.
    """
    for place in places:
        if place.config.get("data_format") == "channels_first":
            msg = (
                f"{path}: layer {place.name} has data_format channels_first; rebuild the model "
                "with channels_last, copy its weights over, and save that"
            )
            raise ModelIncompatible(msg)


@contextmanager
def quiet_keras() -> Iterator[None]:
    """Keep to itself what Keras says of its own parts, and of .h5, which it thinks little of."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def import_keras(what: str) -> Any:
    """Keras with its PyTorch backend.

    Args:
        what: What needs it, to start a sentence with.

    Raises:
        MissingExtra: It is not installed.
        ModelIncompatible: It runs with another backend in this process already.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = BACKEND
    try:
        import keras
    except ModuleNotFoundError:
        extra = "keras"
        raise MissingExtra(extra, what) from None
    if keras.backend.backend() != BACKEND:
        msg = (
            f"Keras runs with its {keras.backend.backend()} backend in this process; "
            f"set KERAS_BACKEND={BACKEND} before Keras is imported"
        )
        raise ModelIncompatible(msg)
    return keras
