"""Telling where the page is, and opening it where there is a screen."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser

from tumorlens.cli.guard import tell
from tumorlens.decide.finding import NOTICE

# Elsewhere a browser that is found could be one for terminals, which would take this one over.
ALWAYS_HAVE_SCREENS = ("darwin", "win32")


def open_page(address: str) -> None:
    """Say where the page is, and show it.

    Args:
        address: Of the first page.
    """
    tell(f"the page is at {address} (Ctrl-C ends it)")
    tell(NOTICE)
    if has_screen():
        # Some browsers come back only when they are closed.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def has_screen() -> bool:
    """Whether a window can be opened here."""
    if sys.platform in ALWAYS_HAVE_SCREENS:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
