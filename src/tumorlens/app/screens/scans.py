"""The first page: scans go in, answers come out, of one model or of several side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from tumorlens.app import cards, models, saying
from tumorlens.app.cases import Batch, Upload, answer, named_apart
from tumorlens.app.pictures import png
from tumorlens.app.screens import batch_table, viewer
from tumorlens.errors import ModelNotFound
from tumorlens.scan import Limits
from tumorlens.scan.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.app.models import Choice

UPLOADS, ANSWERS = "uploads", "answers"
_FILES = "files"
# Side by side on one screen; more columns than this cannot be read.
MOST_MODELS = 3
LARGEST_MIB = Limits().max_file_bytes // MIB
DRAWN_NAME = "drawn head (not a scan).png"


def show() -> None:
    """The page."""
    st.title("TumorLens")
    st.markdown(
        "Is this a brain MRI that can be read? Is there a tumor? Which kind, and where? "
        "Drop scans below; what is sure is said, and what is not is left to a person."
    )
    chosen = _choose_models()
    _take_uploads()
    uploads = named_apart(st.session_state.get(UPLOADS, []))
    if not uploads:
        st.button(
            "Try it with a drawn head",
            on_click=_draw,
            help="A drawing with a drawn tumor, not a scan: shows how the page works.",
        )
        return
    if not chosen:
        st.info("Choose a model to get an answer.")
        return
    results = {choice.label: _answered(uploads, choice) for choice in chosen}
    _show_results(results, chosen)


def _choose_models() -> list[Choice]:
    """The models that answer, in the order in which they were chosen."""
    known = models.choices()
    for problem in models.problems():
        st.html(cards.words_card(problem))
    if not known:
        msg = "no model is installed; name a folder of model files in TUMORLENS_MODELS"
        raise ModelNotFound(msg)
    by_label = {choice.label: choice for choice in known}
    alone = "TUMORLENS_MODELS names folders of further models." if len(known) == 1 else None
    labels = st.multiselect(
        "Model" if len(known) == 1 else "Model (choose up to three to compare them)",
        list(by_label),
        default=list(by_label)[:1],
        max_selections=MOST_MODELS,
        help=alone,
        key="models",
    )
    chosen = [by_label[label] for label in labels]
    for choice in chosen:
        st.caption(saying.caution(choice.metadata))
    return chosen


def _take_uploads() -> None:
    """The uploader; what is taken stays while the visitor looks at other pages."""
    as_folder = st.segmented_control(
        "What to choose", ["Files", "A folder"], default="Files", label_visibility="collapsed",
        key="what",
    ) == "A folder"  # fmt: skip
    st.file_uploader(
        "JPEG, PNG, DICOM, NIfTI or a zip of them; several at once, and whole series",
        accept_multiple_files="directory" if as_folder else True,
        max_upload_size=LARGEST_MIB,
        key=_FILES,
        on_change=_keep,
        help="Files are answered in the memory of this server and are never written to its disk.",
    )
    kept = st.session_state.get(UPLOADS)
    if kept and not st.session_state.get(_FILES):
        count = "1 file" if len(kept) == 1 else f"{len(kept)} files"
        st.button(f"Remove what is shown ({count})", on_click=_forget)


def _keep() -> None:
    files = st.session_state.get(_FILES) or []
    st.session_state[UPLOADS] = [Upload(one.file_id, one.name, one.getvalue()) for one in files]


def _forget() -> None:
    st.session_state[UPLOADS] = []
    st.session_state.pop(ANSWERS, None)


def _draw() -> None:
    import numpy as np

    from tumorlens.scan.drawn import drawn_scan

    grey = np.rint(drawn_scan().pixels * 255).astype(np.uint8)
    st.session_state[UPLOADS] = [Upload("drawn", DRAWN_NAME, png(grey))]


def _answered(uploads: Sequence[Upload], choice: Choice) -> Batch:
    """The answers of one model, given once for as long as the same files are shown."""
    files = tuple(one.key for one in uploads)
    held_for, held = st.session_state.get(ANSWERS, (None, {}))
    if held_for != files:
        held = {}
        st.session_state[ANSWERS] = (files, held)
    if choice.sha256 not in held:
        model = models.opened(choice.path, choice.sha256)
        progress = st.progress(0.0)
        with st.spinner(f"Reading and answering with {choice.label}"):
            held[choice.sha256] = answer(
                uploads, model, lambda share, name: progress.progress(share, text=_plain(name))
            )
        progress.empty()
    batch: Batch = held[choice.sha256]
    return batch


def _plain(name: str) -> str:
    """A name without anything that Markdown would take for more than letters."""
    return "".join(one if one.isalnum() or one in " .-_()" else " " for one in name)


def _show_results(results: dict[str, Batch], chosen: list[Choice]) -> None:
    first = next(iter(results.values()))
    if first.errors:
        st.html(cards.error_card(first.errors))
    if not first.cases:
        return
    index = 0
    if len(first.cases) > 1:
        batch_table.show(results, chosen)
        index = batch_table.choose(results)
    viewer.show({label: batch.cases[index] for label, batch in results.items()}, chosen)
    batch_table.downloads(results, chosen)
