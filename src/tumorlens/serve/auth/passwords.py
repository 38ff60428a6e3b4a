"""Passwords: which are taken, and how they are kept (Argon2id, RFC 9106).

Which are taken follows NIST SP 800-63B: long ones, of any letters; no rules of which kinds of
letters, and no dates after which they end.
"""

from __future__ import annotations

import threading
import unicodedata
from contextlib import contextmanager
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tumorlens.errors import AccountError
from tumorlens.serve.engine import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

# Longer ones are no safer, and cost the service time.
LONGEST_PASSWORD = 256
# "aaaaaaaaaaaa" and "121212121212" are long, and the first that are tried.
FEWEST_DIFFERENT_LETTERS = 6
# What everyone who knows the place would try.
KNOWN_WORDS = ("tumorlens", "password", "passwort", "qwerty", "123456")
# Hashing takes a core and 64 MiB: so many at a time, and so many that wait for it.
HASHED_AT_ONCE = 2
MOST_WAITING = 8
BUSY_RETRY_SECONDS = 2


class PasswordRefused(AccountError):
    """A password that others would find."""


class Passwords:
    """Hashes and checks passwords. May be used from any thread.

    Args:
        min_length: Shortest password that is taken.
        hasher: How they are kept; with the parameters of RFC 9106 for little memory if None.
    """

    def __init__(self, min_length: int, hasher: PasswordHasher | None = None) -> None:
        self._min_length = min_length
        self._hasher = hasher or PasswordHasher()
        self._places = threading.BoundedSemaphore(HASHED_AT_ONCE)
        self._queue = threading.BoundedSemaphore(HASHED_AT_ONCE + MOST_WAITING)
        self._nobodys: str | None = None

    def check(self, password: str, name: str) -> None:
        """Refuse a password that others would find.

        Args:
            password: As it is to be set.
            name: Of the account.

        Raises:
            PasswordRefused: It is too short, too long, too plain, or the name.
        """
        text = _normal(password)
        plain = text.casefold()
        for word in (*KNOWN_WORDS, name.casefold()):
            plain = plain.replace(word, "")
        if len(text) < self._min_length:
            msg = f"a password takes {self._min_length} letters or more"
        elif len(text) > LONGEST_PASSWORD:
            msg = f"a password takes {LONGEST_PASSWORD} letters at most"
        elif len(set(plain)) < FEWEST_DIFFERENT_LETTERS:
            msg = "this password is easy to guess: take several words that have nothing in common"
        else:
            return
        raise PasswordRefused(msg)

    def hash(self, password: str) -> str:
        """What is kept of a password.

        Raises:
            Refused: Too many are being hashed.
        """
        with self._place():
            return self._hasher.hash(_normal(password))

    def is_right(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password that was kept; takes as long where there is none.

        Args:
            password: As it was typed.
            password_hash: What was kept; None where there is no such account.

        Raises:
            Refused: Too many are being checked.
        """
        too_long = len(password) > LONGEST_PASSWORD
        with self._place():
            known = password_hash or self._of_nobody()
            try:
                right = self._hasher.verify(known, "" if too_long else _normal(password))
            except (VerificationError, InvalidHashError):
                return False
        return right and password_hash is not None and not too_long

    def is_outdated(self, password_hash: str) -> bool:
        """Whether today's parameters are other than those that it was kept with."""
        return self._hasher.check_needs_rehash(password_hash)

    def _of_nobody(self) -> str:
        if self._nobodys is None:
            self._nobodys = self._hasher.hash("the password of nobody")
        return self._nobodys

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._queue.acquire(blocking=False):
            why = "too many logins are being checked"
            raise Refused(why, BUSY_RETRY_SECONDS)
        try:
            with self._places:
                yield
        finally:
            self._queue.release()


def _normal(password: str) -> str:
    """The same letters however a keyboard composes them (RFC 8265)."""
    return unicodedata.normalize("NFC", password)
