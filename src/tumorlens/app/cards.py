"""Answers as small pieces of HTML: words first, then bars. All that a visitor named is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tumorlens.app import saying
from tumorlens.app.pictures import legend_colours
from tumorlens.decide.finding import Status
from tumorlens.decide.words import (
    class_words,
    headline,
    percent,
    probability_line,
    reason_lines,
    size_lines,
)
from tumorlens.report.words import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tumorlens.app.cases import Case
    from tumorlens.decide.finding import Finding
    from tumorlens.errors import ScanError
    from tumorlens.model.format import ModelMetadata

_STATUS_CLASS = {
    Status.TUMOR: "tl-tumor",
    Status.UNCERTAIN: "tl-uncertain",
    Status.NO_TUMOR: "tl-no-tumor",
    Status.REJECTED: "tl-rejected",
}

# The words carry the answer, the colour only helps the eye; there is no green, since nothing here
# says that a person is well. Each colour is told from both a white and a dark page.
STYLE = """<style>
.tl-card { border-left: 0.45rem solid var(--tl); border-radius: 0.5rem; padding: 0.8rem 1.1rem;
  background: color-mix(in srgb, var(--tl) 13%, transparent); overflow-wrap: anywhere; }
.tl-card p { margin: 0.2rem 0; }
.tl-card p.tl-head { font-size: 1.4rem; font-weight: 650; line-height: 1.25; margin: 0 0 0.35rem; }
.tl-card p.tl-figure { font-size: 1.1rem; font-weight: 600; }
.tl-card p.tl-small { font-size: 0.9rem; }
.tl-card ul { margin: 0.2rem 0 0.2rem 1.2rem; padding: 0; }
.tl-tumor { --tl: #d9541e; }
.tl-uncertain { --tl: #b58900; }
.tl-no-tumor { --tl: #3f7fc4; }
.tl-rejected, .tl-plain { --tl: #84878f; }
.tl-error { --tl: #c2334d; }
.tl-bars { display: grid; grid-template-columns: max-content 1fr max-content;
  gap: 0.45rem 0.7rem; align-items: center; }
.tl-track { height: 0.75rem; border-radius: 0.4rem; background: rgba(128, 132, 140, 0.28); }
.tl-fill { height: 100%; border-radius: 0.4rem; background: var(--tl); min-width: 2px; }
.tl-value { font-variant-numeric: tabular-nums; text-align: right; }
.tl-name { font-size: 1.5rem; overflow-wrap: anywhere; padding: 0.4rem 0 0; margin: 0; }
.tl-facts { width: 100%; border-collapse: collapse; font-size: 0.92rem; }
.tl-facts th { text-align: left; font-weight: 600; white-space: nowrap; vertical-align: top; }
.tl-facts th, .tl-facts td { padding: 0.25rem 0.8rem 0.25rem 0; overflow-wrap: anywhere;
  border-bottom: 1px solid rgba(128, 132, 140, 0.25); }
.tl-legend { height: 0.8rem; border-radius: 0.4rem; }
.tl-ends { display: flex; justify-content: space-between; font-size: 0.85rem; }
.tl-notice { font-size: 0.9rem; font-weight: 600; text-align: center; padding: 0.1rem 0; }
[data-testid="stMainBlockContainer"] { max-width: 76rem; padding-top: 4rem; padding-bottom: 2rem; }
[data-testid="stBottomBlockContainer"] { padding-top: 0.4rem; padding-bottom: 0.6rem; }
</style>"""


def answer_card(finding: Finding, metadata: ModelMetadata) -> str:
    """The answer for one slice in words, and why."""
    parts = [_paragraph(headline(finding), "tl-head")]
    if line := probability_line(finding):
        parts.append(_paragraph(line, "tl-figure"))
        parts.append(_paragraph(saying.meaning(finding.tumor_probability or 0.0), "tl-small"))
    parts += map(_paragraph, filter(None, (saying.kind_words(finding, metadata),)))
    parts += map(_paragraph, filter(None, (saying.set_words(finding, metadata),)))
    parts += map(_paragraph, reason_lines(finding))
    if finding.measurements is not None:
        parts += map(_paragraph, size_lines(finding.measurements))
    parts.append(_paragraph(saying.CONSULT, "tl-small"))
    return _card(_STATUS_CLASS[finding.status], parts)


def case_card(case: Case, metadata: ModelMetadata) -> str:
    """The answer for a series or volume in words, and how it comes about."""
    parts = [_paragraph(saying.case_headline(case, metadata), "tl-head")]
    if case.tumor_probability is not None:
        figure = f"Tumor probability of the whole {percent(case.tumor_probability)}"
        parts.append(_paragraph(figure, "tl-figure"))
    counts = case.counts
    others = {
        Status.TUMOR: "answered tumor",
        Status.UNCERTAIN: "uncertain",
        Status.NO_TUMOR: "without a finding",
        Status.REJECTED: "rejected",
    }
    found = ", ".join(f"{counts[one]} {words}" for one, words in others.items() if counts[one])
    parts.append(_paragraph(f"Slices: {found}."))
    parts.append(_paragraph(saying.pooled_words(case), "tl-small"))
    return _card(_STATUS_CLASS[case.status], parts)


def error_card(errors: Iterable[ScanError]) -> str:
    """Files that could not be answered, a line each: which, why, and what to do."""
    lines = [f"<li>{escape(one_line(str(error)))}.</li>" for error in errors]
    count = "One input" if len(lines) == 1 else f"{len(lines)} inputs"
    parts = [
        _paragraph(f"{count} could not be answered", "tl-figure"),
        f"<ul>{''.join(lines)}</ul>",
    ]
    return _card("tl-error", parts, role="alert")


def words_card(text: str, colour: str = "tl-plain") -> str:
    """A sentence that a reader must not miss."""
    return _card(colour, [_paragraph(text)])


def bars(finding: Finding, metadata: ModelMetadata) -> str:
    """The probability of each class as a bar; those of tumors in the colour of tumors."""
    rows = []
    for name, value in finding.probabilities.items():
        colour = "tl-tumor" if name in metadata.positive else "tl-no-tumor"
        fill = f'<div class="tl-fill {colour}" style="width: {100 * value:.2f}%"></div>'
        rows.append(
            f"<div>{escape(class_words(name, metadata.display))}</div>"
            f'<div class="tl-track" aria-hidden="true">{fill}</div>'
            f'<div class="tl-value">{escape(percent(value))}</div>'
        )
    return f'<div class="tl-bars">{"".join(rows)}</div>'


def facts(rows: Mapping[str, str]) -> str:
    """Names and values, a line each."""
    lines = (
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in rows.items()
    )
    return f'<table class="tl-facts">{"".join(lines)}</table>'


def heading(text: str) -> str:
    """The name of a case: a visitor chose it, so it is not Markdown."""
    return f'<h2 class="tl-name">{escape(one_line(text))}</h2>'


def legend(opacity: float) -> str:
    """What the colours of the evidence mean."""
    gradient = ", ".join(legend_colours(opacity))
    return (
        f'<div class="tl-legend" style="background: linear-gradient(to right, {gradient})"></div>'
        '<div class="tl-ends"><span>no evidence</span><span>some</span>'
        "<span>strong evidence</span></div>"
    )


def notice(text: str) -> str:
    """The research-use notice."""
    return f'<div class="tl-notice" role="note">{escape(text)}</div>'


def _card(kind: str, parts: Iterable[str], role: str = "group") -> str:
    return f'<div class="tl-card {kind}" role="{role}">{"".join(parts)}</div>'


def _paragraph(text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f"<p{named}>{escape(text)}</p>"
