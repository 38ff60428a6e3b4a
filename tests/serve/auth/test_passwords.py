"""If these fail, a password that is guessed first is taken, or a right one is refused."""

import threading

import pytest

from tumorlens.errors import AccountError
from tumorlens.serve.auth.names import clean_name, name_key
from tumorlens.serve.auth.passwords import PasswordRefused, Passwords
from tumorlens.serve.engine import Refused


@pytest.mark.parametrize(
    "password",
    ["short", "aaaaaaaaaaaaaaaa", "password1234", "tumorlens2026", "adalovelace!!", "x" * 257,
     "121212121212", "Password12345", ""],
)  # fmt: skip
def test_what_is_guessed_first_is_refused(password):
    with pytest.raises(PasswordRefused):
        Passwords(12).check(password, "AdaLovelace")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "ज़िंदगी न मिलेगी दोबारा",
        "一二三四五六七八九十甲乙",
        "a-b_C:9é%#<>'\"",
    ],
)
def test_any_letters_may_stand_in_a_long_one(password):
    passwords = Passwords(12)
    passwords.check(password, "ada")
    kept = passwords.hash(password)
    assert kept.startswith("$argon2id$")
    assert password not in kept
    assert passwords.is_right(password, kept)
    assert not passwords.is_right(password + " ", kept)


def test_how_a_keyboard_composes_a_letter_does_not_matter():
    passwords = Passwords(12)
    assert passwords.is_right("cafe\u0301 noir sans sucre", passwords.hash("café noir sans sucre"))


def test_nobodys_password_is_never_right_and_damage_is_no_way_in():
    passwords = Passwords(12)
    assert not passwords.is_right("the password of nobody", None)
    assert not passwords.is_right("x", "damaged")
    assert not passwords.is_right("x" * 300, passwords.hash(""))


def test_a_flood_of_logins_takes_neither_memory_nor_threads(monkeypatch):
    passwords = Passwords(12)
    kept, go = passwords.hash("correct horse battery"), threading.Event()
    started = threading.Semaphore(0)

    class Slow:
        def verify(self, *_: object) -> bool:
            started.release()
            return go.wait(30)

    monkeypatch.setattr(passwords, "_hasher", Slow())
    results = []

    def log_in() -> None:
        try:
            results.append(passwords.is_right("x", kept))
        except Refused as refused:
            results.append(refused.retry_after)
            started.release()

    threads = [threading.Thread(target=log_in) for _ in range(14)]
    for thread in threads:
        thread.start()
    for _ in range(6):  # two are being checked, eight wait, and four are turned away
        assert started.acquire(timeout=30)
    go.set()
    for thread in threads:
        thread.join()
    assert sorted(map(int, results)) == [1] * 10 + [2] * 4


def test_names_that_look_alike_are_the_same():
    assert clean_name("  Ada Lovelace ") == "Ada Lovelace"
    assert name_key("ADA") == name_key("ada") == name_key(" \uff21da")
    assert clean_name("अदा@example.org") == "अदा@example.org"


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "<b>", "a\nb", "a\0b", "-a", "a" * 65, "../x", "a;b", "\u202eada"]
)
def test_what_a_page_or_a_log_would_take_for_its_own_is_no_name(name):
    with pytest.raises(AccountError, match="cannot be a name"):
        clean_name(name)
