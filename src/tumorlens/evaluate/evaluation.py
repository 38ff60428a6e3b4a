"""An evaluation: everything that was measured of a model, as it is kept in ``evaluation.json``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from tumorlens.data.manifest import Protocol
from tumorlens.errors import DatasetError
from tumorlens.evaluate.curves import Curves
from tumorlens.model.format import Metric

if TYPE_CHECKING:
    from pathlib import Path

EVALUATION_FILE = "evaluation.json"

_LIST_OF_NUMBERS = re.compile(r"\[\s+((?:[-+.\deE]+|null)(?:,\s+(?:[-+.\deE]+|null))*)\s+\]")


class _Frozen(BaseModel):
    # Every field is always written, so the published schema says that a reader can count on it.
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class Confusion(_Frozen):
    """Counts of true class (row) against chosen class (column).

    Attributes:
        on: What the images are, in words.
        classes: Names of the rows and columns.
        counts: Images.
        rates: Shares of each row, so that its diagonal is the sensitivities; 0 in a row without
            images. None in evaluations of earlier versions.
    """

    on: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    rates: tuple[tuple[float, ...], ...] | None = None


class ControlFigure(_Frozen):
    """What a control scored in one of the model's figures, on the same images."""

    control: str
    metric: Metric


class Part(_Frozen):
    """All figures on some images.

    Attributes:
        on: What the images are, in words.
        images: How many there are.
        groups: How many patients, or groups of near-copies, they come from.
        figures: Over the images whose class is known, then tumor against no tumor.
        confusion: Of the images whose class is known, if any; each judged by its most probable
            class.
        tumor_confusion: Tumor against no tumor at the model's threshold, where there are both.
        curves: Of all of them.
    """

    on: str
    images: int
    groups: int
    figures: tuple[Metric, ...]
    confusion: Confusion | None = None
    tumor_confusion: Confusion | None = None
    curves: Curves | None = None


class Leak(_Frozen):
    """How much of the test side stands on the training side too.

    Attributes:
        images: Images of the test side.
        same: Those that show a picture that is learnt from, however encoded, mirrored or rotated.
        near: Those that are in a group of near-copies with one; includes `same`.
    """

    images: int
    same: int
    near: int


class Said(_Frozen):
    """What the authors of the system that a recipe reproduces say of it."""

    figure: str
    value: float
    on: str
    by: str


class Made(_Frozen):
    """How a model was made.

    Attributes:
        recipe: Name of its recipe.
        title: What that is, in words.
        split: What decided on which side an image stands.
        sources: The sets that it was made of.
        changes: What was set otherwise than the recipe of this name says, but for sets and split.
        trainable: Parameters of its network that training changed; None where there is none.
        frozen: Parameters that it did not change, counted as Keras does.
        seconds: What training took, reading the images included; None where the run is not at hand.
        reported: What the authors of the system that it reproduces say.
    """

    recipe: str
    title: str
    split: str
    sources: tuple[str, ...]
    changes: dict[str, str] = {}
    trainable: int | None = None
    frozen: int | None = None
    seconds: float | None = None
    reported: Said | None = None


class Evaluation(_Frozen):
    """What a model scored on images that it did not learn from.

    Attributes:
        model: Name of the model.
        model_sha256: Hash of the file that was measured.
        model_bytes: Size of that file; None in evaluations of earlier versions.
        made: How it was made; None for a model from elsewhere.
        fold: The test fold; None where all images of a set are the test.
        images: How many it holds.
        protocol: What keeps the test side from the training side; with ``authors`` nothing does.
        leak: How much the sides share, where the manifest says so.
        metrics: The figures that a model is chosen by, with intervals: what a model file carries.
        confusion: Of the images of the test fold whose class is known.
        parts: All figures: on the test fold, on what of it shares nothing with the training side
            where sides leak, and on each set that was never seen. None in short copies.
        controls: What controls that learnt from the same images scored in the figures that a
            model is chosen by; none in evaluations of earlier versions.
        warnings: What the controls and the leaks say of the model's figures, a sentence each.
        notes: What was left out, and what cannot be proved, a sentence each.
    """

    model: str
    model_sha256: str
    model_bytes: int | None = None
    made: Made | None = None
    fold: int | None
    images: int
    protocol: Protocol = Protocol.GROUPED
    leak: Leak | None = None
    metrics: tuple[Metric, ...]
    confusion: Confusion
    parts: tuple[Part, ...] = ()
    controls: tuple[ControlFigure, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def to_json(result: Evaluation) -> str:
    """An evaluation as JSON, indented, lists of numbers on one line."""
    text = json.dumps(result.model_dump(mode="json"), indent=2)
    return _LIST_OF_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def short(result: Evaluation) -> Evaluation:
    """A copy with the figures that a model is chosen by, the controls and the leaks, and no parts:
    small enough to be kept beside code.
    """  # noqa: D205
    return result.model_copy(update={"parts": ()})


def load_evaluation(path: Path) -> Evaluation:
    """Read an ``evaluation.json``.

    Raises:
        DatasetError: No such file, or not one.
    """
    try:
        return Evaluation.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        from tumorlens.model.run import first_line

        msg = f"{path}: not an evaluation ({first_line(error)}); `tumorlens evaluate` writes one"
        raise DatasetError(msg) from error


def schema_text() -> str:
    """The JSON Schema of ``evaluation.json``, as it is published in docs/reference."""
    schema = Evaluation.model_json_schema(mode="serialization")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "The evaluation.json of `tumorlens evaluate`",
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(schema_text())
