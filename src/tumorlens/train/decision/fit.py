"""A model file gets what lets its answers be doubted, from images that it did not learn from."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tumorlens.errors import DatasetError, ModelIncompatible
from tumorlens.evaluate.sides import sides
from tumorlens.model.decision import Decision
from tumorlens.model.load import LOG_FATAL_ONLY, load_file
from tumorlens.train.calibrate import COVERAGE, REJECTED_QUANTILE, UNCERTAIN_QUANTILE
from tumorlens.train.decision.gate import fit_picture_gate
from tumorlens.train.decision.graph import (
    EMBEDDING,
    embed,
    is_calibrated,
    pooled_features,
    soften,
    take_temperature,
    with_output,
)
from tumorlens.train.decision.limits import conformal_levels, frame_limit, operating_point
from tumorlens.train.decision.neighbours import fit_neighbours
from tumorlens.train.decision.observe import Observations, observe
from tumorlens.train.decision.probabilities import by_source, fit_softening
from tumorlens.train.decision.reference import histograms
from tumorlens.train.decision.selection import RIGHT, selection
from tumorlens.train.decision.study import fit_study_rule, runs_of
from tumorlens.train.export.graph import with_metadata
from tumorlens.train.export.place import made_beside
from tumorlens.train.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import onnx

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import ModelMetadata
    from tumorlens.model.run import Model

    Progress = Callable[[int, int], None]

LEARNT_IMAGES = 10_000
"""Training images that the picture gate is fitted on, by chance where there are more."""

EXAMPLES = 1500
"""Those of them that a slice is compared with: the nearest of more are hardly nearer."""

FEWEST_HELD_OUT = 50
"""Below this, a limit that one image in a hundred may exceed means nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """What was fitted.

    Attributes:
        metadata: What the new file says of itself.
        held_out: How many images it was fitted on.
        notes: What could not be fitted, and why, a sentence each.
    """

    metadata: ModelMetadata
    held_out: int
    notes: tuple[str, ...]


def calibrate_file(
    model: Model,
    root: Path,
    target: Path,
    *,
    manifest: Path | None = None,
    beside: Sequence[Model] = (),
    right: float = RIGHT,
    progress: Callable[[str], Progress] | None = None,
) -> Calibrated:
    """Fit the decision of a model, and write a copy of its file with it.

    1. The images that it learnt from are proven by the hashes in its file.
    2. Its validation fold is answered, and what it learnt from.
    3. Probabilities are softened, no source drowning another, and the operating point, prediction
       sets, limits on novelty and maps, the rule for series, and what counts as marked are fitted
       on the validation fold.
       Where other models of the same recipe left other folds out, their answers on those folds are
       fitted on as well (cross-conformal prediction: Vovk, "Cross-conformal predictors", 2015):
       one fold holds few patients. Where the final weights learnt from the validation fold, what
       the others answered is all that this is fitted on, in place of the temperature that each
       network was given by its training; without others it is left out.
    4. Everywhere: the picture gate, the nearest examples, and the reference that drift is
       measured from.

    Args:
        model: A model that was trained here.
        root: The folder that holds its sets.
        target: The file to write.
        manifest: The manifest of its training run, or None to build it again.
        beside: Models of the same recipe and manifest that left other folds out.
        right: The share of given answers that should be right; 0 withholds none for it.
        progress: Given what is done, gives a function to call with (done, in all).

    Raises:
        DatasetError: Its images are not there, or it held out too few of them.
        RecipeError: It does not say how it was trained.
        ModelIncompatible: It was calibrated before, or is of reduced precision.
    """
    proto = _as_trained(model)
    recipe = Recipe.of_model(model.metadata)
    _check_beside(recipe, beside)
    count = progress or (lambda _: lambda _done, _total: None)
    found = sides(model.metadata, root, manifest, count("comparing images"))
    held = [entry for entry in found.training if entry.fold == recipe.data.validation_fold]
    if len(held) < FEWEST_HELD_OUT:
        msg = (
            f"{model.label}: its validation fold holds {len(held)} images; "
            f"at least {FEWEST_HELD_OUT} are needed"
        )
        raise DatasetError(msg)
    rest = [entry for entry in found.training if entry.fold != recipe.data.validation_fold]
    lent = [_as_trained(other) for other in beside]
    if recipe.fit.refit and beside:
        # Each temperature was fitted for another network; what is fitted here is for logits alike.
        for one in (proto, *lent):
            take_temperature(one)
    feature = pooled_features(proto)
    look = _Look(proto, model.metadata, found.root, feature)
    held_out = look.at(held, count("answering held-out images"))
    learnt = look.at(_some(rest), count("answering training images"))
    others = [
        _Look(its, other.metadata, found.root, None).at(
            sides(other.metadata, root, manifest).held_out,
            count(f"answering what {other.path.name} held out"),
        )
        for its, other in zip(lent, beside, strict=True)
    ]
    folds = {_test_fold(other) for other in beside}
    if not (recipe.fit.refit and beside):
        folds.add(recipe.data.validation_fold)
    on = f"{_folds(folds)} of {' and '.join(sorted(set(held_out.sources)))}"
    unlearnt = _Unlearnt.of(held_out, others, is_learnt=recipe.fit.refit)
    fitted = _fit(proto, held_out, unlearnt, learnt, on, feature, right)
    with made_beside(target) as made:
        made.write_bytes(with_metadata(proto, fitted.metadata))
        load_file(made, threads=1)
    return fitted


