"""If these fail, whoever starts the page does not learn where it is, or loses the terminal."""

import threading

import pytest

from tumorlens.cli import open_page
from tumorlens.decide.finding import NOTICE

ADDRESS = "http://127.0.0.1:8000/"


@pytest.fixture
def opened(monkeypatch):
    """The addresses that a browser was asked to open."""
    asked, was_asked = [], threading.Event()

    def take(address):
        asked.append(address)
        was_asked.set()

    monkeypatch.setattr(open_page.webbrowser, "open", take)
    monkeypatch.setattr(open_page.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return asked, was_asked


def test_the_address_and_the_notice_are_said_and_no_browser_of_a_terminal_is_opened(opened, capsys):
    open_page.open_page(ADDRESS)
    said = " ".join(capsys.readouterr().err.split())
    assert ADDRESS in said
    assert NOTICE in said
    assert opened[0] == []


def test_where_there_is_a_screen_the_page_is_opened(opened, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    open_page.open_page(ADDRESS)
    asked, was_asked = opened
    assert was_asked.wait(10)
    assert asked == [ADDRESS]
