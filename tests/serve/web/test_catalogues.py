"""If these fail, a reader of another language meets English, or a broken sentence."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

import tumorlens.serve
from tumorlens.decide.finding import NOTICE
from tumorlens.decide.gate import QUALITY_RULES
from tumorlens.serve.web.language import ENGLISH, LANGUAGES, LOCALES, preferred, translations

SERVE = Path(tumorlens.serve.__file__).parent
METHODS = [
    ("web/**.py", "python"),
    ("web/templates/**.html", "jinja2"),
    ("web/static/**.js", "javascript"),
]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "tr": None}
PLACES = re.compile(r"%\(\w+\)[sdg]|\{\w+\}|%%")
OTHERS = [one for one in LANGUAGES if one is not ENGLISH]


@pytest.fixture(scope="module")
def said():
    """All that the pages say: a text, or a pair of a singular and its plural."""
    found = extract_from_dir(SERVE, METHODS, keywords=KEYWORDS)
    return {message for _, _, message, *_ in found if message}


def catalogue_of(language):
    folder = LOCALES / language.code / "LC_MESSAGES"
    with (folder / "tumorlens.po").open("rb") as file:
        return read_po(file, locale=language.code), folder / "tumorlens.mo"


@pytest.mark.parametrize("language", OTHERS, ids=lambda one: one.code)
class TestEachLanguage:
    def test_says_all_that_the_pages_say(self, language, said):
        catalogue, _ = catalogue_of(language)
        lacking = [one for one in said if (got := catalogue.get(one)) is None or not got.string]
        assert lacking == []
        assert not [one.id for one in catalogue if one.id and one.fuzzy]

    def test_keeps_the_places_of_values(self, language):
        catalogue, _ = catalogue_of(language)
        for message in catalogue:
            ids = message.id if isinstance(message.id, tuple) else (message.id,)
            strings = message.string if isinstance(message.id, tuple) else (message.string,)
            if message.id:
                expected = sorted(PLACES.findall(ids[-1]))
                assert {tuple(sorted(PLACES.findall(one))) for one in strings} == {tuple(expected)}

    def test_is_compiled_as_it_is_written(self, language):
        catalogue, compiled = catalogue_of(language)
        fresh = BytesIO()
        write_mo(fresh, catalogue)
        with compiled.open("rb") as file:
            kept = {str(one.id): one.string for one in read_mo(file) if one.id}
        fresh.seek(0)
        assert kept == {str(one.id): one.string for one in read_mo(fresh) if one.id}

    def test_says_the_research_notice(self, language):
        assert translations(language).gettext(NOTICE) != NOTICE


def test_the_notice_of_the_page_is_the_one_of_every_answer(said):
    assert NOTICE in said


def test_every_fault_of_a_picture_has_words_of_its_own():
    from tumorlens.serve.web.words import Words, _reason_texts

    known = _reason_texts(Words(ENGLISH, translations(ENGLISH)))
    assert {kind.value for kind in QUALITY_RULES} <= set(known)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("zh-Hant-TW", "zh"),
        ("nl, fr;q=0.3, es;q=0.7", "es"),
        ("nl", "en"),
        ("", "en"),
        ("fr;q=0, ;;q=, hi", "hi"),
    ],
)
def test_the_language_is_the_best_that_the_browser_asks_for(header, code):
    assert preferred(header).code == code
