"""The protocol of the evidence: what is measured of a model, on which images, in which order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.index import IMAGE_SUFFIXES
from tumorlens.decide.finding import Finding, Status
from tumorlens.decide.study import pool
from tumorlens.errors import DatasetError
from tumorlens.evaluate import holdout
from tumorlens.evaluate.evaluation import short
from tumorlens.evaluate.evidence.cases import Case, answer_cases, answered, probabilities_of
from tumorlens.evaluate.evidence.figures import by_part, calibration_of, coverage_of, mean_of
from tumorlens.evaluate.evidence.record import (
    Evidence,
    GateFigures,
    LeftOut,
    MapFigures,
    SeriesAnswer,
    Subject,
)
from tumorlens.evaluate.explanations import best_level, map_figures
from tumorlens.evaluate.figures import where
from tumorlens.evaluate.metrics import auroc, with_interval
from tumorlens.evaluate.sides import sides, unseen_entries, without_copies
from tumorlens.train.dense.images import mask_paths
from tumorlens.train.export.chance import randomised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tumorlens.evaluate.evaluation import Evaluation
    from tumorlens.evaluate.sides import Sides
    from tumorlens.model.format import Metric
    from tumorlens.model.run import Model

    Progress = Callable[[int, int], None]
    Counting = Callable[[str], Progress]

NOT_BRAIN = "not_brain_mri"
"""The folder of pictures that are no brain MRI, a folder a kind; only ever measured on."""

HEALTHY = "dicom_t1_7t"
VOLUMES = "nifti_tcia"
"""The folders of a tumor-free series, and of volumes with a tumor; only ever measured on."""

STRANGEST = 1e9
"""Stands for a picture that is rejected before anything is measured of it."""

LEVEL_IMAGES = 150
"""Images of training folds that the cut of maps is chosen on."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """An evaluation that was made before, so that nothing of it is measured again.

    Attributes:
        sides: What the model learnt from, and what it was measured on.
        evaluation: Its figures, with controls beside them.
    """

    sides: Sides
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Evidence, with the whole evaluation that its gallery is drawn from."""

    evidence: Evidence
    evaluation: Evaluation
    sides: Sides
    probabilities: np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def gather(
    model: Model,
    root: Path,
    *,
    manifest: Path | None = None,
    unseen: Sequence[str] = (),
    also: Sequence[Model] = (),
    measured: Measured | None = None,
    counting: Counting,
) -> Gathered:
    """Measure everything.

    Args:
        model: The model that is published.
        root: The folder of all sets.
        manifest: The manifest of its training run, or None to build it again.
        unseen: Sets that it learnt nothing from.
        also: Models of the same kind that learnt from fewer sources: each is measured on those of
            the sources of all that it lacks.
        measured: Its evaluation on the same sets, where it was made already.
        counting: Given what is done, gives a function to call with (done, in all).

    Raises:
        DatasetError: Its images are not there, or the manifest is another one.
        ScanError: An image cannot be read.
    """
    metadata = model.metadata
    if measured is None:
        found = sides(metadata, root, manifest, counting("comparing images"))
    else:
        found = measured.sides
    masks = mask_paths(found.root, {entry.source for entry in found.held_out})
    cases = answer_cases(
        model, found.root, found.held_out, masks, counting("answering the test fold")
    )
    probabilities = probabilities_of(model, found.root, cases)
    notes = [
        "None of the sets says in which plane a slice was taken: there are no figures by view."
    ]
    left_out = [
        _left_out(one, found, source, counting)
        for one in (model, *also)
        for source in _lacking(one, (model, *also), unseen)
    ]
    if measured is None:
        result = holdout.evaluate_sides(model, found, probabilities)
        result = holdout.beside_controls(
            result, metadata, found, progress=counting("measuring controls")
        )
    else:
        result = measured.evaluation
    on = where(found.held_out)
    gate = _gate(model, root, cases, on, counting)
    series = [*_series(model, root / HEALTHY), *_series(model, root / VOLUMES)]
    if gate is None:
        notes.append(f"{NOT_BRAIN} was not at hand: the gate was not measured.")
    if not series:
        notes.append(f"{HEALTHY} and {VOLUMES} were not at hand: no series was answered.")
    evidence = Evidence(
        subject=_subject(model),
        evaluation=short(result),
        answered=tuple(by_part(metadata, cases, on)),
        calibration=tuple(calibration_of(metadata, cases, probabilities)),
        coverage=tuple(coverage_of(metadata, cases, on)),
        gate=gate,
        maps=tuple(_maps(model, found, cases, masks, on, counting)),
        series=tuple(series),
        left_out=tuple(left_out),
        notes=tuple(notes),
    )
    return Gathered(evidence, result, found, probabilities)


