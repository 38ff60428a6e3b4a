"""Which language a page speaks, and its words: gettext catalogues that come with the package."""

from __future__ import annotations

import gettext
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

DOMAIN = "tumorlens"
LOCALES = Path(__file__).parent / "locale"
COOKIE = "tumorlens_language"
COOKIE_SECONDS = 365 * 24 * 3600
_QUALITY = re.compile(r"q=(\d(?:\.\d{1,3})?)")


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the page.

    Attributes:
        code: As in the catalogues and in addresses.
        tag: As a browser and a screen reader know it (BCP 47).
        own_name: As its readers call it.
        decimal: What stands before the decimals of a number.
    """

    code: str
    tag: str
    own_name: str
    decimal: str = "."


ENGLISH = Language("en", "en", "English")
LANGUAGES = (
    ENGLISH,
    Language("es", "es", "Español", ","),
    Language("fr", "fr", "Français", ","),
    Language("de", "de", "Deutsch", ","),
    Language("hi", "hi", "हिन्दी"),
    Language("zh", "zh-Hans", "中文"),
)
"""All languages, the one that the page is written in first."""

_BY_CODE = {one.code: one for one in LANGUAGES}


def language_of(request: Request) -> Language:
    """The language that a reader chose, else the best of those that their browser asks for."""
    chosen = _BY_CODE.get(request.cookies.get(COOKIE, ""))
    return chosen or preferred(request.headers.get("accept-language", ""))


def preferred(header: str) -> Language:
    """The best language for an Accept-Language header; English where it names none of ours."""
    wanted: list[tuple[float, int, Language]] = []
    for place, part in enumerate(header.split(",")):
        tag, _, parameters = part.strip().partition(";")
        known = _BY_CODE.get(tag.strip().lower().split("-")[0])
        quality = _QUALITY.search(parameters)
        weight = float(quality[1]) if quality else 1.0
        if known is not None and weight > 0:
            wanted.append((-weight, place, known))
    return min(wanted, key=lambda one: one[:2])[2] if wanted else ENGLISH


@cache
def translations(language: Language) -> gettext.NullTranslations:
    """The words of a language; those of the page's own where a catalogue lacks one."""
    if language is ENGLISH:
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, LOCALES, [language.code], fallback=True)


@cache
def catalogue(language: Language) -> dict[str, str]:
    """Words of the page → those of a language, for the scripts of the page."""
    known: dict[str | tuple[str, int], str] = getattr(translations(language), "_catalog", {})
    return {text: said for text, said in known.items() if isinstance(text, str) and text}
