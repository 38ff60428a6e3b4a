"""What a model file may carry beside its thresholds, so that its answers can be doubted.

All of it is fitted on held-out images by ``tumorlens calibrate`` and is optional: a file without
any part answers as if that part had nothing to say.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=0)]
Numbers = tuple[float, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PictureGate(_Strict):
    """What brain MRI looks like: a mixture of Gaussians over facts of the picture.

    The score of a picture is how much less likely it is than the most ordinary brain MRI: the
    negative logarithm of its density, less that of the densest place (McLachlan & Peel, "Finite
    Mixture Models", 2000, for the mixture).

    Attributes:
        facts: Names of the facts, as `tumorlens.scan.facts.Fact` has them.
        centre: What is subtracted from each fact.
        scale: What it is divided by then.
        weights: Share of each Gaussian.
        means: Mean of each Gaussian, over the scaled facts.
        whitening: For each Gaussian the upper triangle of the matrix that makes its covariance
            one, row by row.
        offset: What is subtracted from the negative log density, so that 0 is most ordinary.
        low: Of each unscaled fact the value that half a percent of brain MRI stay below.
        high: The value that half a percent exceed.
        uncertain: Above this score the answer is uncertain.
        rejected: Above this score the picture is rejected.
        least: Of each unscaled fact the lowest value of any brain MRI that the gate was fitted on:
            below it the answer is uncertain. Empty where too few were seen for that.
        most: The highest value, likewise.
    """

    facts: Annotated[tuple[str, ...], Field(min_length=1)]
    centre: Numbers
    scale: tuple[Positive, ...]
    weights: Annotated[tuple[Positive, ...], Field(min_length=1)]
    means: tuple[Numbers, ...]
    whitening: tuple[Numbers, ...]
    offset: float
    low: Numbers
    high: Numbers
    uncertain: float
    rejected: float
    least: Numbers = ()
    most: Numbers = ()

    @model_validator(mode="after")
    def _fits_together(self) -> PictureGate:
        count, triangle = len(self.facts), len(self.facts) * (len(self.facts) + 1) // 2
        extremes = [one for one in (self.least, self.most) if one]
        per_fact = (self.centre, self.scale, self.low, self.high, *self.means, *extremes)
        parts = {len(self.weights), len(self.means), len(self.whitening)}
        if (
            any(len(one) != count for one in per_fact)
            or any(len(one) != triangle for one in self.whitening)
            or len(parts) != 1
            or len(extremes) == 1
        ):
            msg = f"the picture gate's tables do not fit its {count} facts"
            raise ValueError(msg)
        if self.uncertain > self.rejected:
            msg = f"uncertain ({self.uncertain}) must not be above rejected ({self.rejected})"
            raise ValueError(msg)
        return self


class ConformalLevel(_Strict):
    """The limits of prediction sets at one coverage.

    Attributes:
        coverage: The share of each class whose set should hold it.
        limits: Class → the highest score ``1 - probability`` that still belongs.
    """

    coverage: Fraction
    limits: dict[str, Fraction]


class OperatingPoint(_Strict):
    """What the no-tumor threshold gives on images that nothing was learnt from.

    Attributes:
        target: The sensitivity that it was chosen for.
        threshold: The tumor probability at or below which the answer may be "no tumor".
        sensitivity: The share of tumor images above it.
        specificity: The share of tumor-free images at or below it, or None without any.
        on: What the images are, in words.
        tumors: How many tumor images.
        free: How many tumor-free images.
    """

    target: Fraction
    threshold: Fraction
    sensitivity: Fraction
    specificity: Fraction | None
    on: str
    tumors: Count
    free: Count


class SourceCalibration(_Strict):
    """How well probabilities agree with what is seen, on one source.

    Attributes:
        source: The set.
        images: How many of its images were held out.
        temperature: The temperature that would fit this source by itself.
        ece_before: Expected calibration error as the network gave its probabilities.
        ece_after: The same as this file gives them.
        brier_before: Brier score as the network gave them.
        brier_after: The same as this file gives them.
    """

    source: str
    images: Count
    temperature: Positive
    ece_before: Fraction
    ece_after: Fraction
    brier_before: float
    brier_after: float


class Selection(_Strict):
    """How sure an answer must be to be given, so that what is given is right often enough.

    Attributes:
        target: The share of given answers that should be right.
        tumor: Below this tumor probability "tumor" is uncertain.
        kind: Below this share of the tumor probability a kind is too uncertain to be named.
        no_tumor: Below this probability of no tumor "no tumor" is uncertain.
        accuracy: The share that is right of what is given on images that nothing was learnt from.
        answered: The share of those images that is given an answer.
        on: What the images are, in words.
    """

    target: Fraction
    tumor: Fraction
    kind: Fraction
    no_tumor: Fraction
    accuracy: Fraction
    answered: Fraction
    on: str


class StudyRule(_Strict):
    """How a series becomes one answer: the mean logit of its highest slices, calibrated.

    Attributes:
        highest: How many slices are averaged; fewer where a study has fewer.
        scale: What the mean logit is multiplied by.
        bias: What is added then; a logistic function gives the tumor probability.
        tumor: A tumor probability at or above this is called a tumor.
        no_tumor: One at or below this is called no tumor; between the two it is uncertain.
        on: What it was chosen on, in words.
        auroc: Tumor against none of the pooled logit there.
        studies: How many studies that were.
    """

    highest: Annotated[int, Field(ge=1)]
    scale: Positive
    bias: float
    tumor: Fraction
    no_tumor: Fraction
    on: str
    auroc: Fraction | None = None
    studies: Count = 0


class Histogram(_Strict):
    """How a figure of findings is spread over held-out images: what drift is measured from.

    Attributes:
        name: ``novelty``, ``tumor_probability``, or ``fact:`` and a fact's name.
        edges: Inner edges of the bins, rising; the outermost bins are open.
        shares: Share of each bin, one more than there are edges.
        count: How many images.
        quantiles: Values at evenly spaced shares from 0 to 1, the sample in short.
    """

    name: str
    edges: Numbers
    shares: tuple[Fraction, ...]
    count: Count
    quantiles: Annotated[Numbers, Field(min_length=2)]

    @model_validator(mode="after")
    def _one_more(self) -> Histogram:
        if len(self.shares) != len(self.edges) + 1:
            msg = f"{self.name}: {len(self.edges)} edges part {len(self.edges) + 1} bins"
            raise ValueError(msg)
        return self


class Neighbours(_Strict):
    """Training examples in few numbers each, so that the nearest of a slice can be named.

    Attributes:
        dimensions: Numbers an example: the width of the graph's output ``embedding``.
        step: What the stored whole numbers are multiplied by.
        codes: int8 (N, dimensions), row by row, as base64.
        labels: Names of labels.
        sources: Names of sets.
        label_of: Number of each example's label.
        source_of: Number of each example's set.
        usual: The distance to the nearest example that half of the held-out images stay below.
        far: The one that 95 % of them stay below.
    """

    dimensions: Annotated[int, Field(ge=1)]
    step: Positive
    codes: str
    labels: tuple[str, ...]
    sources: tuple[str, ...]
    label_of: tuple[Count, ...]
    source_of: tuple[Count, ...]
    usual: float
    far: float


class Decision(_Strict):
    """All that ``tumorlens calibrate`` fits.

    Attributes:
        picture: What brain MRI looks like.
        conformal: Limits of prediction sets at several coverages.
        operating: What the no-tumor threshold gives.
        calibration: How well probabilities agree with what is seen, source by source.
        frame_energy: Above this share of a map's mass in the picture's outer frame, the answer is
            uncertain.
        selection: How sure an answer must be to be given.
        study: How a series becomes one answer.
        reference: How figures of findings are spread.
        neighbours: Training examples.
        fitted_on: What it was fitted on, in words.
    """

    version: Literal[1] = 1
    picture: PictureGate | None = None
    conformal: tuple[ConformalLevel, ...] = ()
    operating: OperatingPoint | None = None
    calibration: tuple[SourceCalibration, ...] = ()
    frame_energy: Fraction | None = None
    selection: Selection | None = None
    study: StudyRule | None = None
    reference: tuple[Histogram, ...] = ()
    neighbours: Neighbours | None = None
    fitted_on: str = ""
