"""Names of accounts: how they are written, and when two are the same."""

from __future__ import annotations

import unicodedata

from tumorlens.errors import AccountError

LONGEST_NAME = 64
# Unicode categories of letters, the marks that go with them, and digits.
_LETTERS, _MARKS = ("L", "N"), ("L", "M", "N")
_OTHERS = frozenset(" _.@+-")


def clean_name(text: str) -> str:
    """A name as it is kept.

    Raises:
        AccountError: It holds other than letters, digits, spaces and ``_ . @ + -``, or is too long.
    """
    name = unicodedata.normalize("NFKC", text.strip())
    if not _is_name(name):
        msg = (
            f"{text[:LONGEST_NAME]!r} cannot be a name: take letters, digits, spaces and _ . @ + -"
            f", {LONGEST_NAME} at most, a letter or digit at both ends."
        )
        raise AccountError(msg)
    return name


def name_key(text: str) -> str:
    """Equal for names that differ in capitals or in how a letter is composed."""
    return unicodedata.normalize("NFKC", text.strip()).casefold()[:LONGEST_NAME]


def _is_name(name: str) -> bool:
    if not 0 < len(name) <= LONGEST_NAME:
        return False
    kinds = [unicodedata.category(letter)[0] for letter in name]
    is_inside = all(
        kind in _MARKS or letter in _OTHERS for letter, kind in zip(name, kinds, strict=True)
    )
    return is_inside and kinds[0] in _LETTERS and kinds[-1] in _MARKS
