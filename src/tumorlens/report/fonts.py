"""Letters for PDF: fonts of this machine, so that names in any script can be printed.

A PDF must carry its letters. None come with TumorLens: what the machine has is used, and where it
has none, the letters of Western Europe, which every reader of PDF has, and Chinese ones, which most
have. What no font has is printed as a question mark.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Looked for in this order; a letter is taken from the first that has it.
LATIN = (
    ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf"),
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
    ("arial.ttf", "arialbd.ttf"),
    ("Arial.ttf", "Arial Bold.ttf"),
)
OTHER = (
    *("NotoSansDevanagari-Regular.ttf", "Lohit-Devanagari.ttf", "Nirmala.ttf"),
    *("DejaVuSans.ttf", "NotoSansArabic-Regular.ttf", "NotoSansHebrew-Regular.ttf"),
    *("NotoSansBengali-Regular.ttf", "NotoSansTamil-Regular.ttf", "NotoSansThai-Regular.ttf"),
    *("wqy-zenhei.ttc", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf"),
    *("simhei.ttf", "msyh.ttc", "Arial Unicode.ttf"),
)
# Scripts whose letters join or change places; letters of all others stand side by side.
SHAPED = frozenset(name for name in OTHER if name.startswith(("NotoSans", "Lohit", "Nirmala")))
FOLDERS = {
    "linux": ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    "win32": ("C:/Windows/Fonts", "~/AppData/Local/Microsoft/Windows/Fonts"),
}
# In every reader of PDF (ISO 32000, 9.6.2.2), and in most with a package of Asian letters.
BUILT_IN, BUILT_IN_BOLD = "Helvetica", "Helvetica-Bold"
BUILT_IN_CHINESE = "STSong-Light"
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Face:
    """A font that letters can be taken from.

    Attributes:
        name: As the PDF library knows it.
        bold: The same for bold letters.
        has: Whether a letter is in it.
        is_shaped: Whether its letters join or change places.
    """

    name: str
    bold: str
    has: Callable[[str], bool]
    is_shaped: bool = False


class Marked(NamedTuple):
    """Text as markup of a paragraph.

    Attributes:
        markup: The text with the font of each run of letters.
        font: The font of the paragraph; the PDF library shapes letters only where this one is
            shaped.
    """

    markup: str
    font: str


def marked_up(text: str, *, bold: bool = False) -> Marked:
    """Text as markup of a paragraph, each run of letters in a font that has them."""
    runs = [(face, "".join(letters)) for face, letters in groupby(text, key=_face_of)]
    shaped = next((face for face, _ in runs if face is not None and face.is_shaped), None)
    # A word of several fonts would be shaped by the first of them, so it is taken apart.
    between = "" if shaped is None else " "
    markup = between.join(_run(face, letters, bold=bold) for face, letters in runs)
    return Marked(markup, (shaped or base_face()).name)


def base_face() -> Face:
    """The font of most letters."""
    return _faces()[0]


def _run(face: Face | None, letters: str, *, bold: bool) -> str:
    if face is None:
        return UNKNOWN * len(letters)
    return f'<font name="{face.bold if bold else face.name}">{escape(letters)}</font>'


@cache
def _face_of(letter: str) -> Face | None:
    return next((face for face in _faces() if face.has(letter)), None)


@cache
def _faces() -> tuple[Face, ...]:
    files = _font_files()
    latin = (_pair(files, *names) for names in LATIN)
    first = next((face for face in latin if face is not None), None)
    others = (_pair(files, name, name) for name in OTHER)
    found = [face for face in (first, *others) if face is not None]
    base = Face(BUILT_IN, BUILT_IN_BOLD, _is_western)
    return (*([] if first is not None else [base]), *found, _chinese())


def _pair(files: dict[str, Path], regular: str, bold: str) -> Face | None:
    """A font of the machine, or None where it has none of this name, or none that works."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    if regular not in files:
        return None
    try:
        font = TTFont(f"TumorLens-{regular}", str(files[regular]), shapable=regular in SHAPED)
        pdfmetrics.registerFont(font)
        bold_name = font.fontName
        if bold in files and bold != regular:
            bold_name = f"TumorLens-{bold}"
            pdfmetrics.registerFont(TTFont(bold_name, str(files[bold]), shapable=regular in SHAPED))
    except (TTFError, OSError):  # letters drawn in a way that cannot be carried, or a damaged file
        return None
    glyphs = font.face.charToGlyph
    shaped = regular in SHAPED
    return Face(font.fontName, bold_name, lambda letter: ord(letter) in glyphs, shaped)


def _chinese() -> Face:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont(BUILT_IN_CHINESE))
    return Face(BUILT_IN_CHINESE, BUILT_IN_CHINESE, _is_chinese)


def _is_western(letter: str) -> bool:
    try:
        letter.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _is_chinese(letter: str) -> bool:
    try:
        letter.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return not letter.isascii()


@cache
def _font_files() -> dict[str, Path]:
    """Name → path of the fonts of this machine that are looked for here."""
    wanted = {*OTHER, *(name for pair in LATIN for name in pair)}
    return {path.name: path for path in _all_fonts() if path.name in wanted}


def _all_fonts() -> Iterator[Path]:
    for folder in FOLDERS.get(sys.platform, FOLDERS["linux"]):
        path = Path(folder).expanduser()
        for suffix in ("ttf", "ttc"):
            yield from sorted(path.rglob(f"*.{suffix}"))
