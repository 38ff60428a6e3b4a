"""The model card and the evidence: what a model is, was made of, and was measured to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from tumorlens.app import cards, charts, models
from tumorlens.app.published import evaluation_of
from tumorlens.app.saying import NEVER_SEEN
from tumorlens.app.screens.thresholds import read_evaluation
from tumorlens.decide.words import class_words
from tumorlens.errors import ModelNotFound
from tumorlens.evaluate.tables import control_table, interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.app.models import Choice
    from tumorlens.evaluate.evaluation import Evaluation, Part
    from tumorlens.model.format import Metric, ModelMetadata

MEGABYTE = 1e6


def show() -> None:
    """The page."""
    st.title("Model and evidence")
    known = {choice.label: choice for choice in models.choices()}
    if not known:
        msg = "no model is installed; name a folder of model files in TUMORLENS_MODELS"
        raise ModelNotFound(msg)
    choice = known[st.selectbox("Model", list(known))]
    _measured(choice.metadata.metrics)
    evaluation = evaluation_of(choice.sha256)
    if evaluation is not None:
        _evaluation(evaluation)
    _made_of(choice.metadata)
    _card(choice)
    _own_evaluation()


def _measured(metrics: Sequence[Metric]) -> None:
    st.header("What it was measured to do", anchor=False)
    if not metrics:
        text = "This model file says nothing of how good it is. Measure it before you believe it."
        st.html(cards.words_card(text, "tl-uncertain"))
        return
    unseen = [metric for metric in metrics if NEVER_SEEN in metric.on]
    held_out = [metric for metric in metrics if NEVER_SEEN not in metric.on]
    if unseen:
        st.subheader("On sets that it has never seen", anchor=False)
        st.markdown("The figures to believe for a scan from elsewhere.")
        _table(unseen)
    else:
        text = "It was not measured on a set that it has never seen: expect less on your scans."
        st.html(cards.words_card(text, "tl-uncertain"))
    if held_out:
        st.subheader("On held-out images of the sets that it learnt from", anchor=False)
        _table(held_out)


def _table(metrics: Sequence[Metric]) -> None:
    rows = [(m.name, m.on, f"{m.value:.3f}", interval(m.low, m.high), m.count) for m in metrics]
    columns = ["figure", "on", "value", "95 % interval", "images"]
    st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True)


def _evaluation(result: Evaluation) -> None:
    if result.controls:
        st.subheader("Beside controls that know nothing of tumors", anchor=False)
        st.markdown(
            "Of the model's figure, as much as a control reaches can be had without reading a "
            "picture: by copying, from the outer frame, or from the file's properties."
        )
        head, rows = control_table(result)
        st.dataframe(pd.DataFrame(rows, columns=list(head)), hide_index=True)
    for sentence in (*result.warnings, *result.notes):
        st.html(cards.words_card(sentence, "tl-uncertain"))
    _confusion(result)
    curves = [part for part in result.parts if part.curves is not None]
    if curves:
        with st.expander("ROC curves of each class"):
            _curves(curves)


def _confusion(result: Evaluation) -> None:
    confusion = result.confusion
    with st.expander(f"Confusion on {confusion.on}".replace("`", "'")):
        st.markdown("Rows are the true class, columns the chosen one; counts of images.")
        st.table(pd.DataFrame(confusion.counts, confusion.classes, confusion.classes))


def _curves(parts: Sequence[Part]) -> None:
    for part in parts:
        st.markdown(f"**{part.on}**, {part.images} images")
        classes = part.curves.classes if part.curves else ()
        for column, one in zip(st.columns(max(1, len(classes))), classes, strict=False):
            with column:
                st.caption(one.name)
                st.altair_chart(charts.bare_roc(one.roc))


def _made_of(metadata: ModelMetadata) -> None:
    st.header("What it learnt from", anchor=False)
    if not metadata.data:
        st.markdown("The file does not say.")
        return
    rows = [(one.name, one.images, one.licence, one.citation) for one in metadata.data]
    st.table(pd.DataFrame(rows, columns=["set", "images", "licence", "to be cited"]))


def _card(choice: Choice) -> None:
    st.header("The model card", anchor=False)
    metadata = choice.metadata
    classes = [
        class_words(name, metadata.display) + (" (a tumor)" if name in metadata.positive else "")
        for name in metadata.classes
    ]
    rows = {
        "name": metadata.name,
        "version": metadata.version,
        "file": f"{choice.size / MEGABYTE:.1f} MB, SHA-256 {choice.sha256}",
        "answers": ", ".join(classes),
        "looks at": f"{metadata.input.width} x {metadata.input.height} pixels",
        **_decisions(metadata),
        "licence": metadata.licence,
        "attribution": metadata.attribution or "-",
        "created": metadata.created,
        "created with": ", ".join(f"{k} {v}" for k, v in metadata.created_with.items()) or "-",
    }
    st.html(cards.facts(rows))


def _decisions(metadata: ModelMetadata) -> dict[str, str]:
    """What decides an answer, in words."""
    limits = metadata.thresholds
    novelty = limits.novelty_uncertain
    rows = {
        "tumor from": f"a tumor probability of {limits.tumor:.3f}",
        "no tumor up to": f"a tumor probability of {limits.no_tumor:.3f}; between, uncertain",
        "unlike its training data": "not judged" if novelty is None else f"from {novelty:.3f} on",
    }
    if limits.coverage is not None:
        rows["prediction sets"] = f"hold the true class in {limits.coverage:.0%} of cases"
    return rows


def _own_evaluation() -> None:
    st.header("Another evaluation", anchor=False)
    file = st.file_uploader(
        "An evaluation.json of tumorlens evaluate", type=["json"], key="own evaluation"
    )
    if file is not None:
        result = read_evaluation(file.name, file.getvalue())
        st.html(cards.heading(result.model))
        _measured(result.metrics)
        _evaluation(result)
