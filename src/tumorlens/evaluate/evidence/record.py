"""What is measured for the evidence of a model, as it is kept in ``evidence.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from tumorlens.decide.finding import Status
from tumorlens.errors import DatasetError
from tumorlens.evaluate.evaluation import Evaluation
from tumorlens.model.decision import OperatingPoint, Selection, SourceCalibration, StudyRule
from tumorlens.model.format import DataSource, Metric, OutlineSources

if TYPE_CHECKING:
    from pathlib import Path

EVIDENCE_FILE = "evidence.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Subject(_Frozen):
    """Which model was measured.

    Attributes:
        name: Its name.
        version: Its version.
        sha256: Of its file.
        classes: Its classes.
        positive: Those that are tumors.
        recipe: Name of its recipe, or empty.
        licence: Of its weights.
        attribution: Who must be named with it.
        sources: What it learnt from.
        test_fold: The fold that it never saw, or None.
        coverage: Of its prediction sets, or None.
        operating: Its operating point, or None.
        selection: How sure its answers must be, or None.
        calibration: How its probabilities were softened, source by source.
        study: How a series becomes one answer, or None.
        fitted_on: What its decision was fitted on, in words; empty where it was not.
        gives_mask: Whether it marks lesions.
        outlines: Whose masks are averaged, where it is not that of the network that decides.
    """

    name: str
    version: str
    sha256: str
    classes: tuple[str, ...]
    positive: tuple[str, ...]
    recipe: str
    licence: str
    attribution: str
    sources: tuple[DataSource, ...]
    test_fold: int | None
    coverage: float | None
    operating: OperatingPoint | None
    selection: Selection | None = None
    calibration: tuple[SourceCalibration, ...]
    study: StudyRule | None
    fitted_on: str
    gives_mask: bool
    outlines: OutlineSources = ()


class Answered(_Frozen):
    """What became of some images when answers may be withheld.

    Attributes:
        on: What they are, in words.
        images: How many.
        statuses: Status → how many images have it.
        figures: Share answered, and how often answers are right.
    """

    on: str
    images: int
    statuses: dict[Status, int]
    figures: tuple[Metric, ...]


class GateFigures(_Frozen):
    """How well what is no brain MRI is told from brain MRI.

    Attributes:
        figures: AUROC, and the share of each side that is rejected.
        kinds: Kind of picture → status → how many.
    """

    figures: tuple[Metric, ...]
    kinds: dict[str, dict[Status, int]]


class MapFigures(_Frozen):
    """How a model's heatmaps lie on tumors.

    Attributes:
        who: ``the model``, or ``shuffled weights``.
        figures: Pointing game, energy, overlap.
    """

    who: str
    figures: tuple[Metric, ...]


class SeriesAnswer(_Frozen):
    """The answer for a series or volume.

    Attributes:
        name: Of the file or folder.
        status: Of the whole.
        tumor_probability: Of the whole, or None.
        slices: Status → how many slices have it.
    """

    name: str
    status: Status
    tumor_probability: float | None
    slices: dict[Status, int]


class LeftOut(_Frozen):
    """A model measured on a source that it learnt nothing from.

    Attributes:
        model: Name and hash of the model, shortened.
        learnt: The sources that it learnt from.
        source: The source that it is measured on.
        answered: What became of its images.
        figures: Tumor against none there, before any answer is withheld.
    """

    model: str
    learnt: tuple[str, ...]
    source: str
    answered: Answered
    figures: tuple[Metric, ...]


class Evidence(_Frozen):
    """Everything that is published of a model.

    Attributes:
        subject: Which model.
        evaluation: Its figures on images that it never saw, without the single parts.
        answered: What became of them when answers may be withheld: all, each source, each size.
        calibration: Calibration error and Brier score there.
        coverage: For each class, how often its prediction set holds it, and how large sets are.
        gate: How what is no brain MRI is told apart; None where no such pictures were at hand.
        maps: How heatmaps lie on tumors; none without masks.
        series: Answers for whole series and volumes.
        left_out: Sources that a model learnt nothing from.
        notes: What could not be measured, and why, a sentence each.
    """

    subject: Subject
    evaluation: Evaluation
    answered: tuple[Answered, ...]
    calibration: tuple[Metric, ...]
    coverage: tuple[Metric, ...]
    gate: GateFigures | None
    maps: tuple[MapFigures, ...]
    series: tuple[SeriesAnswer, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def to_json(evidence: Evidence) -> str:
    """Evidence as JSON, indented, the same for the same evidence."""
    return evidence.model_dump_json(indent=1) + "\n"


def load_evidence(path: Path) -> Evidence:
    """Read an ``evidence.json``.

    Raises:
        DatasetError: No such file, or not one.
    """
    try:
        return Evidence.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path}: no evidence ({error}); `tumorlens evaluate --evidence` writes it"
        raise DatasetError(msg) from error
