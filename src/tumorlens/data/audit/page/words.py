"""What the page says in words: how two images are related, shares, counts, and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.data.audit.report import ProblemKind, Relation, Severity, Turn

if TYPE_CHECKING:
    from tumorlens.data.audit.report import Control, Copy

LONGEST_NAME = 160
"""Letters of a name that are shown: enough for any folder and file that a person made."""

FAR_ABOVE_CHANCE = 0.20
"""A control this far above chance says more of the set than most models say of tumors."""

ABOVE_CHANCE = 0.05
"""A control that stays within this of chance has found nothing to speak of."""

SEVERITIES = {
    Severity.SERIOUS: "Serious",
    Severity.NOTICE: "Notice",
    Severity.FINE: "Fine",
}

PROBLEMS = {
    ProblemKind.UNREADABLE: "cannot be read",
    ProblemKind.TRUNCATED: "cut short",
    ProblemKind.MISLABELLED_FORMAT: "not the format of its name",
    ProblemKind.TWO_LABELS: "two labels",
    ProblemKind.TWO_SPLITS: "two splits",
    ProblemKind.NO_LABEL: "no label",
    ProblemKind.TWO_SPLITS: "two splits",
    ProblemKind.NO_LABEL: "no label",
    ProblemKind.MISSING: "missing",
}

STRENGTHS = {
    Relation.BYTES: "same file",
    Relation.PIXELS: "same pixels",
    Relation.SAME: "same picture",
    Relation.NEAR: "near-copy",
}
"""Of a pair of copies, strongest first."""

_TURNS = {
    Turn.NONE: "",
    Turn.ROTATED_90: "rotated by 90°",
    Turn.ROTATED_180: "rotated by 180°",
    Turn.ROTATED_270: "rotated by 270°",
    Turn.MIRRORED: "mirrored",
    Turn.MIRRORED_ROTATED_90: "mirrored and rotated by 90°",
    Turn.MIRRORED_ROTATED_180: "mirrored and rotated by 180°",
    Turn.MIRRORED_ROTATED_270: "mirrored and rotated by 270°",
}

_RELATIONS = {
    Relation.BYTES: "same file, byte for byte",
    Relation.PIXELS: "same pixels, saved again",
    Relation.SAME: "same picture, re-encoded or resized",
    Relation.NEAR: "near-copy: a neighbouring slice or a close copy",
}


def related(copy: Copy) -> str:
    """How the two images are related: ``mirrored copy``, and so on."""
    turn = _TURNS[copy.turn]
    if not turn:
        return _RELATIONS[copy.relation]
    kind = "near-copy" if copy.relation is Relation.NEAR else "copy"
    return f"{turn} {kind}" if turn == _TURNS[Turn.MIRRORED] else f"{kind}, {turn}"


def turned(turn: Turn) -> str:
    """What was done to the right-hand picture of a pair; empty where nothing was."""
    words = _TURNS[turn]
    return f"shown {words}, to lie on the other" if words else ""


def short(name: str) -> str:
    """A name, its middle left out where it is longer than `LONGEST_NAME`."""
    if len(name) <= LONGEST_NAME:
        return name
    half = LONGEST_NAME // 2
    return f"{name[:half]}…{name[-half:]}"


def moment(created: str) -> str:
    """An ISO 8601 time to the minute, as a person writes it: ``2026-11-21 09:12``."""
    return created[:16].replace("T", " ")


def count(number: int) -> str:
    """A count with its thousands apart: ``7,023``."""
    return f"{number:,}"


def some(number: int, one: str, many: str = "") -> str:
    """A count with its noun: ``1 image``, ``7,023 images``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """A share of 1 in percent, with one decimal: ``74.7 %``."""
    return f"{100 * share:.1f} %"


def part(number: int, whole: int) -> float:
    """A part as a share in [0, 1]; 0 of nothing is 0."""
    return min(number / whole, 1.0) if whole else 0.0


def against_chance(control: Control) -> str:
    """How far a control lies above chance, in words."""
    gain = control.accuracy - control.chance
    if gain >= FAR_ABOVE_CHANCE:
        return "far above chance"
    return "above chance" if gain >= ABOVE_CHANCE else "about chance"
