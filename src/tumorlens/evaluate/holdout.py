"""A model on images that it did not learn from: all figures, controls beside them, and warnings."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tumorlens.errors import DatasetError
from tumorlens.evaluate.comparison import control_figures, not_measured, warnings_of
from tumorlens.evaluate.evaluation import Confusion, Evaluation, load_evaluation
from tumorlens.evaluate.figures import fold_figures, unseen_figures
from tumorlens.evaluate.parts import REST, confusion_of, part_of, where_all
from tumorlens.evaluate.sides import Sides, held_out_entries, sides, unseen_entries
from tumorlens.evaluate.truth import left_out, truth_of
from tumorlens.model.prepare import prepare
from tumorlens.scan import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.evaluate.evaluation import Part
    from tumorlens.model.format import Metric, ModelMetadata
    from tumorlens.model.run import Model

    Progress = Callable[[int, int], None]
    Answers = NDArray[np.float64]

__all__ = [
    "Confusion",
    "Evaluation",
    "Sides",
    "Subject",
    "beside_controls",
    "evaluate",
    "evaluate_sides",
    "evaluate_unseen",
    "held_out_entries",
    "load_evaluation",
    "predict",
    "sides",
    "unseen_entries",
    "with_unseen",
]


class Subject(Protocol):
    """What is measured: a loaded model, or answers that something else gave."""

    @property
    def metadata(self) -> ModelMetadata: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102


def predict(
    model: Model, root: Path, entries: Sequence[Entry], progress: Progress | None = None
) -> Answers:
    """The model's probabilities (N, C) for the images of a manifest, in order."""
    spec = model.metadata.input

    def one(entry: Entry) -> NDArray[np.float32]:
        scan = next(read(root / entry.name))
        row: NDArray[np.float32] = model.run(prepare(scan.pixels, spec).tensor[None]).probabilities[
            0
        ]
        return row

    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, row in enumerate(pool.map(one, entries), start=1):
            rows.append(row)
            if progress:
                progress(number, len(entries))
    return np.asarray(rows, np.float64)


def evaluate(subject: Subject, entries: Sequence[Entry], probabilities: Answers) -> Evaluation:
    """The figures of a model on the images of one fold, or of all of a set.

    Images of known class are judged by their most probable class. An image that shows a tumor of
    unknown kind counts in the figures of tumor against no tumor only.

    Args:
        subject: What answered.
        entries: The images.
        probabilities: Its answers, (N, C).

    Raises:
        DatasetError: None of the images is labelled as anything that the model knows.
    """
    metadata = subject.metadata
    truth = truth_of(metadata, entries)
    if not len(truth.with_kind) and not len(truth.with_tumor):
        labels = ", ".join(sorted({entry.label for entry in entries}))
        msg = (
            f"no image is labelled as one of {', '.join(metadata.classes)}; their labels are "
            f"{labels}"
        )
        raise DatasetError(msg)
    folds = {entry.fold for entry in entries}
    part = part_of(metadata, entries, probabilities)
    return Evaluation(
        model=metadata.name,
        model_sha256=subject.sha256,
        model_bytes=subject.size,
        fold=folds.pop() if len(folds) == 1 else None,
        images=len(entries),
        metrics=tuple(f.measured() for f in fold_figures(metadata, entries, probabilities)),
        confusion=confusion_of(metadata, entries, probabilities),
        parts=(part,),
        notes=tuple(left_out(metadata, entries)),
    )


