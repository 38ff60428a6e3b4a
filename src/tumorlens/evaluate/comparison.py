"""A model beside the controls: the same figures, on the same images, from the same training side.

A figure that something reaches which knows nothing of tumors is no evidence that a model knows
anything of them.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data import manifest as manifests
from tumorlens.data.audit.inspect import Inspection, inspect_file
from tumorlens.errors import DatasetError
from tumorlens.evaluate.controls import IGNORANT, ControlKind, answer, answer_folds, gather
from tumorlens.evaluate.evaluation import ControlFigure
from tumorlens.evaluate.figures import fold_figures, unseen_figures
from tumorlens.evaluate.parts import REST
from tumorlens.evaluate.truth import UNKNOWN, known_entries, truth_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.evaluate.controls import Evidence
    from tumorlens.evaluate.figures import Figure
    from tumorlens.evaluate.sides import Sides
    from tumorlens.model.format import Metric, ModelMetadata

    Progress = Callable[[int, int], None]

HEADLINES = frozenset(
    {"accuracy", "tumor kind accuracy", "kind accuracy, given a tumor", "tumor AUROC"}
)
"""The figures that controls are held against: those that a model is chosen by."""

SHOWN = (
    ControlKind.COPY_DETECTOR,
    ControlKind.FRAME,
    ControlKind.METADATA,
    ControlKind.SHUFFLED_LABELS,
    ControlKind.LARGEST_CLASS,
)

CLOSE = 0.05
"""A control that stays no farther than this below the model is spoken of."""

_SUBJECTS = {
    ControlKind.COPY_DETECTOR: "Taking the label of the most similar training picture reaches",
    ControlKind.FRAME: "The outer frame of the picture alone reaches",
    ControlKind.METADATA: "The properties of the file alone reach",
    ControlKind.SHUFFLED_LABELS: "Copying labels that were shuffled reaches",
    ControlKind.LARGEST_CLASS: "Always naming the largest class reaches",
}


def control_figures(
    metadata: ModelMetadata,
    sides: Sides,
    *,
    unseen: Sequence[Entry] = (),
    progress: Progress | None = None,
) -> list[ControlFigure]:
    """Let each control learn from the model's training images, and take the model's figures of it.

    Where it is not known what the model learnt from, the controls learn from the other folds of the
    images that they answer: what they then reach is what the set itself gives away.

    Args:
        metadata: Of the model.
        sides: What the model learnt from, and its test side.
        unseen: Images of sets that it never saw.
        progress: Called with (images looked at, images in all).

    Raises:
        DatasetError: A training image is missing or has changed.
    """
    manifests.verify(sides.training, sides.root)
    learnt = known_entries(metadata, sides.training)
    evidence = gather(_inspected(sides.root, [*learnt, *sides.held_out, *unseen], progress))
    found = []
    for kind in SHOWN:
        answers = _answers(kind, evidence, metadata, learnt, sides.held_out, len(unseen))
        found += [
            ControlFigure(control=kind.value, metric=figure.measured())
            for figure in _figures(metadata, sides, unseen, answers)
            if figure.name in HEADLINES
        ]
    return found


def warnings_of(metrics: Sequence[Metric], controls: Sequence[ControlFigure]) -> list[str]:
    """A sentence for each control that comes close to the model, in the order of the figures.

    Of a figure that is close to chance no shortcut is suspected: there is nothing to explain.
    """
    return [
        f"{_SUBJECTS[ControlKind(one.control)]} {one.metric.value:.3f} in {metric.name} on "
        f"{metric.on}, where the model has {metric.value:.3f}: {meaning}."
        for metric in metrics
        for one, meaning in _close(metric, controls)
    ]


def _close(
    metric: Metric, controls: Sequence[ControlFigure]
) -> Iterator[tuple[ControlFigure, str]]:
    """The controls that come close in a figure, and what each of them means for it."""
    near = [
        one
        for one in controls
        if (one.metric.name, one.metric.on) == (metric.name, metric.on)
        and one.metric.value >= metric.value - CLOSE
    ]
    is_chance = any(ControlKind(one.control) in IGNORANT for one in near)
    for one in near:
        if ControlKind(one.control) in IGNORANT:
            yield one, "the figure is close to chance"
        elif one.metric.value >= metric.value:
            yield one, "the model does no better than that"
        elif not is_chance:
            yield one, "the figure may be a shortcut"


def not_measured(error: DatasetError) -> str:
    """What is said where the training images are not at hand."""
    return (
        f"The controls could not be measured, since they learn from the training images: {error}. "
        "Without them no figure here can be told from a shortcut."
    )


def _inspected(root: Path, entries: Sequence[Entry], progress: Progress | None) -> list[Inspection]:
    pictures = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        inspected = pool.map(lambda entry: inspect_file(root / entry.name), entries)
        for number, (entry, one) in enumerate(zip(entries, inspected, strict=True), start=1):
            if not isinstance(one, Inspection):
                msg = f"{entry.name}: {one.detail}"
                raise DatasetError(msg)
            pictures.append(one)
            if progress:
                progress(number, len(entries))
    return pictures


def _answers(
    kind: ControlKind,
    evidence: Evidence,
    metadata: ModelMetadata,
    learnt: Sequence[Entry],
    held_out: Sequence[Entry],
    unseen: int,
) -> NDArray[np.float64]:
    """What a control answers to the test side and to sets never seen, over the model's classes."""
    wide = len(metadata.classes) + 1
    total = len(learnt) + len(held_out) + unseen
    numbers = _numbers(metadata, learnt or held_out)
    train, test = np.split(np.arange(total), [len(numbers)])
    if learnt:
        given = answer(kind, evidence, numbers, wide, train=train, test=test)
    else:
        folds = np.array([entry.fold for entry in held_out])
        given = answer_folds(kind, evidence, numbers, wide, folds=folds, tested=train)
        if unseen:
            others = answer(kind, evidence, numbers, wide, train=train, test=test)
            given = np.concatenate([given, others])
    return _over_classes(given, metadata)


