"""What stands around every page: its title, the way to the others, the notice, and errors."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from tumorlens.app import cards
from tumorlens.app.screens import audit, evidence, scans, thresholds
from tumorlens.decide.finding import NOTICE
from tumorlens.errors import TumorLensError

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "TumorLens"
_LOG = logging.getLogger(__name__)


def main() -> None:
    """Show the page that the visitor chose, within its frame."""
    st.set_page_config(page_title=TITLE, layout="wide")
    pages = [
        st.Page(partial(framed, scans.show), title="Scans", url_path="scans", default=True),
        st.Page(partial(framed, thresholds.show), title="Thresholds", url_path="thresholds"),
        st.Page(partial(framed, evidence.show), title="Model and evidence", url_path="evidence"),
        st.Page(partial(framed, audit.show), title="Audit", url_path="audit"),
    ]
    st.navigation(pages, position="top").run()


def framed(page: Callable[[], None]) -> None:
    """Show a page; what goes wrong on it is one message, and the notice stands in any case."""
    st.html(cards.STYLE)
    with st.bottom:
        st.html(cards.notice(NOTICE))
    try:
        page()
    except TumorLensError as error:
        st.html(cards.words_card(str(error), "tl-error"))
    except Exception as error:  # noqa: BLE001  (a visitor never sees a traceback)
        _LOG.exception("a page failed")
        text = f"Something unforeseen went wrong ({type(error).__name__}). Please report it."
        st.html(cards.words_card(text, "tl-error"))