def _subject(model: Model) -> Subject:
    metadata = model.metadata
    data = metadata.recipe.get("data")
    fold = data.get("test_fold") if isinstance(data, dict) else None
    return Subject(
        name=metadata.name,
        version=metadata.version,
        sha256=model.sha256,
        classes=metadata.classes,
        positive=metadata.positive,
        recipe=str(metadata.recipe.get("name", "")),
        licence=metadata.licence,
        attribution=metadata.attribution,
        sources=metadata.data,
        test_fold=fold if isinstance(fold, int) else None,
        coverage=metadata.thresholds.coverage,
        operating=metadata.decision.operating,
        selection=metadata.decision.selection,
        calibration=metadata.decision.calibration,
        study=metadata.decision.study,
        fitted_on=metadata.decision.fitted_on,
        outlines=metadata.outlines,
        gives_mask=model.gives_mask,
    )


def _gate(
    model: Model, root: Path, cases: Sequence[Case], on: str, counting: Counting
) -> GateFigures | None:
    """Pictures that are no brain MRI against the test fold."""
    files = _files(root / NOT_BRAIN)
    if not files:
        return None
    strange = _answer_files(model, files, counting("answering what is no brain MRI"))
    brains = [case.finding for case in cases]
    score = np.array([_strangeness(one) for one in (*brains, *(one for _, one in strange))])
    truth = np.arange(len(score)) >= len(brains)
    groups = [case.entry.group for case in cases] + [name for name, _ in strange]
    rejected = np.array(
        [one.status is Status.REJECTED for one in (*brains, *(one for _, one in strange))],
        np.float64,
    )
    kinds: dict[str, Counter[Status]] = {}
    for name, finding in strange:
        kinds.setdefault(name.split("/")[0], Counter())[finding.status] += 1
    apart = f"{len(strange)} pictures of other things beside {on}"
    return GateFigures(
        figures=(
            with_interval("AUROC of not a brain MRI", apart, auroc(truth, score), groups),
            mean_of("share rejected", on, rejected[~truth], groups[: len(brains)]),
            mean_of(
                "share rejected", "pictures of other things", rejected[truth], groups[len(brains) :]
            ),
        ),
        kinds={name: dict(sorted(count.items())) for name, count in sorted(kinds.items())},
    )


def _strangeness(finding: Finding) -> float:
    """What the gate rejects by, as one number; what quality rejects unseen is the strangest."""
    if finding.unlikeness is not None:
        return finding.unlikeness
    return STRANGEST if finding.novelty is None else finding.novelty


def _maps(
    model: Model,
    found: Sides,
    cases: Sequence[Case],
    masks: Mapping[str, Path],
    on: str,
    counting: Counting,
) -> list[MapFigures]:
    """How heatmaps lie on tumors, the model's and those of shuffled weights."""
    scored = [case for case in cases if case.map_score is not None]
    if not scored:
        return []
    drawn = mask_paths(found.root, {entry.source for entry in found.training})
    known = sorted(
        (entry for entry in found.training if entry.name in drawn), key=lambda e: e.sha256
    )
    others = answer_cases(
        model, found.root, known[:LEVEL_IMAGES], drawn, counting("choosing the cut of maps")
    )
    # Never on the images that are scored: without others, maps are not cut at all.
    cut = [case.map_score for case in others if case.map_score is not None]
    level = best_level(cut) if cut else None
    shuffled = _without_gates(randomised(model))
    chance = answer_cases(
        shuffled, found.root, [case.entry for case in scored], masks, counting("shuffled weights")
    )
    return [
        MapFigures(who=who, figures=_map_figures(some, on, level))
        for who, some in (("the model", scored), ("shuffled weights", chance))
    ]


