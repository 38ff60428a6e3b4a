"""Numbers become an answer: the one place where a status is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tumorlens.decide.alarm import frame_energy, judge_frame
from tumorlens.decide.conformal import prediction_set
from tumorlens.decide.finding import OPEN_KIND, Finding, ModelInfo, Reason, ScanInfo, Status
from tumorlens.decide.gate import judge_novelty, judge_quality
from tumorlens.decide.picture import judge_score, picture_score
from tumorlens.decide.verdict import PASSED, Verdict
from tumorlens.decide.words import class_words, percent
from tumorlens.scan.facts import facts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.model.format import ModelMetadata
    from tumorlens.model.run import Model, RawOutputs
    from tumorlens.scan.quality import QualityFlag
    from tumorlens.scan.scan import Scan

# Beyond six decimals a float32 holds no information of a probability.
DECIMALS = 6
_LEAST = 1e-12
MAJORITY = 0.5
"""Share of the likeliest kind in the tumor probability below which a tumor is not told without its
kind either: what is like no kind more than like the others is like none that was learnt."""


def decide(
    scan: Scan, flags: Sequence[QualityFlag], outputs: RawOutputs | None, model: Model
) -> Finding:
    """Answer one slice.

    1. Rejected where the quality gate or the picture gate says so, or the novelty gate of a picture
       that the picture gate does not let pass either.
    2. Else uncertain where a gate says so, where the tumor probability lies strictly between the
       model's two thresholds, where its prediction set is not exactly the answer, where the answer
       is not sure enough, or where what speaks for a tumor lies at the border of the picture.
    3. Else a tumor or no tumor, by the thresholds; a tumor's label is its most probable kind.

    Where it is only the kind that is doubted in step 2, and "a tumor" is by itself as sure as a
    kind would have to be, it is a tumor without a label.

    Args:
        scan: The slice.
        flags: The faults of its picture.
        outputs: What the network gave for this slice alone; None where it was not run, which is
            right only for a slice that the quality gate rejects.
        model: What answered.

    Returns:
        The Finding, without maps, measurements and time.

    Raises:
        ValueError: There are no outputs for a slice that is not rejected.
    """
    quality = judge_quality(flags)
    if outputs is None:
        if quality.status is not Status.REJECTED:
            msg = f"{scan.name} passes the quality gate, so it needs the network's outputs"
            raise ValueError(msg)
        return _finding(scan, model, Status.REJECTED, quality.reasons)
    numbers = _Numbers.of(outputs, model.metadata)
    likeness = _Likeness.of(scan, model.metadata)
    gates = (quality, *_judged_likeness(likeness, numbers.novelty, model.metadata))
    reasons = tuple(reason for gate in gates for reason in gate.reasons)
    if Status.REJECTED in [gate.status for gate in gates]:
        return _finding(scan, model, Status.REJECTED, reasons, numbers, likeness.score)
    answer = numbers.answer(model.metadata)
    reasons += tuple(_threshold_doubts(numbers, answer, model.metadata))
    of_kind: tuple[Reason, ...] = ()
    if answer is Status.TUMOR:
        shown = model.metadata.classes.index(numbers.tumor_kind)
        share = frame_energy(outputs.heatmap[0], shown)
        reasons += judge_frame(share, model.metadata.decision.frame_energy).reasons
        of_kind = tuple(_kind_doubts(numbers, model.metadata))
    if not of_kind:
        reasons += tuple(_set_doubts(numbers, answer, model.metadata))
        reasons += tuple(_sureness_doubts(numbers, answer, model.metadata))
    status = Status.UNCERTAIN if reasons else answer
    return _finding(scan, model, status, reasons + of_kind, numbers, likeness.score)


def model_info(model: Model) -> ModelInfo:
    """What an answer says of the model that gave it."""
    metadata = model.metadata
    return ModelInfo(
        name=metadata.name,
        version=metadata.version,
        sha256=model.sha256,
        display=metadata.display,
        mask=metadata.mask,
        study=metadata.decision.study,
    )


def scan_info(scan: Scan) -> ScanInfo:
    """What an answer says of the slice."""
    return ScanInfo(
        source=scan.source,
        sha256=scan.sha256,
        format=scan.format.value,
        width=scan.width,
        height=scan.height,
        spacing_mm=scan.spacing,
        frame=scan.frame,
        frame_count=scan.frame_count,
        position_mm=scan.position,
        series=scan.series,
    )


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What the network gave for one slice, by name.

    Attributes:
        probabilities: Class → probability.
        tumor_probability: Sum over the tumor classes.
        novelty: Distance from the training data.
        tumor_kind: The most probable tumor class.
        other_kind: The most probable class that is no tumor.
        kept: The prediction set, or None where the model has no conformal thresholds.
    """

    probabilities: dict[str, float]
    tumor_probability: float
    novelty: float
    tumor_kind: str
    other_kind: str
    kept: tuple[str, ...] | None

    @classmethod
    def of(cls, outputs: RawOutputs, metadata: ModelMetadata) -> _Numbers:
        """Name the outputs of a batch of one."""
        values = [float(value) for value in outputs.probabilities[0]]
        probabilities = dict(zip(metadata.classes, values, strict=True))
        others = [name for name in metadata.classes if name not in metadata.positive]
        limits = metadata.thresholds.conformal
        return cls(
            probabilities=probabilities,
            tumor_probability=min(1.0, sum(probabilities[name] for name in metadata.positive)),
            novelty=float(outputs.novelty[0]),
            tumor_kind=max(metadata.positive, key=lambda name: probabilities[name]),
            other_kind=max(others, key=lambda name: probabilities[name]),
            kept=None if limits is None else prediction_set(probabilities, limits),
        )

    def answer(self, metadata: ModelMetadata) -> Status:
        """The answer by the thresholds alone."""
        if self.tumor_probability >= metadata.thresholds.tumor:
            return Status.TUMOR
        if self.tumor_probability <= metadata.thresholds.no_tumor:
            return Status.NO_TUMOR
        return Status.UNCERTAIN

    @property
    def kind_share(self) -> float:
        """The share of the likeliest kind in the tumor probability."""
        return self.probabilities[self.tumor_kind] / max(self.tumor_probability, _LEAST)