def _numbers(metadata: ModelMetadata, entries: Sequence[Entry]) -> NDArray[np.intp]:
    """What a control learns: the class, and a tumor of unknown kind as one class more."""
    truth = truth_of(metadata, entries)
    harmless = [i for i, name in enumerate(metadata.classes) if name not in metadata.positive]
    without_kind = np.where(truth.tumor == 1, len(metadata.classes), harmless[0])
    return np.where(truth.kind == UNKNOWN, without_kind, truth.kind)


def _figures(
    metadata: ModelMetadata,
    sides: Sides,
    unseen: Sequence[Entry],
    answers: NDArray[np.float64],
) -> Iterator[Figure]:
    """The model's figures of a control's answers."""
    held_out = sides.held_out
    yield from fold_figures(metadata, held_out, answers[: len(held_out)])
    if sides.leak is not None and sides.leak.near and sides.rest:
        rest = [held_out[i] for i in sides.rest]
        yield from fold_figures(metadata, rest, answers[sides.rest], REST)
    yield from unseen_figures(metadata, unseen, answers[len(held_out) :])


def _over_classes(answers: NDArray[np.float64], metadata: ModelMetadata) -> NDArray[np.float64]:
    """Probabilities over the model's classes: a tumor of unknown kind is shared out to the kinds.

    Each kind gets of it what it has of the kinds together.
    """
    classes = len(metadata.classes)
    given = answers[:, :classes].copy()
    kinds = [metadata.classes.index(name) for name in metadata.positive]
    together = given[:, kinds].sum(axis=1, keepdims=True)
    evenly = np.full((len(given), len(kinds)), 1.0 / len(kinds))
    shares = np.divide(given[:, kinds], together, out=evenly, where=together > 0)
    given[:, kinds] += shares * answers[:, classes:]
    return given
