"""Controls: what something scores that knows nothing of tumors.

Each learns from a train side what a picture gives away without anyone reading it (its pixels as a
whole, its outer frame, the properties of its file) and answers a test side. A model is worth what
it scores above them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tumorlens.data.audit.facts import outer_frame
from tumorlens.evaluate.metrics import accuracy, auroc, balanced_accuracy, with_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tumorlens.model.format import Metric

    Rows = NDArray[np.intp]
    Features = NDArray[np.float32]

TREES = 100
"""Trees of a forest: twice as many move the figures of the public sets by about a point at most."""

SMALLEST_LEAF = 5
"""Images in a leaf of a tree on one property, so that it finds a rule and not each image."""

_SHARPNESS = 16.0
"""How strongly the nearer of two images weighs for the copy-detector: one at 0.8 of the distance
weighs 30 times as much, so that sums over classes still follow the nearest image."""

_ROWS_AT_ONCE = 512


class ControlKind(StrEnum):
    """What a control looks at, or what was done to it."""

    COPY_DETECTOR = "copy-detector"
    FRAME = "frame only"
    METADATA = "file metadata"
    FILE_SIZE = "file size"
    DIMENSIONS = "dimensions"
    MODE = "mode"
    FORMAT = "format"
    MEAN_INTENSITY = "mean intensity"
    TEXT = "burned-in text"
    SHUFFLED_LABELS = "shuffled labels"
    LARGEST_CLASS = "largest class"


PROPERTIES = (
    ControlKind.FILE_SIZE,
    ControlKind.DIMENSIONS,
    ControlKind.MODE,
    ControlKind.FORMAT,
    ControlKind.MEAN_INTENSITY,
    ControlKind.TEXT,
)
"""The controls that look at one property of a file each; `METADATA` looks at all of them."""

IGNORANT = frozenset({ControlKind.SHUFFLED_LABELS, ControlKind.LARGEST_CLASS})
"""The controls that have nothing to learn: a figure near theirs is chance, not a shortcut."""


class Picture(Protocol):
    """What the controls look at; an image of an audit is one.

    `pixels64` is the whole picture in grey, uint8 (64, 64); `flags` are names of quality flags.
    """

    @property
    def pixels64(self) -> NDArray[np.uint8]: ...  # noqa: D102
    @property
    def file_size(self) -> int: ...  # noqa: D102
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def height(self) -> int: ...  # noqa: D102
    @property
    def mode(self) -> str: ...  # noqa: D102
    @property
    def format(self) -> str: ...  # noqa: D102
    @property
    def mean_intensity(self) -> float: ...  # noqa: D102
    @property
    def flags(self) -> tuple[str, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The same of N images as arrays, gathered once for all controls.

    Attributes:
        pixels: uint8 (N, 4096).
        frame: uint8 (N, F).
        properties: For each of `PROPERTIES`, float32 (N, 1 or 2).
    """

    pixels: NDArray[np.uint8]
    frame: NDArray[np.uint8]
    properties: dict[ControlKind, Features]

    def tells_apart(self, kind: ControlKind) -> bool:
        """Whether the images differ at all in what a control looks at."""
        seen = self.properties.get(kind)
        return seen is None or bool((seen != seen[:1]).any())


def gather(images: Sequence[Picture]) -> Evidence:
    """What N images give away."""
    columns: dict[ControlKind, list[Any]] = {
        ControlKind.FILE_SIZE: [image.file_size for image in images],
        ControlKind.DIMENSIONS: [(image.width, image.height) for image in images],
        ControlKind.MODE: _codes([image.mode for image in images]),
        ControlKind.FORMAT: _codes([image.format for image in images]),
        ControlKind.MEAN_INTENSITY: [image.mean_intensity for image in images],
        ControlKind.TEXT: ["text" in image.flags for image in images],
    }
    return Evidence(
        pixels=np.stack([image.pixels64.ravel() for image in images]),
        frame=np.stack([outer_frame(image.pixels64) for image in images]),
        properties={
            kind: np.asarray(values, np.float32).reshape(len(images), -1)
            for kind, values in columns.items()
        },
    )


