"""Which models can be chosen, and each opened once for all visitors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from tumorlens.model.load import load_file
from tumorlens.model.registry import inspect_model, installed_models

if TYPE_CHECKING:
    from pathlib import Path

    from tumorlens.model.format import ModelMetadata
    from tumorlens.model.registry import Inspection
    from tumorlens.model.run import Model

# How long a list of what is installed is believed, in seconds; a new file shows soon after.
SECONDS_BELIEVED = 30
# Models held open: each takes some tens of megabytes.
MOST_OPEN = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """A model that can answer.

    Attributes:
        label: What a visitor chooses it by; no two are the same.
        path: Its file.
        size: Bytes of the file.
        sha256: Of the file.
        metadata: What the file says of itself.
        is_default: Whether it answers where no other is chosen.
    """

    label: str
    path: Path
    size: int
    sha256: str
    metadata: ModelMetadata
    is_default: bool


@st.cache_data(ttl=SECONDS_BELIEVED, show_spinner=False)
def inspected() -> list[Inspection]:
    """Every installed model, the ones that cannot be used as well.

    Raises:
        ModelCorrupt: A registry cannot be read.
    """
    return [inspect_model(model) for model in installed_models()]


def choices() -> list[Choice]:
    """The models that can answer, the default first."""
    found: list[Choice] = []
    for one in sorted(inspected(), key=lambda one: not one.model.is_default):
        if one.metadata is not None and one.sha256 is not None:
            label = _label(one.metadata, [other.label for other in found])
            found.append(
                Choice(
                    label, one.model.path, one.size, one.sha256, one.metadata, one.model.is_default
                )
            )
    return found


def problems() -> list[str]:
    """Why some of the installed models cannot be chosen, a sentence each."""
    return [
        f"{one.model.name} cannot be used: {one.problem}"
        for one in inspected()
        if one.problem is not None
    ]


@st.cache_resource(max_entries=MOST_OPEN, show_spinner="Opening the model")
def opened(path: Path, sha256: str) -> Model:
    """A model, opened once and shared by all visitors; a changed file is another model.

    Raises:
        ModelError: It cannot be opened any more.
    """
    return load_file(path, sha256=sha256)


def _label(metadata: ModelMetadata, taken: list[str]) -> str:
    label = f"{metadata.name} {metadata.version}"
    number = 2
    unique = label
    while unique in taken:
        unique = f"{label} ({number})"
        number += 1
    return unique
