"""The schema of the metadata that a model file carries, and what its graph must look like.

A model is one ``.onnx`` file. Its ``metadata_props`` hold one key, ``tumorlens``, with the JSON
of `ModelMetadata`. The graph takes ``image`` and gives ``probabilities``, ``heatmap`` and
``novelty``, ``mask`` where the model was trained with masks, and ``embedding`` where it carries
training examples to compare with.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tumorlens.model.decision import Decision

METADATA_KEY = "tumorlens"


INPUT_NAME = "image"
REQUIRED_OUTPUTS = ("probabilities", "heatmap", "novelty")
OPTIONAL_OUTPUTS = ("mask", "embedding")

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CropPolicy(StrEnum):
    """Which part of a slice the network sees."""

    NONE = "none"
    FOREGROUND = "foreground"


class ResizePolicy(StrEnum):
    """How that part is brought to the size of the network's input."""

    STRETCH = "stretch"
    LETTERBOX = "letterbox"


class InputSpec(_Strict):
    """What the graph takes: float32 (N, channels, height, width), values in [0, 1]."""

    height: Annotated[int, Field(ge=32, le=4096)]
    width: Annotated[int, Field(ge=32, le=4096)]
    channels: Literal[1, 3] = 1
    crop: CropPolicy = CropPolicy.NONE
    resize: ResizePolicy = ResizePolicy.STRETCH


class Thresholds(_Strict):
    """The numbers that turn outputs into an answer.

    Attributes:
        tumor: A tumor probability at or above this is called a tumor.
        no_tumor: A tumor probability at or below this is called no tumor; between the two the
            answer is uncertain.
        novelty_uncertain: Above this novelty the answer is uncertain; None turns it off.
        novelty_rejected: Above this novelty the input is rejected; None turns it off.
        conformal: For each class, the highest score ``1 - probability`` at which the class still
            belongs to the prediction set; None where the model was not fitted with any.
        coverage: The share of cases whose set should hold the true class.
    """

    tumor: Fraction = 0.5
    no_tumor: Fraction = 0.5
    novelty_uncertain: Annotated[float, Field(ge=0.0)] | None = None
    novelty_rejected: Annotated[float, Field(ge=0.0)] | None = None
    conformal: dict[str, Fraction] | None = None
    coverage: Fraction | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Thresholds:
        if self.no_tumor > self.tumor:
            msg = f"no_tumor ({self.no_tumor}) must not be above tumor ({self.tumor})"
            raise ValueError(msg)
        return self


class MaskRules(_Strict):
    """What counts as marked in the output ``mask``.

    Attributes:
        level: Something is marked where a pixel reaches this tumor probability.
        peak_share: There, pixels at or above this share of the highest probability of the slice
            are marked, as contours of uptake are drawn in PET (Boellaard et al., "FDG PET/CT: EANM
            procedure guidelines", 2015); with 0, those that reach the level.
        smallest_share: A lesion that nowhere covers this share of the part of a slice that the
            network sees is a speck, and is left out. The default is a spot of about 4 mm on a
            head that fills that part, less than half of what RANO calls measurable (10 mm).
    """

    level: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    peak_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    smallest_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0005


class Metric(_Strict):
    """A figure with its 95 % interval, what it was measured on, and over how many."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    on: str
    count: Annotated[int, Field(ge=0)]


class DataSource(_Strict):
    """A set that the model was trained on: how many images, and a hash of which they were."""

    name: str
    images: Annotated[int, Field(ge=0)]
    manifest_sha256: Sha256
    licence: str
    citation: str


class OutlineSource(_Strict):
    """A model whose mask a model file gives, or averages with others', in place of its own.

    Attributes:
        name: Its name.
        sha256: Hash of its file.
        recipe: The recipe that trained it, whole.
        data: The sets it was trained on.
    """

    name: str
    sha256: Sha256
    recipe: dict[str, object] = {}
    data: tuple[DataSource, ...] = ()


def _several(value: object) -> object:
    """Files of before said nothing, or one."""
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


OutlineSources = Annotated[tuple[OutlineSource, ...], BeforeValidator(_several)]


class ModelMetadata(_Strict):
    """Everything that an answer needs and that is not in the graph.

    Attributes:
        schema_version: Version of this schema; a loader refuses any other than 1.
        name: Short name, such as ``mobilenetv2-4class``.
        version: Version of the model.
        task: ``binary`` or ``multiclass``.
        classes: Class names in the order of ``probabilities``.
        positive: Those of the classes that are tumors; their probabilities sum to the tumor
            probability.
        display: Class name → the words that a reader is shown; missing ones are the names.
        input: What the graph takes.
        thresholds: What decides.
        mask: What counts as marked, in models that give a mask.
        decision: What lets its answers be doubted; see `tumorlens.model.decision`.
        recipe: The recipe that trained it, whole, as it was used.
        data: The sets it was trained on.
        outlines: Whose masks are averaged, where it is not that of the network that decides.
        metrics: What was measured, with intervals.
        licence: SPDX identifier of the weights' licence.
        attribution: Who must be named with it.
        created: Date of export, ISO 8601.
        created_with: Library → version.
    """

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    version: str
    task: Literal["binary", "multiclass"]
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    positive: Annotated[tuple[str, ...], Field(min_length=1)]
    display: dict[str, str] = {}
    input: InputSpec
    thresholds: Thresholds = Thresholds()
    mask: MaskRules = MaskRules()
    decision: Decision = Decision()
    recipe: dict[str, object] = {}
    data: tuple[DataSource, ...] = ()
    outlines: OutlineSources = ()
    metrics: tuple[Metric, ...] = ()
    licence: str = "Apache-2.0"
    attribution: str = ""
    created: str
    created_with: dict[str, str] = {}

    @model_validator(mode="after")
    def _consistent(self) -> ModelMetadata:
        if len(set(self.classes)) != len(self.classes):
            msg = f"classes must differ, got {self.classes}"
            raise ValueError(msg)
        known = set(self.classes)
        for field, names in (
            ("positive", self.positive),
            ("display", self.display),
            ("thresholds.conformal", self.thresholds.conformal or ()),
            *(("decision.conformal", level.limits) for level in self.decision.conformal),
        ):
            if unknown := set(names) - known:
                msg = f"{field} names classes that do not exist: {sorted(unknown)}"
                raise ValueError(msg)
        if known == set(self.positive):
            msg = "at least one class must not be a tumor"
            raise ValueError(msg)
        return self
