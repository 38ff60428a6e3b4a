"""If these fail, a reader is told more than the numbers say."""

from __future__ import annotations

import pytest

from tumorlens.decide.finding import OPEN_KIND, Finding, ModelInfo, Reason, ScanInfo, Status
from tumorlens.decide.words import headline, percent, probability_line, reason_lines


def finding(status: Status, label: str | None = None, **changes) -> Finding:
    model = ModelInfo(
        name="tiny", version="1", sha256="a", display={"pituitary": "pituitary tumor"}
    )
    scan = ScanInfo(source="a.png", sha256="b", format="png", width=1, height=1)
    return Finding(status=status, label=label, model=model, scan=scan, elapsed_ms=1.0, **changes)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "< 0.1 %"),
        (0.0004, "< 0.1 %"),
        (0.5, "50.0 %"),
        (0.9989, "99.9 %"),
        (0.9996, "> 99.9 %"),
        (1.0, "> 99.9 %"),
    ],
)
def test_no_probability_reads_as_certainty(value, words):
    assert percent(value) == words


@pytest.mark.parametrize(
    ("status", "label", "words"),
    [
        (Status.TUMOR, "pituitary", "Tumor found: pituitary tumor"),
        (Status.TUMOR, "low_grade_glioma", "Tumor found: low grade glioma"),
        (Status.TUMOR, "tumor", "Tumor found"),
        (Status.NO_TUMOR, None, "No tumor found in this image"),
        (Status.UNCERTAIN, None, "Uncertain: to be read by a person"),
        (Status.REJECTED, None, "Rejected: not a readable brain MRI"),
    ],
)
def test_the_answer_in_one_line(status, label, words):
    assert headline(finding(status, label)) == words
    assert "normal" not in words.lower()


def test_no_probability_is_said_where_there_is_none():
    assert probability_line(finding(Status.REJECTED)) == ""
    assert probability_line(finding(Status.REJECTED, tumor_probability=0.9)) == ""
    assert "12.0 %" in probability_line(finding(Status.NO_TUMOR, tumor_probability=0.12))


def test_a_kind_that_is_open_is_said_with_its_reason():
    why = (Reason(code=OPEN_KIND, text="the kind is not sure"),)
    found = finding(Status.TUMOR, reasons=why)
    assert headline(found) == "Tumor found, its kind uncertain"
    assert reason_lines(found) == ["The kind is not sure."]
    doubted = finding(Status.UNCERTAIN, reasons=why)
    assert headline(doubted) == "Uncertain: to be read by a person"
    assert reason_lines(doubted) == ["Because the kind is not sure."]
