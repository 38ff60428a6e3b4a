"""If these fail, a photo of a cat is answered like a brain, or a brain is sent away unread."""

import numpy as np
import pytest

from tumorlens.decide.finding import Status
from tumorlens.decide.picture import TOLD, WORDS, judge_picture, oddities, picture_score
from tumorlens.model.decision import PictureGate
from tumorlens.scan import draw_phantom
from tumorlens.scan.facts import FACTS, Fact, facts_of

SIZE = len(FACTS)
UNIT = np.eye(SIZE)[np.triu_indices(SIZE)]


def gate(**changes):
    """Two unit Gaussians, at 0 and at 4 of every fact."""
    values = {
        "facts": tuple(fact.value for fact in FACTS),
        "centre": (0.0,) * SIZE,
        "scale": (1.0,) * SIZE,
        "weights": (0.5, 0.5),
        "means": ((0.0,) * SIZE, (4.0,) * SIZE),
        "whitening": (tuple(UNIT), tuple(UNIT)),
        "offset": np.log(2) + 0.5 * SIZE * np.log(2 * np.pi),
        "low": (-1.0,) * SIZE,
        "high": (5.0,) * SIZE,
        "uncertain": 10.0,
        "rejected": 20.0,
    }
    return PictureGate(**(values | changes))


def test_the_score_is_the_density_of_the_mixture():
    away = np.zeros(SIZE)
    away[0] = 3.0
    assert picture_score(np.zeros(SIZE), gate()) == pytest.approx(0, abs=1e-6)
    assert picture_score(away, gate()) == pytest.approx(4.5, abs=1e-6)
    assert picture_score(away + 4, gate()) == pytest.approx(4.5, abs=1e-6)


@pytest.mark.parametrize(
    ("distance", "status"), [(3.0, None), (5.0, Status.UNCERTAIN), (7.0, Status.REJECTED)]
)
def test_the_farther_from_brain_mri_the_harder_the_verdict(distance, status):
    away = np.zeros(SIZE)
    away[FACTS.index(Fact.CORNERS)] = -distance
    verdict = judge_picture(away, gate())
    assert verdict.status is status
    if status is not None:
        (reason,) = verdict.reasons
        assert "its corners are too dark" in reason.text
        assert reason.measure > reason.limit


def test_the_farthest_facts_are_told_and_no_more():
    facts = np.arange(SIZE) + 6.0
    told = oddities(facts, gate())
    assert len(told) == TOLD
    assert told[0] == WORDS[FACTS[-1]][1]


def test_what_is_odd_only_as_a_whole_is_rejected_with_a_reason():
    verdict = judge_picture(np.full(SIZE, 2.0), gate())
    assert verdict.status is Status.REJECTED
    assert "do not go together" in verdict.reasons[0].text


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.5, "its outline is too even"), (-0.6, "its outline is not that of a head"), (0.9, None)],
)
def test_one_fact_beyond_all_pictures_ever_seen_is_a_doubt(value, words):
    facts = np.zeros(SIZE)
    facts[FACTS.index(Fact.ROUND)] = value
    verdict = judge_picture(facts, gate(least=(-0.5,) * SIZE, most=(1.0,) * SIZE))
    assert judge_picture(facts, gate()).status is None
    if words is None:
        assert verdict.status is None
    else:
        assert verdict.status is Status.UNCERTAIN
        (reason,) = verdict.reasons
        assert reason.code == "extreme"
        assert words in reason.text


def test_every_fact_can_be_told():
    assert set(WORDS) == set(FACTS)


def test_a_file_without_a_gate_lets_everything_pass():
    assert judge_picture(facts_of(draw_phantom(0).pixels), None).status is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"centre": (0.0,)},
        {"weights": (1.0,)},
        {"uncertain": 21.0},
        {"means": ((0.0,),) * 2},
        {"least": (0.0,), "most": (1.0,)},
        {"most": (1.0,) * SIZE},
    ],
)
def test_tables_that_do_not_fit_together_are_refused(wrong):
    with pytest.raises(ValueError, match=r"do not fit|must not be above"):
        gate(**wrong)