@dataclass(frozen=True, slots=True)
class _Likeness:
    """What the picture gate says, and the score that it says it of; None where there is no gate."""

    verdict: Verdict
    score: float | None = None

    @classmethod
    def of(cls, scan: Scan, metadata: ModelMetadata) -> _Likeness:
        gate = metadata.decision.picture
        if gate is None:
            return cls(PASSED)
        facts = facts_of(scan.pixels)
        score = picture_score(facts, gate)
        return cls(judge_score(score, facts, gate), score)


def _judged_likeness(
    looks: _Likeness, novelty: float, metadata: ModelMetadata
) -> tuple[Verdict, ...]:
    """What the picture's own facts and its novelty say, the facts first.

    A picture that looks like a brain MRI is one, however far it is from the training data: another
    sequence, another scanner. Then novelty only makes the answer uncertain.
    """
    far = judge_novelty(novelty, metadata.thresholds)
    if looks.score is not None and looks.verdict.status is None and far.status is Status.REJECTED:
        far = Verdict(Status.UNCERTAIN, far.reasons)
    return looks.verdict, far


def _threshold_doubts(numbers: _Numbers, answer: Status, metadata: ModelMetadata) -> list[Reason]:
    if answer is not Status.UNCERTAIN:
        return []
    limits = metadata.thresholds
    text = (
        f"the tumor probability of {percent(numbers.tumor_probability)} is neither low enough "
        f"({percent(limits.no_tumor)}) nor high enough ({percent(limits.tumor)})"
    )
    measure = round(numbers.tumor_probability, DECIMALS)
    return [Reason(code="between_thresholds", text=text, measure=measure, limit=limits.tumor)]


def _set_doubts(numbers: _Numbers, answer: Status, metadata: ModelMetadata) -> list[Reason]:
    kept = numbers.kept
    if kept is None:
        return []
    names = " or ".join(class_words(name, metadata.display) for name in kept)
    if len(kept) > 1:
        return [
            Reason(code="several_classes", text=f"it can be {names}", measure=len(kept), limit=1)
        ]
    if not kept:
        return [Reason(code="no_class", text="no class fits it well enough", measure=0, limit=1)]
    likeliest = {Status.TUMOR: numbers.tumor_kind, Status.NO_TUMOR: numbers.other_kind}
    expected = likeliest.get(answer, kept[0])
    if expected != kept[0]:
        words = class_words(expected, metadata.display)
        text = f"{words} is the likeliest answer, but only {names} fits well enough"
        return [Reason(code="contradiction", text=text)]
    return []


