"""What the sub-commands that answer scans share: naming models and errors, and showing progress."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli import progress
from tumorlens.cli.guard import tell
from tumorlens.cli.writers import Format
from tumorlens.decide.conformal import at_coverage
from tumorlens.errors import ModelIncompatible
from tumorlens.model.registry import installed_models
from tumorlens.report.words import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from tumorlens.analysis import Answer, Found
    from tumorlens.errors import ScanError
    from tumorlens.model.run import Model

# The names of the limits in Python, which errors tell, and on the command line.
LIMIT_OPTIONS = {
    "max_file_bytes": "--limit-bytes",
    "max_pixels": "--limit-pixels",
    "max_frames": "--limit-frames",
    "max_zip_ratio": "--limit-zip-ratio",
}


def model_names() -> list[str]:
    """The names of the installed models, for the shell to complete."""
    return [model.name for model in installed_models()]


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Name of an installed model, or a model file.",
        show_default="the default model",
        autocompletion=model_names,
    ),
]
"""Which model answers; None is the default one."""


def covering(model: Model, coverage: float | None) -> Model:
    """A model with prediction sets of another coverage; the same one if None.

    Raises:
        typer.BadParameter: Its file holds no limits for this coverage.
    """
    if coverage is None:
        return model
    try:
        return replace(model, metadata=at_coverage(model.metadata, coverage))
    except ModelIncompatible as error:
        raise typer.BadParameter(str(error), param_hint="'--coverage'") from None


def display_for(
    form: Format, found: Iterable[Found]
) -> tuple[AbstractContextManager[progress.Advance], Iterable[Found]]:
    """What shows how far it is; a bar must know in advance how many inputs there are."""
    if not progress.is_terminal_free(writes_output=form is not Format.TABLE):
        return progress.lines(), found
    everything = list(found)
    return progress.bar(len(everything)), everything


def tell_scan_error(error: ScanError) -> None:
    """Name an input that could not be answered, with the options that it speaks of."""
    text = one_line(str(error))
    for limit, option in LIMIT_OPTIONS.items():
        text = text.replace(limit, option)
    sys.stdout.flush()
    tell(f"{type(error).__name__}: {text}")


def share(answer: Answer) -> float:
    """How much of its input an answer is."""
    return 1.0 if answer.scan is None else 1.0 / answer.scan.frame_count