def answer(
    kind: ControlKind,
    evidence: Evidence,
    truth: Rows,
    classes: int,
    *,
    train: Rows,
    test: Rows,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Let a control learn from some images and answer others.

    Args:
        kind: Which control.
        evidence: Of N images.
        truth: The class of each image, from 0; only that of the rows in `train` is looked at, so
            it may end with them.
        classes: How many classes there are; those that `train` lacks get probability 0.
        train: The images to learn from, by row; at least one.
        test: The images to answer.
        seed: Of the trees, and of the shuffling.

    Returns:
        Probabilities of shape (len(test), classes).
    """
    learnt = truth[train]
    match kind:
        case ControlKind.LARGEST_CLASS:
            shares = np.bincount(learnt, minlength=classes) / len(learnt)
            return np.tile(shares, (len(test), 1))
        case ControlKind.COPY_DETECTOR:
            return _nearest(evidence.pixels[train], learnt, evidence.pixels[test], classes)
        case ControlKind.SHUFFLED_LABELS:
            shuffled = np.random.default_rng(seed).permutation(learnt)
            return _nearest(evidence.pixels[train], shuffled, evidence.pixels[test], classes)
        case ControlKind.FRAME:
            return _fitted(_forest(seed), evidence.frame, learnt, classes, train, test)
        case ControlKind.METADATA:
            together = np.hstack([evidence.properties[each] for each in PROPERTIES])
            return _fitted(_forest(seed), together, learnt, classes, train, test)
        case _:
            seen = evidence.properties[kind]
            return _fitted(_one_tree(seed), seen, learnt, classes, train, test)


def answer_folds(
    kind: ControlKind,
    evidence: Evidence,
    truth: Rows,
    classes: int,
    *,
    folds: Rows,
    tested: Rows,
) -> NDArray[np.float64]:
    """Answer images having learnt from all folds but their own; shape (len(tested), classes).

    Args:
        kind: Which control.
        evidence: Of N images.
        truth: The class of each, (N,), from 0.
        classes: How many classes there are.
        folds: The fold of each image, (N,); at least two different ones.
        tested: The images to answer, by row.
    """
    answers = np.zeros((len(tested), classes))
    for fold in np.unique(folds[tested]):
        mine = folds[tested] == fold
        train = np.flatnonzero(folds != fold)
        answers[mine] = answer(kind, evidence, truth, classes, train=train, test=tested[mine])
    return answers


@dataclass(frozen=True, slots=True)
class ControlScore:
    """What a control scored.

    Attributes:
        kind: Which control.
        accuracy: With its interval, by bootstrap over groups.
        balanced_accuracy: The mean sensitivity over the classes, with its interval.
        auroc: Where there are two classes, or None.
    """

    kind: ControlKind
    accuracy: Metric
    balanced_accuracy: Metric
    auroc: float | None


def score(
    kind: ControlKind,
    probabilities: NDArray[np.float64],
    truth: Rows,
    groups: Sequence[str],
    on: str,
) -> ControlScore:
    """The figures of a control's answers.

    Args:
        kind: Which control.
        probabilities: Its answers, (N, C).
        truth: The class of each image, (N,).
        groups: The group of each image: copies of one another, or of one patient.
        on: What the images are, in words.
    """
    chosen = probabilities.argmax(axis=1)
    area = None
    if probabilities.shape[1] == 2:  # noqa: PLR2004  (two classes: one is the other's opposite)
        area = auroc(truth == 1, probabilities[:, 1])(np.arange(len(truth)))
    return ControlScore(
        kind=kind,
        accuracy=with_interval("accuracy", on, accuracy(truth, chosen), groups),
        balanced_accuracy=with_interval(
            "balanced accuracy", on, balanced_accuracy(truth, chosen), groups
        ),
        auroc=None if area is None or np.isnan(area) else area,
    )


def _nearest(
    train: NDArray[np.uint8], truth: Rows, test: NDArray[np.uint8], classes: int
) -> NDArray[np.float64]:
    """1-nearest-neighbour on raw pixels; the other classes by how much farther they are."""
    centre = train.mean(axis=0, dtype=np.float32)
    known = train - centre
    lengths = np.einsum("ij,ij->i", known, known)
    order = [np.flatnonzero(truth == number) for number in range(classes)]
    distances = np.full((len(test), classes), np.inf)
    for start in range(0, len(test), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        asked = test[rows] - centre
        squares = lengths - 2 * asked @ known.T + np.einsum("ij,ij->i", asked, asked)[:, None]
        for number, members in enumerate(order):
            if members.size:
                distances[rows, number] = squares[:, members].min(axis=1)
    grey_levels = np.sqrt(np.maximum(distances, 0) / train.shape[1])
    evidence = -_SHARPNESS * np.log1p(grey_levels)
    weights = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    answers: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return answers


def _forest(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(TREES, random_state=seed, n_jobs=-1)


def _one_tree(seed: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(min_samples_leaf=SMALLEST_LEAF, random_state=seed)


def _fitted(
    learner: Any, features: NDArray[Any], learnt: Rows, classes: int, train: Rows, test: Rows
) -> NDArray[np.float64]:
    learner.fit(features[train], learnt)
    answers = np.zeros((len(test), classes))
    answers[:, learner.classes_] = learner.predict_proba(features[test])
    return answers


def _codes(names: Sequence[str]) -> list[int]:
    """A number for each name, the same for the same name."""
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    return [numbers[name] for name in names]
