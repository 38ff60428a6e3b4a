"""What an audit finds: the one object that its summary, JSON, CSV and page are made of.

Images are named as ``set/path`` everywhere. Shares and scores lie in [0, 1].
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class ProblemKind(StrEnum):
    """What can be wrong with a file."""

    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    MISLABELLED_FORMAT = "mislabelled_format"
    TWO_LABELS = "two_labels"
    TWO_SPLITS = "two_splits"
    NO_LABEL = "no_label"
    MISSING = "missing"


class Problem(_Frozen):
    """A file that cannot be used as it is, and why."""

    image: str
    kind: ProblemKind
    detail: str


class Count(_Frozen):
    """How many images share a value (a format, a mode, a size, an aspect)."""

    value: str
    images: int


class ClassCount(_Frozen):
    """Images of a class in a split; ``split`` is empty where the set has none."""

    label: str
    split: str
    images: int


class SetSummary(_Frozen):
    """One set.

    Attributes:
        name: The set's name, unique in the report.
        folder: Where it was found.
        files: Image files, or lines of its table.
        readable: Those that could be read.
        distinct: Pictures, once copies of the same are joined.
        groups: Independent groups, once near-copies (and images of one patient) are joined.
        classes: Counts by class and split.
        imbalance: Images of the largest class over those of the smallest.
        formats: By true format.
        modes: By Pillow mode or DICOM photometric interpretation.
        sizes: By ``width x height``, most frequent first.
        aspects: By width / height, rounded to a tenth.
        flags: Quality flags (blank, blurred, burned-in text, …), images a flag.
        samples: Label → names of a few images drawn from it, for a sample sheet.
    """

    name: str
    folder: str
    files: int
    readable: int
    distinct: int
    groups: int
    classes: tuple[ClassCount, ...]
    imbalance: float | None
    formats: tuple[Count, ...]
    modes: tuple[Count, ...]
    sizes: tuple[Count, ...]
    aspects: tuple[Count, ...]
    flags: tuple[Count, ...]
    samples: dict[str, tuple[str, ...]]


class Relation(StrEnum):
    """How much of a copy one image is of another, strongest first."""

    BYTES = "bytes"
    PIXELS = "pixels"
    SAME = "same"
    NEAR = "near"


class Turn(StrEnum):
    """How the second image must be turned to lie on the first.

    Mirrored left to right first where it says so, then rotated clockwise by so many degrees.
    """

    NONE = "none"
    ROTATED_90 = "rotated_90"
    ROTATED_180 = "rotated_180"
    ROTATED_270 = "rotated_270"
    MIRRORED = "mirrored"
    MIRRORED_ROTATED_90 = "mirrored_rotated_90"
    MIRRORED_ROTATED_180 = "mirrored_rotated_180"
    MIRRORED_ROTATED_270 = "mirrored_rotated_270"


class Copy(_Frozen):
    """Two images that are copies, or near-copies, of one another.

    The labels and splits are empty where they are not known, or the set has none.
    """

    first: str
    second: str
    relation: Relation
    correlation: Annotated[float, Field(ge=-1.0, le=1.0)]
    turn: Turn
    across_classes: bool
    across_splits: bool
    across_sets: bool
    first_label: str = ""
    second_label: str = ""
    first_split: str = ""
    second_split: str = ""


class CopyCount(_Frozen):
    """How many pairs of copies there are of one strength, listed or not.

    Attributes:
        relation: How strong.
        pairs: All of them.
        turned: Those of which one is mirrored or rotated against the other.
        across_classes: Those with labels that cannot both be true.
        across_splits: Those in two splits (or folds) of one set.
        across_sets: Those in two sets.
    """

    relation: Relation
    pairs: int
    turned: int
    across_classes: int
    across_splits: int
    across_sets: int


class Leak(_Frozen):
    """How much of one split of a set stands in another, copies counted, mirrors included.

    Attributes:
        name: The set.
        split: The side that should be unseen, such as ``test``.
        against: The side that is learnt from, such as ``train``.
        images: Images of `split`.
        same: Those with the same picture in `against` (bytes, pixels or same).
        near: Those with at least a near-copy there; includes `same`.
    """

    name: str
    split: str
    against: str
    images: int
    same: int
    near: int


class Overlap(_Frozen):
    """How many images of one set have the same picture (or a near-copy) in another."""

    of: str
    among: str
    images: int
    same: int
    near: int


class PatientLeak(_Frozen):
    """A patient whose images stand in more than one split (or fold)."""

    name: str
    patient: str
    splits: tuple[str, ...]
    images: int


class Control(_Frozen):
    """What something that knows nothing of tumors scores.

    Attributes:
        name: What it is: ``copy-detector``, ``frame only``, ``file size``, …
        on: Which set, and on which images it was measured.
        accuracy: Its accuracy.
        balanced_accuracy: The mean sensitivity over the classes.
        chance: The accuracy of always naming the largest class.
        images: How many images it was measured on.
        accuracy_low: Lower end of the 95 % interval of the accuracy, over groups of copies.
        accuracy_high: Its upper end.
        auroc: Where there are two classes, or None.
        detail: What it found, where that can be said in a clause.
    """

    name: str
    on: str
    accuracy: Share
    balanced_accuracy: Share
    chance: Share
    images: int
    accuracy_low: Share | None = None
    accuracy_high: Share | None = None
    auroc: Share | None = None
    detail: str = ""


class Suspect(_Frozen):
    """An image whose label looks wrong, by confident learning on out-of-fold answers."""

    image: str
    label: str
    suggested: str
    confidence: Share


class Severity(StrEnum):
    """How much a sentence of the verdict matters."""

    FINE = "fine"
    NOTICE = "notice"
    SERIOUS = "serious"


class Sentence(_Frozen):
    """One sentence of the verdict, that a person can act on."""

    severity: Severity
    text: str


class AuditReport(_Frozen):
    """Everything that an audit found.

    Attributes:
        schema_version: Of this layout.
        created: When, ISO 8601.
        tumorlens: The version that made it.
        seconds: How long it took.
        verdict: What a person should know first.
        sets: The sets.
        problems: Files that cannot be used as they are.
        copies: Pairs of copies; where there are very many, those that cross something first.
        copies_left_out: How many pairs are not listed; they are counted everywhere else.
        copy_counts: All pairs of copies, by strength.
        distinct: Pictures in all sets together, once copies of the same are joined.
        groups: Independent groups in all sets together.
        leaks: Within each set, split against split.
        overlaps: Set against set.
        patients: Patients in two splits.
        controls: What knows nothing of tumors, and scores all the same.
        suspects: Labels that look wrong, most confident first.
    """

    schema_version: Literal[1] = 1
    created: str
    tumorlens: str
    seconds: float
    verdict: tuple[Sentence, ...]
    sets: tuple[SetSummary, ...]
    problems: tuple[Problem, ...]
    copies: tuple[Copy, ...]
    copies_left_out: int
    copy_counts: tuple[CopyCount, ...] = ()
    distinct: int = 0
    groups: int = 0
    leaks: tuple[Leak, ...]
    overlaps: tuple[Overlap, ...]
    patients: tuple[PatientLeak, ...]
    controls: tuple[Control, ...]
    suspects: tuple[Suspect, ...]
