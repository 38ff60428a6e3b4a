"""The words of an answer, the same in every way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.decide.finding import Status

if TYPE_CHECKING:
    from tumorlens.decide.finding import Finding

# Beyond these a rounded figure would read as certainty, which no model has.
ALMOST_ALL, ALMOST_NONE = 0.999, 0.001


def percent(fraction: float) -> str:
    """A probability for a reader; never ``0 %`` or ``100 %``."""
    if fraction > ALMOST_ALL:
        return "> 99.9 %"
    if fraction < ALMOST_NONE:
        return "< 0.1 %"
    return f"{100 * fraction:.1f} %"


def class_words(name: str, display: dict[str, str]) -> str:
    """A class as a reader is shown it."""
    return display.get(name, name.replace("_", " "))


def headline(finding: Finding) -> str:
    """The answer in one line."""
    match finding.status:
        case Status.REJECTED:
            return "Rejected: not a readable brain MRI"
        case Status.UNCERTAIN:
            return "Uncertain: to be read by a person"
        case Status.NO_TUMOR:
            return "No tumor found in this image"
        case Status.TUMOR:
            kind = class_words(finding.label or "tumor", finding.model.display)
            return "Tumor found" if kind == "tumor" else f"Tumor found: {kind}"


def probability_line(finding: Finding) -> str:
    """The tumor probability in words; empty where there is none, or where it means nothing.

    What a network says of a picture that it cannot judge would only mislead a reader; programs
    find it in the Finding.
    """
    if finding.tumor_probability is None or finding.status is Status.REJECTED:
        return ""
    return f"Tumor probability {percent(finding.tumor_probability)}"
