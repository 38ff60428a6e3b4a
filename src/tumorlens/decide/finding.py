"""The Finding: the one answer object that every way out of TumorLens takes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, InstanceOf
from pydantic.json_schema import SkipJsonSchema

from tumorlens.model.decision import StudyRule
from tumorlens.model.format import MaskRules
from tumorlens.model.prepare import PlacedMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOTICE = "For research and education only. Not a medical device; not for diagnosis or treatment."

OPEN_KIND = "open_kind"
"""Code of the reason for which a tumor has no label."""

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
# Every field is always written, so the published schema says that a reader can count on it.
CONFIG = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)
HiddenMap = SkipJsonSchema[InstanceOf[PlacedMap]]


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
    """Why a Finding is rejected or uncertain, or why the kind of a tumor stays open.

    Attributes:
        code: A stable name for programs, such as ``blurred``.
        text: A sentence for a reader.
        measure: The number that was compared, where there is one.
        limit: What it was compared with, where there is one.
    """

    model_config = CONFIG

    code: str
    text: str
    measure: float | None = None
    limit: float | None = None


class ModelInfo(BaseModel):
    """Which model answered.

    Attributes:
        name: Its name.
        version: Its version.
        sha256: SHA-256 of its file.
        display: Class name → the words that a reader is shown. Not serialised.
        mask: What counts as marked in its masks. Not serialised.
        study: How its answers for slices become one for a series. Not serialised.
    """

    model_config = CONFIG

    name: str
    version: str
    sha256: str
    display: SkipJsonSchema[dict[str, str]] = Field(default={}, exclude=True, repr=False)
    mask: SkipJsonSchema[MaskRules] = Field(default=MaskRules(), exclude=True, repr=False)
    study: SkipJsonSchema[StudyRule | None] = Field(default=None, exclude=True, repr=False)


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

    model_config = CONFIG

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


Point = tuple[float, float]
"""(row, column) on a slice, in pixels; whole numbers are centres of pixels."""


class Lesion(BaseModel):
    """The size of one marked region of a slice; in mm only where the spacing is known.

    Attributes:
        number: From 1, the largest first; the same for the parts of one lesion in the slices of a
            series or volume.
        area_pixels: How many pixels are marked.
        area_mm2: Their area.
        longest_pixels: The longest diameter.
        longest_mm: The same in mm.
        perpendicular_pixels: The longest diameter at a right angle to it (RANO, RECIST 1.1).
        perpendicular_mm: The same in mm.
        longest_ends: Where the longest diameter starts and ends.
        perpendicular_ends: Where the one at a right angle to it does.
    """

    model_config = CONFIG

    number: int
    area_pixels: int
    area_mm2: float | None = None
    longest_pixels: float
    longest_mm: float | None = None
    perpendicular_pixels: float
    perpendicular_mm: float | None = None
    longest_ends: tuple[Point, Point]
    perpendicular_ends: tuple[Point, Point]


class Measurements(BaseModel):
    """The size of what is marked on a slice; in mm² only where the spacing is known.

    Attributes:
        area_pixels: How many pixels are marked; 0 where no lesion is.
        area_mm2: Their area.
        lesions: The lesions that they make up, by number.
        mask_file: Where the mask was written, if it was.
    """

    model_config = CONFIG

    area_pixels: int
    area_mm2: float | None = None
    lesions: tuple[Lesion, ...] = ()
    mask_file: str | None = None


class Finding(BaseModel):
    """The answer for one slice.

    Attributes:
        status: Which of the four kinds of answer this is.
        label: The most probable tumor class where the status is ``tumor`` and the kind is sure
            enough to be named, else None.
        tumor_probability: Calibrated probability that the slice shows a tumor; None if rejected
            before the network ran.
        probabilities: Class → calibrated probability, in the model's order.
        prediction_set: The classes that cannot be ruled out at the model's coverage; empty where
            the model carries no conformal quantiles or nothing fits.
        novelty: Distance from the training data, in the model's own unit.
        unlikeness: How little the picture itself looks like a brain MRI, in nats; 0 is most
            ordinary. None where the model's file does not say what one looks like.
        reasons: Why the answer is rejected or uncertain, or why a tumor has no label
            (``open_kind``); else empty.
        measurements: Size of what is marked, for models that give a mask; None where the answer
            is neither tumor nor no tumor, since then nothing is marked or known to be absent.
        model: Which model answered.
        scan: Which slice was answered.
        elapsed_ms: Time from pixels to answer; reading the file is not in it.
        notice: The research-use notice.
        heatmap_class: The class that the heatmap is of; None if rejected.
        evidence_map: The heatmap at the network's resolution. Not serialised.
        mask_map: The mask at the network's resolution. Not serialised.
    """

    model_config = CONFIG

    record: Literal["finding"] = "finding"
    status: Status
    label: str | None = None
    tumor_probability: Fraction | None = None
    probabilities: dict[str, Fraction] = {}
    prediction_set: tuple[str, ...] = ()
    novelty: float | None = None
    unlikeness: float | None = None
    reasons: tuple[Reason, ...] = ()
    measurements: Measurements | None = None
    heatmap_class: str | None = None
    model: ModelInfo
    scan: ScanInfo
    elapsed_ms: float
    notice: str = NOTICE
    evidence_map: HiddenMap | None = Field(default=None, exclude=True, repr=False)
    mask_map: HiddenMap | None = Field(default=None, exclude=True, repr=False)

    @property
    def kind_is_open(self) -> bool:
        """Whether there is a tumor whose kind is not sure enough to be named."""
        return self.status is Status.TUMOR and any(r.code == OPEN_KIND for r in self.reasons)

    @property
    def heatmap(self) -> NDArray[np.float32] | None:
        """The evidence for `heatmap_class`, 0 where there is none; None if rejected.

        float32 (H, W) over the slice as read, in [0, 1]. Computed when asked for: a list of
        Findings stays small however large the slices are.
        """
        return None if self.evidence_map is None else self.evidence_map.on_slice()

    @property
    def mask(self) -> NDArray[np.float32] | None:
        """The tumor probability of each pixel, where the model gives one.

        float32 (H, W) over the slice as read, in [0, 1]. Computed when asked for.
        """
        return None if self.mask_map is None else self.mask_map.on_slice()