def _as_trained(model: Model) -> onnx.ModelProto:
    import onnx

    proto = onnx.load_from_string(model.path.read_bytes())
    if is_calibrated(proto):
        msg = f"{model.path}: was calibrated before; name the file that training wrote"
        raise ModelIncompatible(msg)
    return proto


def _test_fold(model: Model) -> int:
    return Recipe.of_model(model.metadata).data.test_fold


def _check_beside(recipe: Recipe, beside: Sequence[Model]) -> None:
    """Whether other models' held-out answers may be fitted on.

    Whether the others learnt from their validation folds too is all the same.

    Raises:
        ModelIncompatible: One is of another recipe, or answers for a fold that the model is tested
            on, or that is fitted on already.
    """
    taken = {recipe.data.test_fold}
    if not recipe.fit.refit:
        taken.add(recipe.data.validation_fold)
    for other in beside:
        its = Recipe.of_model(other.metadata)
        if _but_for_the_folds(its) != _but_for_the_folds(recipe):
            msg = f"{other.path}: was not trained as {recipe.name} was, but for the folds"
            raise ModelIncompatible(msg)
        if its.data.test_fold in taken:
            msg = (
                f"{other.path}: held fold {its.data.test_fold} out, which {recipe.name} is tested "
                "on or fitted on already; name models that held other folds out"
            )
            raise ModelIncompatible(msg)
        taken.add(its.data.test_fold)


def _but_for_the_folds(recipe: Recipe) -> dict[str, Any]:
    kept = recipe.model_dump()
    for part, name in (("data", "test_fold"), ("data", "validation_fold"), ("fit", "refit")):
        del kept[part][name]
    return kept


def _folds(numbers: set[int]) -> str:
    """Folds in words."""
    *most, last = (str(number) for number in sorted(numbers))
    return f"folds {', '.join(most)} and {last}" if most else f"fold {last}"


