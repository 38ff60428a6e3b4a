"""What the pages show of a finding, ready for a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tumorlens.decide.finding import Status
from tumorlens.decide.study import GRAVEST_FIRST
from tumorlens.report.words import slice_name
from tumorlens.serve.web.language import language_of, translations
from tumorlens.serve.web.words import TIMES, Words

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request

    from tumorlens.decide.finding import Finding
    from tumorlens.decide.study import Study
    from tumorlens.model.format import ModelMetadata
    from tumorlens.serve.keep import Kept
    from tumorlens.serve.records import Feedback

HASH_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Bar:
    """The probability of one class.

    Attributes:
        words: The class.
        share: The probability, in words.
        width: The same in percent, for a bar.
    """

    words: str
    share: str
    width: float


@dataclass(frozen=True, slots=True)
class Choice:
    """A label that a reader can give.

    Attributes:
        value: As it is kept.
        words: As it is shown.
    """

    value: str
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """A finding in a list.

    Attributes:
        id: Its identifier.
        name: The input, with the slice where it has several.
        status: The answer, for programs.
        words: The answer.
        kind: Kind of tumor; may be empty.
        share: The tumor probability; may be empty.
        created: When it was answered, UTC.
        verdict: What its reader said last, in words; empty where nothing was said.
    """

    id: str
    name: str
    status: str
    words: str
    kind: str
    share: str
    created: datetime
    verdict: str


@dataclass(frozen=True, slots=True)
class AnswerView:
    """A finding in full.

    Attributes:
        id: Its identifier.
        name: The input, with the slice where it has several.
        status: The answer, for programs.
        headline: The answer in one line.
        share: The tumor probability; empty where it means nothing.
        meaning: What it means.
        possible: The kinds that cannot be ruled out.
        coverage: For how many of a hundred images the right one is among them; None if unknown.
        reasons: Why it is uncertain or rejected, or the kind of a tumor open.
        size: What is marked.
        bars: The probabilities of all classes; empty where they mean nothing.
        facts: (name, value) of the scan, the model and the run.
        created: When it was answered, UTC.
        expires: When it is forgotten; None where it is in memory alone.
        choices: The labels that a reader can give.
        own: What this reader said; None if nothing.
        others: What others said, in words.
        has_heatmap: Whether there is evidence to be shown.
        has_mask: Whether something is marked.
    """

    id: str
    name: str
    status: str
    headline: str
    share: str
    meaning: str
    possible: tuple[str, ...]
    coverage: int | None
    reasons: tuple[str, ...]
    size: tuple[str, ...]
    bars: tuple[Bar, ...]
    facts: tuple[tuple[str, str], ...]
    created: datetime
    expires: datetime | None
    choices: tuple[Choice, ...]
    own: Feedback | None
    others: tuple[str, ...]
    has_heatmap: bool
    has_mask: bool


@dataclass(frozen=True, slots=True)
class StudyView:
    """The answer for a series or volume.

    Attributes:
        status: The answer, for programs.
        headline: The answer in one line.
        share: The tumor probability; empty where it means nothing.
        count: How many slices it has.
        counts: (status, status in words, slices that have it), the gravest first.
        pooling: How it came of those for the slices.
    """

    status: str
    headline: str
    share: str
    count: int
    counts: tuple[tuple[str, str, int], ...]
    pooling: str


def words_of(request: Request) -> Words:
    """The words of the reader who asks."""
    language = language_of(request)
    return Words(language, translations(language))


def line(kept: Kept, words: Words, display: dict[str, str]) -> Line:
    """A finding for a list."""
    finding = kept.finding
    means = finding.status is not Status.REJECTED and finding.tumor_probability is not None
    return Line(
        id=kept.id,
        name=slice_name(finding.scan),
        status=finding.status.value,
        words=words.status(finding.status),
        kind=words.kind(finding.label, display) if finding.label else "",
        share=words.share(finding.tumor_probability or 0) if means else "",
        created=kept.created,
        verdict=_verdict(kept.feedback[-1], words, display) if kept.feedback else "",
    )


def answer(kept: Kept, words: Words, model: ModelMetadata, reader: str) -> AnswerView:
    """A finding in full.

    Args:
        kept: The finding.
        words: In which language.
        model: What answers now; its coverage counts where it is what answered.
        reader: Identifier of who looks at it.
    """
    finding = kept.finding
    is_rejected = finding.status is Status.REJECTED
    share = None if is_rejected else finding.tumor_probability
    display = finding.model.display or model.display
    coverage = model.thresholds.coverage if finding.model.name == model.name else None
    return AnswerView(
        id=kept.id,
        name=slice_name(finding.scan),
        status=finding.status.value,
        headline=words.headline(finding),
        share="" if share is None else words.share(share),
        meaning=words.meaning(finding),
        possible=tuple(words.possible(finding)),
        coverage=None if coverage is None else round(100 * coverage),
        reasons=tuple(words.reasons(finding)),
        size=tuple(words.size(finding)),
        bars=() if is_rejected else _bars(finding, words),
        facts=tuple(_facts(finding, words)),
        created=kept.created,
        expires=kept.expires,
        choices=tuple(choices(model, words)),
        own=next((one for one in kept.feedback if one.reader == reader), None),
        others=tuple(
            _verdict(one, words, display) for one in kept.feedback if one.reader != reader
        ),
        has_heatmap=finding.heatmap_class is not None,
        has_mask=finding.measurements is not None and bool(finding.measurements.lesions),
    )


def study_view(study: Study, words: Words) -> StudyView:
    """The answer for a series or volume."""
    means = study.status is not Status.REJECTED and study.tumor_probability is not None
    return StudyView(
        status=study.status.value,
        headline=words.study_headline(study),
        share=words.share(study.tumor_probability or 0) if means else "",
        count=study.slice_count,
        counts=tuple(
            (status.value, words.status(status), study.slices[status])
            for status in GRAVEST_FIRST
            if study.slices.get(status)
        ),
        pooling=words.pooling(study),
    )


def choices(model: ModelMetadata, words: Words) -> list[Choice]:
    """The labels that a reader can give: those of the model, and a tumor of unknown kind."""
    names = list(model.classes)
    if "tumor" not in names:
        names.append("tumor")
    return [Choice(name, words.kind(name, model.display)) for name in names]


def _bars(finding: Finding, words: Words) -> tuple[Bar, ...]:
    return tuple(
        Bar(words.kind(name, finding.model.display), words.share(share), round(100 * share, 1))
        for name, share in finding.probabilities.items()
    )


def _verdict(feedback: Feedback, words: Words, display: dict[str, str]) -> str:
    gettext = words.catalogue.gettext
    match feedback.verdict.value:
        case "agree":
            return gettext("Agrees")
        case "disagree":
            return gettext("Disagrees")
        case _:
            kind = words.kind(feedback.label or "", display)
            return gettext("Says: %(kind)s") % {"kind": kind}


def _facts(finding: Finding, words: Words) -> list[tuple[str, str]]:
    gettext, scan, model = words.catalogue.gettext, finding.scan, finding.model
    sides = f"{scan.width} {TIMES} {scan.height}"
    facts = [
        (gettext("File"), scan.source),
        (gettext("Format"), scan.format),
        (gettext("Size"), gettext("%(sides)s pixels") % {"sides": sides}),
    ]
    if scan.frame_count > 1:
        facts.append((gettext("Slice"), f"{scan.frame + 1} / {scan.frame_count}"))
    if scan.spacing_mm is None:
        facts.append((gettext("Spacing"), gettext("unknown: sizes are in pixels")))
    else:
        rows, columns = scan.spacing_mm
        facts.append((gettext("Spacing"), words.number(f"{rows:.3g} {TIMES} {columns:.3g} mm")))
    if scan.position_mm is not None:
        facts.append((gettext("Position"), words.number(f"{scan.position_mm:.1f} mm")))
    if finding.novelty is not None:
        facts.append(
            (gettext("Distance from training data"), words.number(f"{finding.novelty:.3g}"))
        )
    facts += [
        (gettext("Model"), f"{model.name} {model.version} ({model.sha256[:HASH_DIGITS]})"),
        (gettext("SHA-256 of the file"), scan.sha256[:HASH_DIGITS]),
        (gettext("Time to answer"), f"{finding.elapsed_ms:.0f} ms"),
    ]
    return facts
