"""If these fail, a picture that cannot be read gets an answer, or a good one gets none."""

from __future__ import annotations

import pytest

from tumorlens.decide.finding import Status
from tumorlens.decide.gate import QUALITY_RULES, judge_novelty, judge_quality
from tumorlens.model.format import Thresholds
from tumorlens.scan.quality import QualityFlag, QualityKind

REJECTED = {QualityKind.BLANK, QualityKind.FLAT, QualityKind.TINY, QualityKind.COLOUR}


def flag(kind: QualityKind) -> QualityFlag:
    return QualityFlag(kind, measure=12.5, limit=64.0)


def test_a_good_picture_passes():
    assert judge_quality(()).status is None


@pytest.mark.parametrize("kind", QualityKind)
def test_every_fault_has_its_consequence_and_its_reason(kind):
    verdict = judge_quality([flag(kind)])
    assert verdict.status is (Status.REJECTED if kind in REJECTED else Status.UNCERTAIN)
    (reason,) = verdict.reasons
    assert (reason.code, reason.measure, reason.limit) == (kind.value, 12.5, 64.0)
    assert "12.5" in reason.text
    assert "64" in reason.text


def test_the_worst_fault_decides_and_all_are_told():
    verdict = judge_quality([flag(QualityKind.BLURRED), flag(QualityKind.BLANK)])
    assert verdict.status is Status.REJECTED
    assert [reason.code for reason in verdict.reasons] == ["blurred", "blank"]


def test_no_fault_is_without_a_rule():
    assert set(QUALITY_RULES) == set(QualityKind)


@pytest.mark.parametrize(
    ("novelty", "status"),
    [
        (0.9, None),
        (1.0, None),
        (1.1, Status.UNCERTAIN),
        (2.0, Status.UNCERTAIN),
        (2.1, Status.REJECTED),
    ],
)
def test_what_is_far_from_the_training_data_is_doubted_then_rejected(novelty, status):
    thresholds = Thresholds(novelty_uncertain=1.0, novelty_rejected=2.0)
    assert judge_novelty(novelty, thresholds).status is status


def test_without_thresholds_nothing_is_too_far():
    assert judge_novelty(1e9, Thresholds()).status is None