def _some(entries: Sequence[Entry]) -> list[Entry]:
    """Some images by chance, as many of each source and label as there are in proportion."""
    chosen = list(entries)
    random.Random(0).shuffle(chosen)  # noqa: S311 - a draw, not a secret
    return chosen[:LEARNT_IMAGES]


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What observing takes, gathered once."""

    proto: onnx.ModelProto
    metadata: ModelMetadata
    root: Path
    feature: str | None

    def at(self, entries: Sequence[Entry], progress: Progress) -> Observations:
        session = _session(self.proto, self.feature)
        name = EMBEDDING if self.feature else None
        return observe(session, self.metadata, self.root, entries, feature=name, progress=progress)


def _session(proto: onnx.ModelProto, feature: str | None) -> Any:
    import onnxruntime

    data = (
        proto.SerializeToString()
        if feature is None
        else with_output(proto, feature, EMBEDDING, None)
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # A pooled tensor may keep its two sides of one pixel, unlike what the output is declared as.
    options.log_severity_level = LOG_FATAL_ONLY
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True, slots=True, eq=False)
class _Unlearnt:
    """Answers for images that the network which gave them did not learn from.

    Attributes:
        answered: All of them: for all that is probability.
        own: Those that novelty and maps are measured on: this network's own, or, where it learnt
            from all its folds, those of the networks beside it, each by its own reference.
    """

    answered: Observations
    own: Observations

    @classmethod
    def of(
        cls, held_out: Observations, others: Sequence[Observations], *, is_learnt: bool
    ) -> _Unlearnt | None:
        """None where the validation fold was learnt from and nobody else held a fold out."""
        if not is_learnt:
            return cls(held_out.beside(others), held_out)
        if not others:
            return None
        answered = replace(others[0], metadata=held_out.metadata).beside(others[1:])
        return cls(answered, answered)


def _fit(
    proto: onnx.ModelProto,
    held_out: Observations,
    unlearnt: _Unlearnt | None,
    learnt: Observations,
    on: str,
    feature: str | None,
    right: float,
) -> Calibrated:
    """Fit all parts; the graph is changed in place."""
    metadata, notes, seen = held_out.metadata, [], held_out
    decision = Decision(fitted_on=on)
    if unlearnt is None:
        notes.append(
            f"The final weights learnt from {on}: probabilities, prediction sets, thresholds and "
            "the limits on novelty and maps stay as training fitted them, unless models of the "
            "same recipe that held other folds out are named with --beside."
        )
    else:
        seen, metadata, decision = _decided(proto, unlearnt, decision, on, right)
        if decision.study is None:
            notes.append("No held-out series shows slices with and without a tumor: no study rule.")
    import numpy as np

    facts = np.concatenate([learnt.facts, held_out.facts])
    sources = np.concatenate([learnt.sources, held_out.sources])
    parts = np.array([entry.fold for entry in (*learnt.entries, *held_out.entries)], np.intp)
    gate = fit_picture_gate(facts, sources, parts)
    decision = decision.model_copy(update={"picture": gate, "reference": histograms(seen, gate)})
    if feature is None:
        notes.append("Its graph has no pooled features: no nearest examples.")
    else:
        projection, table = fit_neighbours(learnt.subset(slice(EXAMPLES)), held_out)
        embed(proto, feature, projection)
        decision = decision.model_copy(update={"neighbours": table})
    count = len(held_out if unlearnt is None else unlearnt.answered)
    return Calibrated(metadata.model_copy(update={"decision": decision}), count, tuple(notes))


def _decided(
    proto: onnx.ModelProto,
    unlearnt: _Unlearnt,
    decision: Decision,
    on: str,
    right: float,
) -> tuple[Observations, ModelMetadata, Decision]:
    """What needs images that nothing was learnt from.

    Args:
        proto: The graph, changed in place.
        unlearnt: What it is fitted on.
        decision: What it adds to.
        on: What the images are, in words.
        right: The share of given answers that should be right.
    """
    import numpy as np

    answered, own = unlearnt.answered, unlearnt.own
    softening = fit_softening(answered)
    own = own.with_probabilities(softening.of(own.probabilities))
    softer = answered.with_probabilities(softening.of(answered.probabilities))
    soften(proto, softening)
    levels = conformal_levels(softer)
    point = operating_point(softer, on)
    standard = next(level for level in levels if level.coverage == COVERAGE)
    decision = decision.model_copy(
        update={
            "conformal": levels,
            "operating": point,
            "calibration": by_source(answered, softer),
            "frame_energy": frame_limit(own),
            "study": fit_study_rule(runs_of(softer)),
        }
    )
    thresholds = own.metadata.thresholds.model_copy(
        update={
            "tumor": 0.5,
            "no_tumor": 0.5 if point is None else point.threshold,
            "novelty_uncertain": float(np.quantile(own.novelty, UNCERTAIN_QUANTILE)),
            "novelty_rejected": float(np.quantile(own.novelty, REJECTED_QUANTILE)),
            "conformal": standard.limits,
            "coverage": standard.coverage,
        }
    )
    decision = decision.model_copy(update={"selection": selection(softer, thresholds, on, right)})
    update: dict[str, Any] = {"thresholds": thresholds}
    if answered.overlaps is not None:
        update["mask"] = answered.overlaps.rules()
    return own, own.metadata.model_copy(update=update), decision