def _map_figures(cases: Sequence[Case], on: str, level: int | None) -> tuple[Metric, ...]:
    kept = [case for case in cases if case.map_score is not None]
    scores = [case.map_score for case in kept if case.map_score is not None]
    if not scores:
        return ()
    return map_figures(scores, [case.entry.group for case in kept], f"{on}, with a mask", level)


def _without_gates(model: Model) -> Model:
    """A model that rejects nothing by novelty: shuffled weights would reject everything."""
    from dataclasses import replace

    limits = model.metadata.thresholds.model_copy(
        update={"novelty_uncertain": None, "novelty_rejected": None}
    )
    return replace(model, metadata=model.metadata.model_copy(update={"thresholds": limits}))


def _lacking(one: Model, models: Sequence[Model], unseen: Sequence[str]) -> list[str]:
    """The sets that a model is measured on as sources that it learnt nothing from."""
    mine = {source.name for source in one.metadata.data}
    every = {source.name for other in models for source in other.metadata.data}
    return sorted((every | set(unseen)) - mine)


def _left_out(one: Model, found: Sides, source: str, counting: Counting) -> LeftOut:
    entries = unseen_entries(one.metadata, found.root, [source], counting("comparing images"))
    learnt = {known.name for known in one.metadata.data}
    training = [entry for entry in found.training if entry.source in learnt]
    entries, _ = without_copies(
        entries, training, found.root, counting("looking for copies of what was learnt from")
    )
    cases = answer_cases(one, found.root, entries, {}, counting(f"answering {source}"))
    probabilities = probabilities_of(one, found.root, cases)
    return LeftOut(
        model=f"{one.metadata.name} {one.sha256[:12]}",
        learnt=tuple(sorted(learnt)),
        source=source,
        answered=answered(one.metadata, cases, f"{source}, never seen"),
        figures=tuple(holdout.evaluate_unseen(one, entries, probabilities)),
    )


def _series(model: Model, folder: Path) -> list[SeriesAnswer]:
    """The answers for the series and volumes of a folder, scans only."""
    from tumorlens.analysis import analyze

    if not folder.is_dir():
        return []
    found: dict[str, list[Finding]] = {}
    for outcome in analyze(folder, model=model):
        if isinstance(outcome, Finding) and "mask" not in Path(outcome.scan.source).name.lower():
            key = outcome.scan.series or outcome.scan.source
            found.setdefault(key, []).append(outcome)
    answers = []
    for findings in found.values():
        whole = pool(findings)
        name = findings[0].scan.source
        answers.append(
            SeriesAnswer(
                name=name[name.find(folder.name) :],
                status=whole.status,
                tumor_probability=whole.tumor_probability,
                slices=dict(sorted(Counter(one.status for one in findings).items())),
            )
        )
    return sorted(answers, key=lambda one: one.name)


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )


def _answer_files(
    model: Model, files: Sequence[Path], progress: Progress
) -> list[tuple[str, Finding]]:
    """Name under the folder → answer, of files that can be read."""
    from tumorlens.analysis import analyze

    found = []
    for number, path in enumerate(files, start=1):
        name = f"{path.parent.name}/{path.name}"
        outcomes = analyze(path, model=model, workers=1)
        found += [(name, outcome) for outcome in outcomes if isinstance(outcome, Finding)]
        progress(number, len(files))
    if not found:
        msg = f"{files[0].parent}: no picture in it can be read"
        raise DatasetError(msg)
    return found