def _kind_doubts(numbers: _Numbers, metadata: ModelMetadata) -> list[Reason]:
    """Why the kind of what is a tumor stays open; none where it is sure, or more is doubted.

    The model's limit on a kind is what its answers have to reach to be right often enough. That
    there is a tumor has to reach it too before this is said by itself: it is then surer than by the
    limit on a tumor alone, which was chosen for answers whose kind is sure.
    """
    rule, kept = metadata.decision.selection, numbers.kept
    sure = rule is None or numbers.tumor_probability >= max(rule.tumor, rule.kind)
    only_tumors = kept is None or (kept and set(kept) <= set(metadata.positive))
    if numbers.kind_share < MAJORITY or not sure or not only_tumors:
        return []
    if kept is not None and len(kept) > 1:
        names = " or ".join(class_words(name, metadata.display) for name in kept)
        return [_open_kind(f"it can be {names}")]
    kind = class_words(numbers.tumor_kind, metadata.display)
    if kept is not None and kept[0] != numbers.tumor_kind:
        names = class_words(kept[0], metadata.display)
        return [_open_kind(f"{kind} is the likeliest, but only {names} fits well enough")]
    if rule is None or numbers.kind_share >= rule.kind:
        return []
    text = (
        f"given a tumor, {kind} has a probability of {percent(numbers.kind_share)}; only from "
        f"{percent(rule.kind)} up are such answers right often enough ({percent(rule.target)})"
    )
    return [_open_kind(text, round(numbers.kind_share, DECIMALS), rule.kind)]


def _open_kind(why: str, measure: float | None = None, limit: float | None = None) -> Reason:
    text = f"the kind of the tumor is not sure enough to be named: {why}"
    return Reason(code=OPEN_KIND, text=text, measure=measure, limit=limit)


def _sureness_doubts(numbers: _Numbers, answer: Status, metadata: ModelMetadata) -> list[Reason]:
    rule = metadata.decision.selection
    if rule is None or answer not in (Status.TUMOR, Status.NO_TUMOR):
        return []
    kind = class_words(numbers.tumor_kind, metadata.display)
    of_tumors = (
        ("a tumor", numbers.tumor_probability, rule.tumor),
        (f"given a tumor, {kind}", numbers.kind_share, rule.kind),
    )
    of_none = (("no tumor", 1.0 - numbers.tumor_probability, rule.no_tumor),)
    for what, sure, least in of_tumors if answer is Status.TUMOR else of_none:
        if sure < least:
            text = (
                f"{what} has a probability of {percent(sure)}; only from {percent(least)} up are "
                f"such answers right often enough ({percent(rule.target)})"
            )
            return [Reason(code="unsure", text=text, measure=round(sure, DECIMALS), limit=least)]
    return []


def _finding(
    scan: Scan,
    model: Model,
    status: Status,
    reasons: tuple[Reason, ...],
    numbers: _Numbers | None = None,
    unlikeness: float | None = None,
) -> Finding:
    """The Finding; without numbers, of a slice that the network did not see."""
    known: dict[str, object] = {}
    if numbers is not None:
        rounded = {name: round(value, DECIMALS) for name, value in numbers.probabilities.items()}
        known = {
            "label": numbers.tumor_kind if status is Status.TUMOR and not reasons else None,
            "tumor_probability": round(numbers.tumor_probability, DECIMALS),
            "probabilities": rounded,
            "prediction_set": numbers.kept or (),
            "novelty": round(numbers.novelty, DECIMALS),
            "unlikeness": None if unlikeness is None else round(unlikeness, DECIMALS),
        }
    return Finding.model_validate(
        {
            "status": status,
            "reasons": reasons,
            "model": model_info(model),
            "scan": scan_info(scan),
            "elapsed_ms": 0.0,
            **known,
        }
    )
