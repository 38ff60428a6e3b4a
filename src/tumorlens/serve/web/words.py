"""An answer in the reader's language: what was found, how sure, why, and how large.

The same content as `tumorlens.decide.words` gives to every other way out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tumorlens.decide.finding import OPEN_KIND, Status
from tumorlens.decide.words import class_words, percent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from gettext import NullTranslations

    from tumorlens.decide.finding import Finding, Lesion, Reason
    from tumorlens.decide.study import Study
    from tumorlens.serve.web.language import Language

# Beyond these shares of a hundred, "about" would round to none or all of them.
FEW, MANY = 0.005, 0.995
TIMES = "\N{MULTIPLICATION SIGN}"
# Keeps a figure and its unit on one line.
SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Words:
    """The words of one language.

    Attributes:
        language: Which.
        catalogue: Its translations.
    """

    language: Language
    catalogue: NullTranslations

    def number(self, text: str) -> str:
        """A number written as this language writes it."""
        return text.replace(".", self.language.decimal)

    def share(self, fraction: float) -> str:
        """A probability, as a percentage that never reads as certainty."""
        return self.number(percent(fraction))

    def kind(self, name: str, display: dict[str, str]) -> str:
        """A class of the model as a reader knows it."""
        words = class_words(name, display)
        return _kinds(self).get(words, words)

    def status(self, status: Status | str) -> str:
        """An answer in a word or two, for lists."""
        gettext = self.catalogue.gettext
        match Status(status):
            case Status.TUMOR:
                return gettext("Tumor found")
            case Status.NO_TUMOR:
                return gettext("No tumor found")
            case Status.UNCERTAIN:
                return gettext("Uncertain")
            case Status.REJECTED:
                return gettext("Rejected")

    def headline(self, finding: Finding) -> str:
        """The answer in one line."""
        gettext = self.catalogue.gettext
        match finding.status:
            case Status.REJECTED:
                return gettext("Rejected: not a readable brain MRI")
            case Status.UNCERTAIN:
                return gettext("Uncertain: to be read by a person")
            case Status.NO_TUMOR:
                return gettext("No tumor found in this image")
            case Status.TUMOR if finding.kind_is_open:
                return gettext("Tumor found, its kind uncertain")
            case Status.TUMOR:
                return self._found(finding)

    def study_headline(self, study: Study) -> str:
        """The answer for a series or volume in one line."""
        gettext = self.catalogue.gettext
        match study.status:
            case Status.REJECTED:
                return gettext("Rejected: no slice is a readable brain MRI")
            case Status.UNCERTAIN:
                return gettext("Uncertain: to be read by a person")
            case Status.NO_TUMOR:
                return gettext("No tumor found in these slices")
            case Status.TUMOR:
                return self._found(study)

    def pooling(self, study: Study) -> str:
        """How the answer for a series or volume came of those for its slices."""
        gettext, rule = self.catalogue.gettext, study.model.study
        if rule is None:
            return gettext(
                "A tumor where any slice shows one; the probability is the highest of any slice."
            )
        return gettext(
            "A tumor where a slice shows one and the slices with the highest probabilities "
            "together (%(count)d of them at most) speak for it."
        ) % {"count": rule.highest}

    def _found(self, one: Finding | Study) -> str:
        gettext = self.catalogue.gettext
        kind = self.kind(one.label or "tumor", one.model.display)
        if kind == gettext("tumor"):
            return gettext("Tumor found")
        return gettext("Tumor found: %(kind)s") % {"kind": kind}

    def meaning(self, finding: Finding) -> str:
        """What the tumor probability means; empty where it means nothing."""
        gettext, share = self.catalogue.gettext, finding.tumor_probability
        if share is None or finding.status is Status.REJECTED:
            return ""
        if share > MANY:
            count = gettext("more than 99")
        elif share < FEW:
            count = gettext("fewer than 1")
        else:
            count = gettext("about %(count)d") % {"count": round(100 * share)}
        return gettext(
            "Of 100 held-out images with this figure, %(count)s show a tumor. On scans from "
            "hospitals that the model has not learnt from, the figure can be far off."
        ) % {"count": count}

    def possible(self, finding: Finding) -> list[str]:
        """The kinds that cannot be ruled out; empty where nothing is known of it."""
        if finding.status is Status.REJECTED:
            return []
        return [self.kind(name, finding.model.display) for name in finding.prediction_set]

    def reasons(self, finding: Finding) -> list[str]:
        """Why the answer is not clearer, a sentence each."""
        return [self._reason(one, finding) for one in finding.reasons]

    def size(self, finding: Finding) -> list[str]:
        """What is marked: the whole area, then each lesion."""
        size = finding.measurements
        if size is None:
            return []
        if not size.lesions:
            gettext = self.catalogue.gettext
            if finding.status is Status.TUMOR:
                return [gettext("The model cannot say where: no pixel is sure enough to be marked")]
            return [gettext("Nothing is marked")]
        if len(size.lesions) == 1:
            return [self._only_lesion(size.lesions[0])]
        whole = self.catalogue.gettext("Marked area: %(area)s") % {
            "area": self._area(size.area_pixels, size.area_mm2)
        }
        return [whole, *(self._lesion(one) for one in size.lesions)]

    def _only_lesion(self, lesion: Lesion) -> str:
        return self.catalogue.gettext("Marked: %(area)s, diameters %(diameters)s") % {
            "area": self._area(lesion.area_pixels, lesion.area_mm2),
            "diameters": self._diameters(lesion),
        }

    def _lesion(self, lesion: Lesion) -> str:
        return self.catalogue.gettext("Lesion %(number)d: %(area)s, diameters %(diameters)s") % {
            "number": lesion.number,
            "area": self._area(lesion.area_pixels, lesion.area_mm2),
            "diameters": self._diameters(lesion),
        }

    def _area(self, pixels: int, mm2: float | None) -> str:
        count = self.catalogue.gettext("%(count)d pixels") % {"count": pixels}
        return count if mm2 is None else f"{mm2:.0f} mm² ({count})"

    def _diameters(self, lesion: Lesion) -> str:
        if lesion.longest_mm is None or lesion.perpendicular_mm is None:
            sides = f"{lesion.longest_pixels:.0f} {TIMES} {lesion.perpendicular_pixels:.0f}"
            return self.catalogue.gettext("%(sides)s pixels") % {"sides": sides}
        sides = f"{lesion.longest_mm:.1f} {TIMES} {lesion.perpendicular_mm:.1f}"
        return self.number(f"{sides}{SPACE}mm")

    def _reason(self, reason: Reason, finding: Finding) -> str:
        """A reason by its code; one that is not known here stays as it was given."""
        text = _reason_texts(self).get(reason.code)
        if text is None:
            return reason.text
        values = {
            "measure": self.number(f"{reason.measure or 0:.3g}"),
            "limit": self.number(f"{reason.limit or 0:.3g}"),
            "kinds": self._either(self.possible(finding)),
            "share": self.share(finding.tumor_probability or 0),
        }
        return text % values

    def _either(self, kinds: Sequence[str]) -> str:
        between = self.catalogue.gettext("%(one)s or %(other)s")
        joined = ""
        for kind in kinds:
            joined = between % {"one": joined, "other": kind} if joined else kind
        return joined


def _kinds(words: Words) -> dict[str, str]:
    """The kinds that models know by these names."""
    gettext = words.catalogue.gettext
    return {
        "no tumor": gettext("no tumor"),
        "tumor": gettext("tumor"),
        "glioma": gettext("glioma"),
        "meningioma": gettext("meningioma"),
        "pituitary": gettext("pituitary"),
        "pituitary tumor": gettext("pituitary tumor"),
    }


def _reason_texts(words: Words) -> dict[str, str]:
    """Code of a reason → what it says, with places for its figures."""
    gettext = words.catalogue.gettext
    compared = " (%(measure)s, " + gettext("limit") + " %(limit)s)"
    return {
        "blank": gettext("The picture is all but black") + compared,
        "flat": gettext("The picture has next to no contrast") + compared,
        "tiny": gettext("The picture is too small to be read") + compared,
        "colour": gettext("The picture is in color, which MRI is not") + compared,
        "blurred": gettext("The picture is blurred") + compared,
        "clipped": gettext("Much of the picture is pure white or black") + compared,
        "panels": gettext("The picture seems to hold several panels") + compared,
        "text": gettext("Writing covers much of the picture") + compared,
        "novelty": gettext("The picture is unlike what the model was trained on") + compared,
        "picture": gettext("The picture does not look like a brain MRI") + compared,
        "extreme": gettext("In one respect the picture is unlike all that the model was trained on")
        + compared,
        "frame_energy": gettext("Much of the evidence lies at the edge of the picture") + compared,
        "between_thresholds": gettext(
            "The tumor probability of %(share)s is neither low enough nor high enough to decide"
        ),
        "several_classes": gettext("It can be %(kinds)s"),
        "no_class": gettext("No kind that the model knows fits well enough"),
        "unsure": gettext("The likeliest answer is not sure enough to be given") + compared,
        OPEN_KIND: gettext("The kind of the tumor is not sure enough to be named"),
        "contradiction": gettext(
            "The likeliest answer is not the one that fits well enough (%(kinds)s)"
        ),
    }
