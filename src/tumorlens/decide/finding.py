"""The Finding: the one answer object that every way out of TumorLens takes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, SkipValidation
from pydantic.json_schema import SkipJsonSchema

NOTICE = "For research and education only. Not a medical device; not for diagnosis or treatment."

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PixelMap = SkipJsonSchema[SkipValidation[NDArray[np.float32]]]


class Status(StrEnum):
    """What kind of answer a Finding is.

    REJECTED is not a readable brain MRI; UNCERTAIN must be read by a person; the strongest
    negative, NO_TUMOR, means "no tumor found in this image" and no more.
    """

    REJECTED = "rejected"
    UNCERTAIN = "uncertain"
    TUMOR = "tumor"
    NO_TUMOR = "no_tumor"


class Reason(BaseModel):
    """Why a Finding is rejected or uncertain.

    Attributes:
        code: A stable name for programs, such as ``blurred``.
        text: A sentence for a reader.
        measure: The number that was compared, where there is one.
        limit: What it was compared with, where there is one.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    text: str
    measure: float | None = None
    limit: float | None = None


class ModelInfo(BaseModel):
    """Which model answered: name, version, and SHA-256 of its file."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    sha256: str


class ScanInfo(BaseModel):
    """Which slice was answered; nothing that identifies a patient is taken over from DICOM.

    Attributes:
        source: The input as the user named it.
        sha256: SHA-256 of the input's bytes.
        format: What the bytes turned out to be.
        width: Columns.
        height: Rows.
        spacing_mm: (row, column) distance of pixel centres in mm, or None where unknown.
        frame: Index of the slice in its file, from 0.
        frame_count: How many slices the file holds.
        position_mm: Place along the slice normal in mm, or None where unknown.
        series: Equal for the slices of one series or volume, or None.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    sha256: str
    format: str
    width: int
    height: int
    spacing_mm: tuple[float, float] | None = None
    frame: int = 0
    frame_count: int = 1
    position_mm: float | None = None
    series: str | None = None


class Measurements(BaseModel):
    """Size of what the mask marks; in mm² only where the spacing is known."""

    model_config = ConfigDict(frozen=True)

    area_pixels: int
    area_mm2: float | None = None


class Finding(BaseModel):
    """The answer for one slice.

    Attributes:
        status: Which of the four kinds of answer this is.
        label: The most probable tumor class where the status is ``tumor``, else None.
        tumor_probability: Calibrated probability that the slice shows a tumor; None if rejected
            before the network ran.
        probabilities: Class → calibrated probability, in the model's order.
        prediction_set: The classes that cannot be ruled out at the model's coverage; empty where
            the model carries no conformal quantiles or nothing fits.
        novelty: Distance from the training data, in the model's own unit.
        reasons: Why the answer is rejected or uncertain; empty for the other two.
        measurements: Size of the mask, for models that give one.
        model: Which model answered.
        scan: Which slice was answered.
        elapsed_ms: Time from pixels to answer; reading the file is not in it.
        notice: The research-use notice.
        heatmap: float32 (H, W) over the slice as read, in [0, 1]: the evidence for `heatmap_class`,
            0 where there is none; None if rejected. Not serialised.
        heatmap_class: The class that the heatmap is of.
        mask: float32 (H, W), tumor probability a pixel, where the model gives one. Not serialised.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    record: Literal["finding"] = "finding"
    status: Status
    label: str | None = None
    tumor_probability: Fraction | None = None
    probabilities: dict[str, Fraction] = {}
    prediction_set: tuple[str, ...] = ()
    novelty: float | None = None
    reasons: tuple[Reason, ...] = ()
    measurements: Measurements | None = None
    heatmap_class: str | None = None
    model: ModelInfo
    scan: ScanInfo
    elapsed_ms: float
    notice: str = NOTICE
    heatmap: PixelMap | None = Field(default=None, exclude=True, repr=False)
    mask: PixelMap | None = Field(default=None, exclude=True, repr=False)
