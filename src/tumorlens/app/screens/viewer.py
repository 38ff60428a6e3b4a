"""One case: the answer in words first, then the pictures, then the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from tumorlens.app import cards, charts, pictures
from tumorlens.app.saying import spacing_words
from tumorlens.decide.finding import Status
from tumorlens.decide.words import class_words
from tumorlens.explain.colour import DEFAULT_OPACITY
from tumorlens.report.words import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamlit.delta_generator import DeltaGenerator

    from tumorlens.app.cases import AnsweredSlice, Case
    from tumorlens.app.models import Choice

READ_AS = "The slice as it was read"


def show(cases: dict[str, Case], chosen: list[Choice]) -> None:
    """The case as each of the chosen models answers it."""
    first = cases[chosen[0].label]
    st.html(cards.heading(first.name))
    if len(chosen) == 1:
        _alone(first, chosen[0])
    else:
        _side_by_side(cases, chosen)


def _alone(case: Case, choice: Choice) -> None:
    if len(case.slices) > 1:
        st.html(cards.case_card(case, choice.metadata))
    index = _choose_slice(case, charted=True)
    one = case.slices[index]
    st.html(cards.answer_card(one.finding, choice.metadata))
    opacity, outlines = _controls([one])
    left, right = st.columns(2)
    with left:
        _plain_picture(one)
    with right:
        _evidence_picture(one, opacity, outlines)
    left, right = st.columns(2)
    with left:
        _probabilities(one, choice)
    with right:
        _details(one, choice)
    _download(one, opacity)


def _side_by_side(cases: dict[str, Case], chosen: list[Choice]) -> None:
    """A column a model, in rows, so that answers, pictures and numbers stand level."""
    first = cases[chosen[0].label]
    _tell_agreement([cases[choice.label] for choice in chosen])
    index = _choose_slice(first, charted=False)
    shown = [(choice, cases[choice.label].slices[index]) for choice in chosen]
    for column, (choice, one) in _columns(shown):
        with column:
            st.subheader(choice.label, anchor=False)
            if len(first.slices) > 1:
                st.html(cards.case_card(cases[choice.label], choice.metadata))
            st.html(cards.answer_card(one.finding, choice.metadata))
    opacity, outlines = _controls([one for _, one in shown])
    first_column, *others = st.columns(1 + len(shown))
    with first_column:
        _plain_picture(shown[0][1])
    for column, (choice, one) in zip(others, shown, strict=True):
        with column:
            _evidence_picture(one, opacity, outlines, by=f"{choice.label}: ")
    for column, (choice, one) in _columns(shown):
        with column:
            _probabilities(one, choice)
            _details(one, choice)


def _columns(
    shown: list[tuple[Choice, AnsweredSlice]],
) -> Iterator[tuple[DeltaGenerator, tuple[Choice, AnsweredSlice]]]:
    return zip(st.columns(len(shown)), shown, strict=True)


def _tell_agreement(cases: list[Case]) -> None:
    if len({(case.status, case.label) for case in cases}) > 1:
        text = "The models differ in their answer: let a person read this scan."
        st.html(cards.words_card(text, "tl-uncertain"))
    else:
        text = "The models give the same answer. They may have learnt from the same images, so "
        st.html(cards.words_card(f"{text}that is no second opinion."))


def _choose_slice(case: Case, *, charted: bool) -> int:
    """The index of the slice that the visitor looks at; the telling one at first."""
    count = len(case.slices)
    if count == 1:
        return 0
    scan = case.slices[0].finding.scan
    number = st.slider(
        f"Slice (of {count})",
        1,
        count,
        value=case.telling_slice + 1,
        key=f"slice {scan.sha256} {scan.frame}",
    )
    if charted:
        st.altair_chart(charts.along_slices(case, number - 1))
    return number - 1


def _controls(shown: list[AnsweredSlice]) -> tuple[float, bool]:
    """How strongly the evidence is drawn, and whether what is marked is outlined."""
    if all(one.finding.evidence_map is None for one in shown):
        return 0.0, False
    gives_mask = any(one.finding.mask_map is not None for one in shown)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        percent = st.slider(
            "How strongly the evidence is drawn",
            0,
            100,
            value=round(100 * DEFAULT_OPACITY),
            format="%d %%",
            key="opacity",
        )
    with right:
        outlines = gives_mask and st.toggle("Outline what is marked", value=True, key="outlines")
    return percent / 100, outlines


def _plain_picture(one: AnsweredSlice) -> None:
    st.image(pictures.plain(one), caption=READ_AS, width="stretch", alt=READ_AS)


def _evidence_picture(one: AnsweredSlice, opacity: float, outlines: bool, by: str = "") -> None:
    finding = one.finding
    if finding.evidence_map is None or finding.heatmap_class is None:
        st.markdown("There is no evidence to show: the slice was rejected.")
        return
    shown = class_words(finding.heatmap_class, finding.model.display)
    draw = pictures.outlined if outlines else pictures.coloured
    caption = f"{by}Evidence for {shown}"
    if outlines and finding.measurements is not None and finding.measurements.lesions:
        caption += ", outlined what is marked"
    st.image(draw(one, opacity), caption=caption, width="stretch", alt=caption)
    st.html(cards.legend(opacity))


def _probabilities(one: AnsweredSlice, choice: Choice) -> None:
    st.markdown("**Probabilities**")
    if one.finding.status is Status.REJECTED:
        # Bars would be read as an answer that the gate has just refused to give.
        st.markdown("None: the slice was rejected, so what the network says of it means nothing.")
        return
    st.html(cards.bars(one.finding, choice.metadata))


def _details(one: AnsweredSlice, choice: Choice) -> None:
    finding = one.finding
    scan = finding.scan
    rows = {
        "input": one_line(scan.source),
        "format": scan.format,
        "slice": f"{scan.frame + 1} of {scan.frame_count}",
        "size": spacing_words(finding),
        "SHA-256 of the input": scan.sha256,
        "novelty": "-" if finding.novelty is None else f"{finding.novelty:.3f}",
        "model": choice.label,
        "SHA-256 of the model": finding.model.sha256,
        "time to answer": f"{finding.elapsed_ms:.0f} ms",
    }
    with st.expander("Details"):
        st.html(cards.facts(rows))


def _download(one: AnsweredSlice, opacity: float) -> None:
    stem = "".join(letter if letter.isalnum() else "-" for letter in one.finding.scan.source)
    st.download_button(
        "This answer as a picture",
        lambda: pictures.overlay_png(one, opacity or DEFAULT_OPACITY),
        file_name=f"{stem}-{one.finding.scan.frame + 1}.overlay.png",
        mime="image/png",
        on_click="ignore",
    )