def evaluate_sides(subject: Subject, sides: Sides, probabilities: Answers) -> Evaluation:
    """The figures of a model on its test side; where sides leak, also on what does not.

    Args:
        subject: What answered.
        sides: What it learnt from, and what it is measured on.
        probabilities: Its answers to the test side, (N, C).

    Raises:
        DatasetError: None of the images is labelled as anything that the model knows.
    """
    result = evaluate(subject, sides.held_out, probabilities)
    result = result.model_copy(
        update={
            "protocol": sides.protocol,
            "leak": sides.leak,
            "notes": (*result.notes, *sides.notes),
        }
    )
    if result.leak is None or not result.leak.near or not sides.rest:
        return result
    rest = [sides.held_out[i] for i in sides.rest]
    answers = probabilities[sides.rest]
    figures = [f.measured() for f in fold_figures(subject.metadata, rest, answers, REST)]
    return result.model_copy(
        update={
            "metrics": (*result.metrics, *figures),
            "parts": (*result.parts, part_of(subject.metadata, rest, answers, REST)),
        }
    )


def evaluate_unseen(
    subject: Subject, entries: Sequence[Entry], probabilities: Answers
) -> list[Metric]:
    """Tumor against no tumor on sets that the model has not seen, each set by itself."""
    figures = unseen_figures(subject.metadata, entries, probabilities)
    return [figure.measured() for figure in figures]


def with_unseen(
    result: Evaluation, subject: Subject, entries: Sequence[Entry], probabilities: Answers
) -> Evaluation:
    """An evaluation with what the model scored on sets that it has not seen.

    Args:
        result: The evaluation on the test side.
        subject: What answered.
        entries: Images of sets that it has not seen.
        probabilities: Its answers to them, (N, C).
    """

    def parts() -> Iterator[Part]:
        for source in sorted({entry.source for entry in entries}):
            rows = [i for i, entry in enumerate(entries) if entry.source == source]
            inside = [entries[i] for i in rows]
            yield part_of(subject.metadata, inside, probabilities[rows], on=f"{source}, never seen")

    figures = evaluate_unseen(subject, entries, probabilities)
    notes = left_out(subject.metadata, entries)
    return result.model_copy(
        update={
            "metrics": (*result.metrics, *figures),
            "parts": (*result.parts, *parts()),
            "notes": (*result.notes, *notes),
        }
    )


def beside_controls(
    result: Evaluation,
    metadata: ModelMetadata,
    sides: Sides,
    *,
    unseen: Sequence[Entry] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """An evaluation with the controls beside it, and what they and the leaks say of its figures.

    Where the training images are not at hand, there are no controls and a warning says why.

    Args:
        result: The model's own figures.
        metadata: Of the model.
        sides: What the model learnt from, and its test fold.
        unseen: Images of sets that the model never saw, if they were measured.
        progress: Called with (images looked at, images in all).
    """
    leaks = leak_warnings(result)
    try:
        controls = control_figures(metadata, sides, unseen=unseen, progress=progress)
    except DatasetError as error:
        return result.model_copy(update={"warnings": (*leaks, not_measured(error))})
    warnings = (*leaks, *warnings_of(result.metrics, controls))
    return result.model_copy(update={"controls": tuple(controls), "warnings": warnings})


def leak_warnings(result: Evaluation) -> list[str]:
    """What is said of a test side that is not kept apart from the training side."""
    leak = result.leak
    if leak is None:
        return []
    on = where_all(result)
    sentence = (
        f"The sides are those of the set's authors: of {leak.images} test images {leak.same} "
        f"({leak.same / leak.images:.1%}) show a picture that was learnt from"
    )
    if leak.near > leak.same:
        sentence += f", and {leak.near - leak.same} more are near-copies of one"
    if not leak.near:
        return [sentence + "."]
    values = {(metric.name, metric.on): metric for metric in result.metrics}
    for name in ("accuracy", "tumor AUROC"):
        whole, rest = values.get((name, on)), values.get((name, f"{on}, {REST}"))
        if whole and rest:
            sentence += f". On all of them {name} is {whole.value:.3f}, on the {rest.count} "
            sentence += f"others {rest.value:.3f}: only the latter speaks of pictures that are new."
            return [sentence]
    return [f"{sentence}. Figures on all of them measure memory as well as skill."]
