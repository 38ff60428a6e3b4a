"""Names of accounts: how they are written, and when two are the same."""

from __future__ import annotations

import re
import unicodedata

from tumorlens.errors import AccountError

LONGEST_NAME = 64
# No space at either end, and nothing that a table, a log or a page would take for its own.
NAME_PATTERN = r"^[\w](?:[\w .@+-]{0,62}[\w])?$"
_NAME = re.compile(NAME_PATTERN)


def clean_name(text: str) -> str:
    """A name as it is kept.

    Raises:
        AccountError: It holds other than letters, digits, spaces and ``_ . @ + -``, or is too long.
    """
    name = unicodedata.normalize("NFKC", text.strip())
    if not _NAME.fullmatch(name):
        msg = (
            f"{text[:LONGEST_NAME]!r} cannot be a name: take letters, digits, spaces and _ . @ + -"
            f", {LONGEST_NAME} at most, a letter or digit at both ends."
        )
        raise AccountError(msg)
    return name


def name_key(text: str) -> str:
    """Equal for names that differ in capitals or in how a letter is composed."""
    return unicodedata.normalize("NFKC", text.strip()).casefold()[:LONGEST_NAME]
