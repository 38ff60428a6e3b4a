"""Several cases at once: a table with an answer a model, choosing one to look at, downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from tumorlens.app.saying import pooled_words
from tumorlens.decide.words import class_words, percent
from tumorlens.report.csv_rows import csv_header, csv_row
from tumorlens.report.json_lines import json_line
from tumorlens.report.words import NOT_ANSWERED, STATUS_WORDS, one_line

if TYPE_CHECKING:
    from tumorlens.app.cases import Batch, Case
    from tumorlens.app.models import Choice
    from tumorlens.model.format import ModelMetadata

NOTHING = "-"
# A table that is longer than this scrolls within itself, in pixels.
TALLEST = 420
ROW_HEIGHT = 35
BORDER = 3


def show(results: dict[str, Batch], chosen: list[Choice]) -> None:
    """The table, and how many cases got which answer."""
    st.subheader("All answers")
    for choice in chosen:
        summary = _summary(results[choice.label])
        st.markdown(f"`{choice.label}`: {summary}" if len(chosen) > 1 else summary)
    table = _table(results, chosen)
    height = min(TALLEST, ROW_HEIGHT * (len(table) + 1) + BORDER)
    st.dataframe(table, hide_index=True, height=height, column_config={
        "file": st.column_config.TextColumn(pinned=True, width="medium"),
        "why": st.column_config.TextColumn(width="large"),
    })  # fmt: skip


def choose(results: dict[str, Batch]) -> int:
    """The index of the case that the visitor wants to look at."""
    first = next(iter(results.values()))
    labels = [
        f"{number}. {one_line(case.name)}: {STATUS_WORDS[case.status]}"
        for number, case in enumerate(first.cases, start=1)
    ]
    chosen = st.selectbox("Which one to look at", labels)
    return labels.index(chosen)


def downloads(results: dict[str, Batch], chosen: list[Choice]) -> None:
    """Every answer as CSV and as JSON lines, as the command line writes them."""
    for choice in chosen:
        batch, classes = results[choice.label], choice.metadata.classes
        named = f" ({choice.label})" if len(chosen) > 1 else ""
        with st.container(horizontal=True):
            st.download_button(
                f"Answers as CSV{named}",
                csv_header(classes) + "".join(csv_row(one, classes) for one in batch.lines()),
                file_name=f"findings-{choice.metadata.name}.csv",
                mime="text/csv",
                on_click="ignore",
                key=f"csv {choice.label}",
            )
            st.download_button(
                f"Answers as JSON lines{named}",
                "".join(f"{json_line(one)}\n" for one in batch.lines()),
                file_name=f"findings-{choice.metadata.name}.jsonl",
                mime="application/jsonl",
                on_click="ignore",
                key=f"json {choice.label}",
            )


def _summary(batch: Batch) -> str:
    counts = dict.fromkeys(STATUS_WORDS, 0)
    for case in batch.cases:
        counts[case.status] += 1
    parts = [f"{count} {STATUS_WORDS[one]}" for one, count in counts.items() if count]
    if batch.errors:
        parts.append(f"{len(batch.errors)} {NOT_ANSWERED}")
    several = (pooled_words(case) for case in batch.cases if len(case.slices) > 1)
    return f"{', '.join(parts)}. {next(several, '')}"


def _table(results: dict[str, Batch], chosen: list[Choice]) -> pd.DataFrame:
    first = next(iter(results.values()))
    columns: dict[str, list[str]] = {
        "file": [f"{i}. {one_line(case.name)}" for i, case in enumerate(first.cases, start=1)]
    }
    several = len(chosen) > 1
    if several:  # before the answers, which may be wider than the screen
        columns["agreement"] = [
            _agreement([results[choice.label].cases[i] for choice in chosen])
            for i in range(len(first.cases))
        ]
    for choice in chosen:
        cases = results[choice.label].cases
        prefix = f"{choice.label}: " if several else ""
        columns[f"{prefix}answer"] = [STATUS_WORDS[case.status] for case in cases]
        columns[f"{prefix}tumor"] = [_probability(case) for case in cases]
        columns[f"{prefix}kind"] = [_kind(case, choice.metadata) for case in cases]
    if not several:
        columns["why"] = [_why(case) for case in first.cases]
    return pd.DataFrame(columns)


def _probability(case: Case) -> str:
    return NOTHING if case.tumor_probability is None else percent(case.tumor_probability)


def _kind(case: Case, metadata: ModelMetadata) -> str:
    return NOTHING if case.label is None else class_words(case.label, metadata.display)


def _why(case: Case) -> str:
    texts = dict.fromkeys(reason.text for one in case.findings for reason in one.reasons)
    return "; ".join(texts) or NOTHING


def _agreement(cases: list[Case]) -> str:
    answers = {(case.status, case.label) for case in cases}
    return "the same" if len(answers) == 1 else "they differ"
