"""What the page shows: the report's facts, chosen, ordered, capped and put into words."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

from tumorlens.data.audit.page import words
from tumorlens.data.audit.page.gallery import Gallery, Shown, Standing
from tumorlens.data.audit.report import Relation, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tumorlens.data.audit.page.pictures import Pictures
    from tumorlens.data.audit.report import AuditReport, Control, Copy, SetSummary

T = TypeVar("T")

SENTENCES = 5
"""Of each severity that are seen at once; the others unfold."""

LEAK_PAIRS = 60
CONFLICT_PAIRS = 48
CROSS_SET_PAIRS = 36
SUSPECT_PICTURES = 60
SAMPLES = 8
"""Pictures a class; a person sees what a class is made of in a row of them."""

ROWS = 1500
"""Rows of a table: more than a person reads, few enough for a phone's browser."""

CLASSES = 200
"""Classes that are listed; a set with more is no set of diseases."""

HEAT_LEVELS = 10


@dataclass(frozen=True, slots=True)
class Counted:
    """How many images there really are in a set, or in all."""

    name: str
    files: int
    readable: int
    distinct: int
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """One cell of the overlap table; `level` from 0 (nothing) to `HEAT_LEVELS` (everything)."""

    level: int
    same: str
    share: str
    near: str


def build(report: AuditReport, pictures: Pictures) -> dict[str, Any]:
    """Everything that the template names. Pictures are asked for in the order of importance."""
    gallery = Gallery(pictures, {c.label for one in report.sets for c in one.classes})
    inside = [c for c in report.copies if c.across_splits and not c.across_sets]
    conflicts = [c for c in report.copies if c.across_classes]
    between = [c for c in report.copies if c.across_sets]
    rows = [_row(copy, gallery) for copy in report.copies[:ROWS]]
    conflicts.sort(key=lambda c: c.relation is Relation.NEAR)
    return {
        "report": report,
        "verdict": _verdict(report),
        "copy_detectors": [c for c in report.controls if "copy" in c.name.lower()],
        "counted": _counted(report),
        "several_sets": len(report.sets) > 1,
        "leak_pairs": gallery.pairs(_varied(inside), LEAK_PAIRS),
        "conflict_pairs": gallery.pairs(conflicts, CONFLICT_PAIRS),
        "suspects": _cut(report.suspects, ROWS),
        "suspect_pictures": [
            gallery.side(Standing(s.image, s.label)) for s in report.suspects[:SUSPECT_PICTURES]
        ],
        "set_pairs": gallery.pairs(_varied(between), CROSS_SET_PAIRS),
        "overlap": _overlap_table(report),
        "controls": _by(report.controls, lambda control: control.on),
        "problems": _cut(report.problems, ROWS),
        "patients": _cut(report.patients, ROWS),
        "sets": [_set_view(one, gallery) for one in report.sets],
        "rows": Shown(rows, len(report.copies) - len(rows)),
        "pictures": pictures,
    }


def _verdict(report: AuditReport) -> list[tuple[Severity, Sequence[Any], Sequence[Any]]]:
    """For each severity, worst first: the sentences that are seen at once, and the rest."""
    found = _by(report.verdict, lambda sentence: sentence.severity)
    order = (Severity.SERIOUS, Severity.NOTICE, Severity.FINE)
    return [(s, found[s][:SENTENCES], found[s][SENTENCES:]) for s in order if s in found]


def _counted(report: AuditReport) -> list[Counted]:
    """How many images there really are: in each set, and first in all of them together."""
    each = [Counted(s.name, s.files, s.readable, s.distinct, s.groups) for s in report.sets]
    if len(each) < 2 or not report.distinct:  # noqa: PLR2004
        return each
    files, readable = sum(s.files for s in each), sum(s.readable for s in each)
    return [Counted("All sets together", files, readable, report.distinct, report.groups), *each]


def _cut(items: Sequence[T], most: int) -> Shown[T]:
    return Shown(items[:most], max(len(items) - most, 0))


def _by(items: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return dict(found)


def _varied(copies: Sequence[Copy]) -> list[Copy]:
    """The copies with every kind of copy near the top, so that a few pictures show them all."""
    kinds = _by(copies, words.related).values()
    return [copy for round_ in zip_longest(*kinds) for copy in round_ if copy is not None]


def _row(copy: Copy, gallery: Gallery) -> dict[str, str]:
    crossed = {
        "splits": copy.across_splits,
        "classes": copy.across_classes,
        "sets": copy.across_sets,
    }
    return {
        "first": words.short(copy.first),
        "second": words.short(copy.second),
        "relation": words.related(copy),
        "correlation": f"{copy.correlation:.3f}",
        "crosses": ", ".join(what for what, does in crossed.items() if does) or "nothing",
        "standing": " ↔ ".join(str(where) or "not known" for where in gallery.standings(copy)),
    }


def _overlap_table(report: AuditReport) -> dict[str, Any] | None:
    """The sets that overlap at all, as rows and columns, and a cell for each two of them."""
    if not report.overlaps:
        return None
    names = [one.name for one in report.sets]
    cells = {
        (o.of, o.among): Heat(
            level=-(-HEAT_LEVELS * min(o.same, o.images) // max(o.images, 1)),
            same=words.count(o.same),
            share=words.percent(words.part(o.same, o.images)),
            near=words.percent(words.part(o.near, o.images)),
        )
        for o in report.overlaps
    }
    return {"names": names, "cells": cells}


def _set_view(one: SetSummary, gallery: Gallery) -> dict[str, Any]:
    splits = sorted({c.split for c in one.classes}, key=_split_order)
    labels = sorted({c.label for c in one.classes})
    counts = {(c.label, c.split): c.images for c in one.classes}
    totals = {label: sum(counts.get((label, s), 0) for s in splits) for label in labels}
    return {
        "facts": one,
        "splits": splits,
        "labels": _cut(labels, CLASSES),
        "counts": counts,
        "totals": totals,
        "largest": max(totals.values(), default=0),
        "samples": [
            (label, [gallery.side(Standing(name, label)) for name in names[:SAMPLES]])
            for label, names in sorted(one.samples.items())[:CLASSES]
        ],
        "tables": (
            ("Format", _cut(one.formats, ROWS // 10)),
            ("Mode", _cut(one.modes, ROWS // 10)),
            ("Size (width x height)", _cut(one.sizes, ROWS // 10)),
            ("Width / height", _cut(one.aspects, ROWS // 10)),
            ("Quality flag", _cut(one.flags, ROWS // 10)),
        ),
    }


def _split_order(split: str) -> tuple[int, str]:
    known = ("train", "validation", "test")
    return known.index(split) if split in known else len(known), split


def bar(control: Control) -> dict[str, str]:
    """Where the bar of a control ends and where chance lies, in percent of its width."""
    return {
        "accuracy": f"{100 * control.accuracy:.2f}",
        "chance": f"{100 * control.chance:.2f}",
    }
