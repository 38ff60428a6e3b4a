"""A model beside the controls: the same figures, on the same images, from the same training side.

A figure that something reaches which knows nothing of tumors is no evidence that a model knows
anything of them.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from tumorlens.data import manifest as manifests
from tumorlens.data.audit.inspect import Inspection, inspect_file
from tumorlens.data.index import TUMOR
from tumorlens.errors import DatasetError
from tumorlens.evaluate.controls import IGNORANT, ControlKind, answer, gather
from tumorlens.evaluate.figures import fold_figures, unseen_figures
from tumorlens.model.format import Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import ModelMetadata

    Progress = Callable[[int, int], None]

HEADLINES = frozenset({"accuracy", "tumor kind accuracy", "tumor AUROC"})
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


class ControlFigure(BaseModel):
    """What a control scored in one of the model's figures, on the same images."""

    model_config = ConfigDict(frozen=True)

    control: str
    metric: Metric


def control_figures(
    metadata: ModelMetadata,
    root: Path,
    *,
    training: Sequence[Entry],
    held_out: Sequence[Entry],
    unseen: Sequence[Entry] = (),
    progress: Progress | None = None,
) -> list[ControlFigure]:
    """Let each control learn from the model's training images, and take the model's figures of it.

    Args:
        metadata: Of the model.
        root: The folder that holds the sets.
        training: The images that the model learnt from.
        held_out: The images of its test fold.
        unseen: Images of sets that it never saw.
        progress: Called with (images looked at, images in all).

    Raises:
        DatasetError: A training image is missing or has changed.
    """
    names = tuple(dict.fromkeys((*metadata.classes, TUMOR)))
    learnt = [entry for entry in training if entry.label in names]
    manifests.verify(learnt, root)
    entries = [*learnt, *held_out, *unseen]
    evidence = gather(_inspected(root, entries, progress))
    truth = np.array([names.index(entry.label) for entry in learnt], np.intp)
    train, test = np.split(np.arange(len(entries)), [len(learnt)])
    found = []
    for kind in SHOWN:
        answers = answer(kind, evidence, truth, len(names), train=train, test=test)
        over_classes = _over_classes(answers, names, metadata)
        figures = [*fold_figures(metadata, held_out, over_classes[: len(held_out)])]
        figures += unseen_figures(metadata, unseen, over_classes[len(held_out) :])
        found += [
            ControlFigure(control=kind.value, metric=figure.measured())
            for figure in figures
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


def _over_classes(
    answers: NDArray[np.float64], names: Sequence[str], metadata: ModelMetadata
) -> NDArray[np.float64]:
    """Probabilities over the model's classes: a tumor of unknown kind is shared out to the kinds.

    Each kind gets of it what it has of the kinds together.
    """
    classes = len(metadata.classes)
    if len(names) == classes:
        return answers
    given = answers[:, :classes].copy()
    kinds = [metadata.classes.index(name) for name in metadata.positive]
    together = given[:, kinds].sum(axis=1, keepdims=True)
    evenly = np.full((len(given), len(kinds)), 1.0 / len(kinds))
    shares = np.divide(given[:, kinds], together, out=evenly, where=together > 0)
    given[:, kinds] += shares * answers[:, classes:]
    return given
