"""The words of an answer, the same in every way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.decide.finding import Status

if TYPE_CHECKING:
    from tumorlens.decide.finding import Finding, Lesion, Measurements

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
        case Status.TUMOR if finding.kind_is_open:
            return "Tumor found, its kind uncertain"
        case Status.TUMOR:
            kind = class_words(finding.label or "tumor", finding.model.display)
            return "Tumor found" if kind == "tumor" else f"Tumor found: {kind}"


def reason_lines(finding: Finding) -> list[str]:
    """Why the answer is not clearer, a sentence each."""
    texts = [reason.text for reason in finding.reasons]
    if finding.status is Status.TUMOR:
        return [f"{text[:1].upper()}{text[1:]}." for text in texts]
    return [f"Because {text}." for text in texts]


def probability_line(finding: Finding) -> str:
    """The tumor probability in words; empty where there is none, or where it means nothing.

    What a network says of a picture that it cannot judge would only mislead a reader; programs
    find it in the Finding.
    """
    if finding.tumor_probability is None or finding.status is Status.REJECTED:
        return ""
    return f"Tumor probability {percent(finding.tumor_probability)}"


def size_lines(size: Measurements) -> list[str]:
    """What is marked, in words: the whole area, then the diameters of each lesion."""
    if not size.lesions:
        return [f"Marked area {area_words(size.area_pixels, size.area_mm2)}"]
    several = len(size.lesions) > 1
    lines = [f"Marked area {area_words(size.area_pixels, size.area_mm2)}"] if several else []
    for lesion in size.lesions:
        name = f"Lesion {lesion.number}:" if several else "Marked area"
        area = area_words(lesion.area_pixels, lesion.area_mm2)
        lines.append(f"{name} {area}, diameters {diameter_words(lesion)}")
    return lines


def area_words(pixels: int, mm2: float | None) -> str:
    """An area in mm² where that is known, and in pixels.

    Spelt out, since the letters that pictures are written in lack the raised 2.
    """
    count = f"{pixels} pixel{'' if pixels == 1 else 's'}"
    return count if mm2 is None else f"{mm2:.0f} square mm ({count})"


def diameter_words(lesion: Lesion) -> str:
    """The longest diameter and the longest at a right angle to it, in mm or else in pixels."""
    if lesion.longest_mm is None or lesion.perpendicular_mm is None:
        return f"{lesion.longest_pixels:.0f} x {lesion.perpendicular_pixels:.0f} pixels"
    return f"{lesion.longest_mm:.1f} x {lesion.perpendicular_mm:.1f} mm"
