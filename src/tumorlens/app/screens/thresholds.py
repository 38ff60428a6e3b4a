"""The threshold explorer: move the tumor threshold, see what is found, missed, and left over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from tumorlens.app import cards, charts, models, operating
from tumorlens.app.published import published
from tumorlens.errors import DatasetError
from tumorlens.evaluate.curves import ANY_TUMOR
from tumorlens.evaluate.evaluation import Evaluation

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from tumorlens.app.operating import Operating, Scored, Share
    from tumorlens.evaluate.evaluation import Part

ALL = "all images"
_HUNDRED = 100
# Where a new visitor starts on a published curve: most tumors are found.
WANTED = 95
LARGEST_MIB = 64


def show() -> None:
    """The page."""
    st.title("Thresholds")
    st.markdown(
        "Where should a tumor probability be called a tumor? A lower threshold misses fewer tumors "
        "and raises more false alarms. Give the `predictions.csv` of `tumorlens evaluate` to move "
        "the threshold itself, or its `evaluation.json` to read the trade off its ROC curve. "
        "Nothing here changes a model file."
    )
    file = st.file_uploader(
        "predictions.csv or evaluation.json",
        type=["csv", "json"],
        max_upload_size=LARGEST_MIB,
        key="evaluation file",
    )
    if file is not None:
        _explore_file(file)
    elif (known := published()) is not None:
        st.markdown(f"Until then, the published evaluation of `{known.model}`:")
        _explore_curves(known)


def read_evaluation(name: str, data: bytes) -> Evaluation:
    """Read an ``evaluation.json``.

    Raises:
        DatasetError: It is not one.
    """
    try:
        return Evaluation.model_validate_json(data)
    except ValidationError as error:
        count = error.error_count()
        msg = f"{name}: not an evaluation ({count} faults); `tumorlens evaluate` writes one"
        raise DatasetError(msg) from error


def _explore_file(file: UploadedFile) -> None:
    data = file.getvalue()
    if data.lstrip()[:1] == b"{":
        _explore_curves(read_evaluation(file.name, data))
    else:
        _explore_answers(operating.read_answers(file.name, data))


def _explore_answers(scored: Scored) -> None:
    if scored.left_out:
        text = f"{scored.left_out} images are left out: their label does not say whether there is a"
        st.html(cards.words_card(f"{text} tumor."))
    part = _choose_part(scored)
    if not part.has_both:
        text = "These images all have a tumor, or all have none: only one of the two can be read."
        st.html(cards.words_card(text, "tl-uncertain"))
    tumor, no_tumor = _choose_thresholds()
    result = operating.operating(part, tumor, no_tumor)
    _figures(result)
    left, right = st.columns([3, 2])
    with left:
        curves = operating.over_thresholds(part)
        st.altair_chart(charts.threshold_curves(*curves, at=sorted({tumor, no_tumor})))
    with right:
        _counts(result)


def _choose_part(scored: Scored) -> Scored:
    """All images, or those of one set."""
    sources = sorted(set(scored.sources))
    if len(sources) == 1:
        return scored
    chosen = st.selectbox("Images", [ALL, *(one or "without a set" for one in sources)])
    if chosen == ALL:
        text = (
            "Over several sets, a model can tell a tumor from none by telling the sets apart. "
            "Choose one set that has both to see what it knows of tumors."
        )
        st.html(cards.words_card(text, "tl-uncertain"))
        return scored
    return scored.of("" if chosen == "without a set" else chosen)


def _choose_thresholds() -> tuple[float, float]:
    """The tumor threshold, and the one up to which an image is called no tumor."""
    choices = {f"those of {one.label}": one.metadata for one in models.choices()}
    start = st.selectbox("Start from", [*choices, "one half"])
    first_tumor, first_none = operating.starting_thresholds(choices.get(start))
    left, right = st.columns(2)
    with left:
        tumor = st.slider(
            "Called a tumor from",
            0.0,
            1.0,
            value=round(first_tumor, 2),
            step=0.01,
            key=f"tumor {start}",
        )
    with right:
        band = st.slider(
            "Left to a person below it, by",
            0.0,
            1.0,
            value=round(first_tumor - first_none, 2),
            step=0.01,
            key=f"band {start}",
            help="From this far below the threshold up to it, an image is called neither.",
        )
    return tumor, max(0.0, tumor - band)


def _figures(result: Operating) -> None:
    shown = (
        ("Sensitivity", result.sensitivity, "tumors called a tumor"),
        ("Specificity", result.specificity, "images without a tumor called no tumor"),
        ("Called a tumor", result.called, "of all images"),
        ("Left to a person", result.left, "of all images"),
    )
    for column, (name, share, of) in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            st.metric(name, _percent(share.value))
            st.caption(f"{share.part} of {share.whole} {of}{_interval(share)}")


def _counts(result: Operating) -> None:
    table = pd.DataFrame(
        result.counts,
        index=["with a tumor", "without"],
        columns=["called tumor", "left to a person", "called no tumor"],
    )
    st.markdown("**Images**")
    st.table(table)


def _explore_curves(result: Evaluation) -> None:
    parts = {part.on: part for part in result.parts if _tumor_curve(part) is not None}
    if not parts:
        msg = (
            "this evaluation holds no ROC curve of tumor against none; give the one that "
            "`tumorlens evaluate` wrote whole, or its predictions.csv"
        )
        raise DatasetError(msg)
    part = parts[st.selectbox("Images", list(parts))]
    name = _tumor_curve(part)
    if name is None or part.curves is None:
        return
    wanted = st.slider("Sensitivity of at least", 1, _HUNDRED, WANTED, format="%d %%")
    specificity = operating.best_specificity(part, name, wanted / _HUNDRED)
    left, right = st.columns([3, 2])
    with left:
        (roc,) = (one.roc for one in part.curves.classes if one.name == name)
        st.altair_chart(charts.roc(roc, 1 - specificity, wanted / _HUNDRED))
    with right:
        st.metric("Specificity, at best", _percent(specificity))
        _in_images(part, wanted / _HUNDRED, specificity)
    for sentence in result.warnings:
        st.html(cards.words_card(sentence, "tl-uncertain"))


def _in_images(part: Part, sensitivity: float, specificity: float) -> None:
    """The same in images, where the file counts them."""
    if part.tumor_confusion is None:
        return
    tumors, others = operating.truths(part.tumor_confusion)
    st.markdown(
        f"Of {tumors} images with a tumor, about {sensitivity * tumors:.0f} are found and "
        f"{(1 - sensitivity) * tumors:.0f} missed. Of {others} without, about "
        f"{(1 - specificity) * others:.0f} are called a tumor."
    )


def _tumor_curve(part: Part) -> str | None:
    """The name of the curve of tumor against none; with one kind of tumor it is that kind's."""
    names = [one.name for one in (part.curves.classes if part.curves else ())]
    if ANY_TUMOR in names:
        return ANY_TUMOR
    tumors = [name for name in names if name != "no_tumor"]
    return tumors[0] if len(tumors) == 1 else None


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{_HUNDRED * value:.1f} %"


def _interval(share: Share) -> str:
    if share.interval is None or math.isnan(share.interval[0]):
        return ""
    low, high = share.interval
    return f"; 95 % interval {_percent(low)} to {_percent(high)}"
