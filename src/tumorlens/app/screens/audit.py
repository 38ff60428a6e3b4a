"""The audit page: what a folder of labelled images is worth, before a number on it is believed."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from tumorlens.app import cards, folders
from tumorlens.errors import MissingExtra
from tumorlens.model.load import available_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tumorlens.data.audit.report import AuditReport

EXTRA = "data"
RESULT = "audit"
PAGE_FILE = "audit.html"
LARGEST_MIB = 1024
_COLOURS = {"serious": "tl-tumor", "notice": "tl-uncertain", "fine": "tl-no-tumor"}
_MODULES = frozenset({"scipy", "sklearn", "cleanlab", "jinja2", "pandas"})


@dataclass(frozen=True, slots=True)
class Audited:
    """An audit that is shown: its report, and its page as HTML."""

    report: AuditReport
    page: bytes


def show() -> None:
    """The page."""
    st.title("Audit")
    st.markdown(
        "Copies across splits and sets, shortcuts, wrong labels, broken files: what labelled "
        "images are worth, before a number on them is believed. A set is a folder with a folder "
        "of images for each class, or `Training` and `Testing` with such folders."
    )
    audit = _auditor()
    _choose(audit)
    held: Audited | None = st.session_state.get(RESULT)
    if held is not None:
        _report(held)


def _auditor() -> Callable[..., AuditReport]:
    """What audits.

    Raises:
        MissingExtra: Its libraries are not installed.
    """
    try:
        import sklearn  # noqa: F401  (it is imported late by what follows)

        from tumorlens.data.audit.run import audit
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _MODULES:
            raise
        raise MissingExtra(EXTRA, "Auditing data") from error
    return audit


def _choose(audit: Callable[..., AuditReport]) -> None:
    """A folder of this machine where that is allowed, or a zip from the visitor's."""
    roots = _roots()
    zipped = st.file_uploader(
        "A zip of a folder of images", type=["zip"], max_upload_size=LARGEST_MIB, key="audit zip"
    )
    if roots:
        where = " or ".join(map(str, roots))
        named = st.text_input(
            "Or a folder, or a table of images, on the machine that runs this app",
            key="audit folder",
            help=f"It must lie below {where}.",
        )
    else:
        named = ""
        st.caption(
            "Folders of the server can be named where whoever runs it allows it: "
            "`tumorlens app --folder DIR`."
        )
    if st.button("Audit", type="primary", disabled=not (zipped or named)):
        st.session_state.pop(RESULT, None)
        if named:
            st.session_state[RESULT] = _audited(audit, folders.allowed(named, roots=roots))
        elif zipped is not None:
            with tempfile.TemporaryDirectory(prefix="tumorlens-") as place:
                unpacked = folders.unpack(zipped.name, zipped.getvalue(), Path(place))
                st.session_state[RESULT] = _audited(audit, unpacked)


def _roots() -> list[Path]:
    """The folders below which this visitor may name one."""
    named = folders.named_folders()
    if named:
        return named
    bound_to = st.get_option("server.address")
    return [Path("/")] if folders.is_own_machine(bound_to, dict(st.context.headers)) else []


def _audited(audit: Callable[..., AuditReport], folder: Path) -> Audited:
    bar = st.progress(0.0, text="reading")
    with tempfile.TemporaryDirectory(prefix="tumorlens-") as out:
        report = audit(
            [folder],
            out=Path(out),
            workers=available_cores(),
            progress=lambda what, done, total: bar.progress(done / max(total, 1), text=what),
        )
        page = (Path(out) / PAGE_FILE).read_bytes()
    bar.empty()
    return Audited(report, page)


def _report(held: Audited) -> None:
    report = held.report
    st.header("Verdict", anchor=False)
    for sentence in report.verdict:
        text = f"{sentence.severity.value.capitalize()}: {sentence.text}"
        st.html(cards.words_card(text, _COLOURS[sentence.severity.value]))
    with st.container(horizontal=True):
        st.download_button(
            "The whole audit as a page", held.page, PAGE_FILE, "text/html", on_click="ignore"
        )
        st.download_button(
            "As JSON",
            json.dumps(report.model_dump(mode="json"), indent=1),
            "audit.json",
            "application/json",
            on_click="ignore",
        )
    for title, table in _tables(report).items():
        if len(table):
            st.subheader(title, anchor=False)
            st.dataframe(table, hide_index=True)


def _tables(report: AuditReport) -> dict[str, pd.DataFrame]:
    sets = [(s.name, s.files, s.readable, s.distinct, s.groups) for s in report.sets]
    classes = [(c.label, c.split or "-", c.images) for s in report.sets for c in s.classes]
    copies = [
        (c.relation.value, c.pairs, c.turned, c.across_classes, c.across_splits)
        for c in report.copy_counts
    ]
    leaks = [(x.split, x.against, x.images, x.same, x.near) for x in report.leaks]
    controls = [
        (c.name, c.on, f"{c.accuracy:.1%}", f"{c.chance:.1%}", c.images) for c in report.controls
    ]
    suspects = [(s.image, s.label, s.suggested, f"{s.confidence:.2f}") for s in report.suspects]
    problems = [(p.image, p.kind.value, p.detail) for p in report.problems]
    return {
        "Sets": _frame(sets, "set", "files", "readable", "different pictures", "groups"),
        "Classes": _frame(classes, "class", "split", "images"),
        "Pairs of copies": _frame(
            copies, "copies", "all", "turned", "across classes", "across splits"
        ),
        "Leaks": _frame(leaks, "images of", "with a copy in", "images", "same picture", "or near"),
        "What knows nothing of tumors scores": _frame(
            controls, "control", "on", "accuracy", "largest class", "images"
        ),
        "Labels that look wrong": _frame(suspects, "image", "label", "suggested", "confidence"),
        "Problems": _frame(problems, "image", "problem", "detail"),
    }


def _frame(rows: Sequence[tuple[object, ...]], *columns: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns))
