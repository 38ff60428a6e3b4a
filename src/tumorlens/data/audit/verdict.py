"""The verdict: what a person should know before believing a number on these images."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from tumorlens.data.audit.measures import OTHERS
from tumorlens.data.audit.report import (
    Control,
    CopyCount,
    Leak,
    Overlap,
    PatientLeak,
    Problem,
    ProblemKind,
    Relation,
    Sentence,
    SetSummary,
    Severity,
    Suspect,
)
from tumorlens.evaluate.controls import IGNORANT, ControlKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SERIOUS_SHARE = 0.01
"""A test set of which this share is known is no test set: one image in a hundred moves a figure
by as much as papers differ."""

REPEATED_SHARE = 0.1
"""From this share of repeated pictures on, counting files instead of pictures misleads."""

SHORTCUT_GAIN, STRONG_SHORTCUT_GAIN = 0.1, 0.2
"""How far above the largest class a control that sees no tumor is worth a word, or a warning."""

IMBALANCE = 3.0
"""Where the largest class has so many times the images of the smallest, accuracy hides it."""

TEXT_SHARE = 0.01
"""Share of images with writing on them from which on a model can read instead of look."""

_ORDER = {Severity.SERIOUS: 0, Severity.NOTICE: 1, Severity.FINE: 2}
_SHOWN = 3  # of the names that a sentence lists


def verdict(
    *,
    sets: Sequence[SetSummary],
    problems: Sequence[Problem],
    counts: Sequence[CopyCount],
    leaks: Sequence[Leak],
    overlaps: Sequence[Overlap],
    patients: Sequence[PatientLeak],
    controls: Sequence[Control],
    suspects: Sequence[Suspect],
    distinct: int,
    groups: int,
    patients_from: Mapping[str, str],
) -> tuple[Sentence, ...]:
    """Sentences that a person can act on, the most serious first.

    Args:
        sets: The sets.
        problems: Files that cannot be used as they are.
        counts: All pairs of copies, by strength.
        leaks: Split against split.
        overlaps: Set against set.
        patients: Patients in two splits.
        controls: What knows nothing of tumors.
        suspects: Labels that look wrong.
        distinct: Pictures in all sets together.
        groups: Independent groups in all sets together.
        patients_from: Set → where its patients are known from.
    """
    sentences = [
        *_leak_sentences(leaks),
        *_patient_sentences(patients, patients_from),
        *_overlap_sentences(overlaps),
        *_conflict_sentences(counts),
        *_control_sentences(controls),
        *_size_sentences(sets, distinct, groups),
        *_class_sentences(sets),
        *_problem_sentences(problems),
        *_text_sentences(sets),
        *_suspect_sentences(suspects),
    ]
    if all(sentence.severity is Severity.FINE for sentence in sentences):
        clean = "Clean: nothing was found that speaks against these images."
        sentences.insert(0, Sentence(severity=Severity.FINE, text=clean))
    return tuple(sorted(sentences, key=lambda sentence: _ORDER[sentence.severity]))


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / max(whole, 1):.1%})"


def _leak_sentences(leaks: Sequence[Leak]) -> Iterator[Sentence]:
    for leak in leaks:
        if leak.against != OTHERS:
            yield _leak_sentence(f"{leak.split} images of {leak.name}", leak.against, leak)
    for name, ones in _folds(leaks).items():
        images, same, near = (
            sum(getattr(leak, field) for leak in ones) for field in ("images", "same", "near")
        )
        total = Leak(name=name, split="", against=OTHERS, images=images, same=same, near=near)
        yield _leak_sentence(f"images of {name}", f"another of its {len(ones)} folds", total)


def _folds(leaks: Sequence[Leak]) -> dict[str, list[Leak]]:
    by_set: defaultdict[str, list[Leak]] = defaultdict(list)
    for leak in leaks:
        if leak.against == OTHERS:
            by_set[leak.name].append(leak)
    return by_set


def _leak_sentence(unseen: str, learnt: str, leak: Leak) -> Sentence:
    more = f"; with near-copies, {_share(leak.near, leak.images)}" if leak.near > leak.same else ""
    if not leak.same:
        text = f"None of the {leak.images:,} {unseen} has a copy in {learnt}{more}."
        return Sentence(severity=Severity.NOTICE if leak.near else Severity.FINE, text=text)
    text = (
        f"{_share(leak.same, leak.images)} {unseen} have a copy in {learnt}, mirrored and rotated "
        f"ones counted{more}. "
    )
    if leak.same < SERIOUS_SHARE * leak.images:
        return Sentence(severity=Severity.NOTICE, text=text + "Leave these out of the test.")
    text += (
        "A figure on it measures memory: split by group instead (tumorlens data split --by "
        "group), or report the figure on the rest as well."
    )
    return Sentence(severity=Severity.SERIOUS, text=text)


def _patient_sentences(
    patients: Sequence[PatientLeak], origins: Mapping[str, str]
) -> Iterator[Sentence]:
    crossing = Counter(patient.name for patient in patients)
    for name, origin in origins.items():
        if crossing[name]:
            images = sum(patient.images for patient in patients if patient.name == name)
            text = (
                f"Patients of {name} in more than one split: {crossing[name]:,}, with {images:,} "
                f"images (patients known from {origin}). Split by patient instead (tumorlens data "
                "split --by patient)."
            )
            yield Sentence(severity=Severity.SERIOUS, text=text)
        else:
            text = f"No patient of {name} stands in two splits (patients known from {origin})."
            yield Sentence(severity=Severity.FINE, text=text)


def _overlap_sentences(overlaps: Sequence[Overlap]) -> Iterator[Sentence]:
    """The larger side of each pair of sets."""
    shared = {(o.of, o.among): o for o in overlaps if o.same or o.near}
    for (of, among), overlap in shared.items():
        other = shared.get((among, of))
        if other is not None and (_part(other), among) > (_part(overlap), of):
            continue
        near = f"; with near-copies, {overlap.near:,}" if overlap.near > overlap.same else ""
        text = f"{_share(overlap.same, overlap.images)} images of {of} are also in {among}{near}."
        if _part(overlap) >= SERIOUS_SHARE:
            text += " Neither is an external test of the other."
            yield Sentence(severity=Severity.SERIOUS, text=text)
        else:
            yield Sentence(severity=Severity.NOTICE, text=text)


def _part(overlap: Overlap) -> float:
    return overlap.same / max(overlap.images, 1)


def _conflict_sentences(counts: Sequence[CopyCount]) -> Iterator[Sentence]:
    conflicts = sum(c.across_classes for c in counts if c.relation is not Relation.NEAR)
    if conflicts:
        text = (
            f"Pairs of the same picture with labels that cannot both be true: {conflicts:,}. One "
            "label of each is wrong; they stand first in copies.csv."
        )
        yield Sentence(severity=Severity.SERIOUS, text=text)


def _control_sentences(controls: Sequence[Control]) -> Iterator[Sentence]:
    """One sentence on copying, and one on all shortcuts together, for each thing measured on."""
    telling: defaultdict[str, list[Control]] = defaultdict(list)
    for control in controls:
        if control.name not in IGNORANT and _gain(control) >= SHORTCUT_GAIN:
            telling[control.on].append(control)
    for on, ones in telling.items():
        ones.sort(key=_gain, reverse=True)
        copying = [one for one in ones if one.name == ControlKind.COPY_DETECTOR]
        shortcuts = [one for one in ones if one.name != ControlKind.COPY_DETECTOR]
        if copying:
            text = (
                f"A copy-detector, which names the label of the most similar picture, scores "
                f"{copying[0].accuracy:.1%} on {on} (largest class {copying[0].chance:.1%}): "
                "judge a model by what it adds to that."
            )
            yield Sentence(severity=_severity(copying[0]), text=text)
        if shortcuts:
            figures = ", ".join(f"{one.name} {one.accuracy:.1%}" for one in shortcuts)
            text = (
                f"On {on} the label can be told without looking at a brain: {figures} "
                f"(largest class {shortcuts[0].chance:.1%})."
            )
            yield Sentence(severity=_severity(shortcuts[0]), text=text)


def _gain(control: Control) -> float:
    return control.accuracy - control.chance


def _severity(control: Control) -> Severity:
    is_strong = _gain(control) >= STRONG_SHORTCUT_GAIN
    return Severity.SERIOUS if is_strong else Severity.NOTICE


def _size_sentences(sets: Sequence[SetSummary], distinct: int, groups: int) -> Iterator[Sentence]:
    for one in sets:
        yield _size_sentence(one.name, one.readable, one.distinct, one.groups)
    if len(sets) > 1:
        images = sum(one.readable for one in sets)
        yield _size_sentence("All sets together", images, distinct, groups)


def _size_sentence(name: str, images: int, distinct: int, groups: int) -> Sentence:
    text = (
        f"{name}: {images:,} readable images are {distinct:,} different pictures in {groups:,} "
        "independent groups."
    )
    repeated = 1.0 - distinct / images if images else 0.0
    severity = Severity.NOTICE if repeated >= REPEATED_SHARE else Severity.FINE
    return Sentence(severity=severity, text=text)


def _class_sentences(sets: Sequence[SetSummary]) -> Iterator[Sentence]:
    for one in sets:
        labels = Counter[str]()
        for count in one.classes:
            labels[count.label] += count.images
        if len(labels) == 1:
            text = (
                f"{one.name} has only one class ({next(iter(labels))}): nothing can be told apart."
            )
            yield Sentence(severity=Severity.NOTICE, text=text)
        elif one.imbalance and one.imbalance >= IMBALANCE:
            (most, many), (least, few) = labels.most_common()[0], labels.most_common()[-1]
            text = (
                f"{one.name} has {one.imbalance:.1f} times as many images of {most} ({many:,}) as "
                f"of {least} ({few:,}): read balanced accuracy."
            )
            yield Sentence(severity=Severity.NOTICE, text=text)


_PROBLEM_WORDS = {
    ProblemKind.UNREADABLE: "Files that cannot be read",
    ProblemKind.TRUNCATED: "Files that are cut short",
    ProblemKind.MISLABELLED_FORMAT: "Files of another format than their name says",
    ProblemKind.TWO_LABELS: "Files with two labels in their table (the first was used)",
    ProblemKind.TWO_SPLITS: "Files in two splits of their table (the first was used)",
    ProblemKind.NO_LABEL: "Files without a label in their table",
    ProblemKind.MISSING: "Files that a table names and that are not there",
}
_SERIOUS_PROBLEMS = frozenset({ProblemKind.TWO_LABELS, ProblemKind.TWO_SPLITS})


def _problem_sentences(problems: Sequence[Problem]) -> Iterator[Sentence]:
    for kind, words in _PROBLEM_WORDS.items():
        names = [problem.image for problem in problems if problem.kind is kind]
        if names:
            more = ", …" if len(names) > _SHOWN else ""
            text = f"{words}: {len(names):,} ({', '.join(names[:_SHOWN])}{more})"
            severity = Severity.SERIOUS if kind in _SERIOUS_PROBLEMS else Severity.NOTICE
            yield Sentence(severity=severity, text=text)


def _text_sentences(sets: Sequence[SetSummary]) -> Iterator[Sentence]:
    for one in sets:
        written = next((flag.images for flag in one.flags if flag.value == "text"), 0)
        if written and written >= TEXT_SHARE * one.readable:
            text = (
                f"{_share(written, one.readable)} images of {one.name} have writing on them, "
                "which a model may read instead of looking at the brain."
            )
            yield Sentence(severity=Severity.NOTICE, text=text)


def _suspect_sentences(suspects: Sequence[Suspect]) -> Iterator[Sentence]:
    if suspects:
        names = ", ".join(suspect.image for suspect in suspects[:_SHOWN])
        more = ", …" if len(suspects) > _SHOWN else ""
        text = f"Labels that look wrong and should be read again: {len(suspects):,} ({names}{more})"
        yield Sentence(severity=Severity.NOTICE, text=text)
