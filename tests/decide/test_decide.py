"""If these fail, a reader gets the wrong one of the four answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorlens.decide.decide import decide
from tumorlens.decide.finding import NOTICE, Status
from tumorlens.model.decision import Decision, PictureGate, Selection
from tumorlens.model.format import Thresholds
from tumorlens.model.run import Model, RawOutputs
from tumorlens.scan.facts import FACTS, facts_of
from tumorlens.scan.quality import QualityFlag, QualityKind
from tumorlens.scan.scan import FileFormat, Scan

BLANK = QualityFlag(QualityKind.BLANK, 0.0, 0.02)
BLURRED = QualityFlag(QualityKind.BLURRED, 1.0, 2.0)


@pytest.fixture(scope="session")
def model_with(tiny_model):
    """A model that is never run, with thresholds of the test's own."""

    def make(decision=None, **changes):
        metadata = tiny_model().metadata
        thresholds = Thresholds(**changes)
        metadata = metadata.model_copy(
            update={"thresholds": thresholds, "decision": decision or Decision()}
        )
        return Model(metadata, "a" * 64, Path("tiny.onnx"), 1, session=None)

    return make


def scan(**changes) -> Scan:
    fields = {
        "pixels": np.zeros((80, 90), np.float32),
        "source": "study.zip::a.dcm",
        "sha256": "b" * 64,
        "format": FileFormat.DICOM,
        "spacing": (0.5, 0.6),
        "frame": 2,
        "frame_count": 9,
        "position": -12.5,
        "series": "1.2",
    }
    return Scan(**(fields | changes))


def outputs(*probabilities: float, novelty: float = 0.0) -> RawOutputs:
    return RawOutputs(
        np.array([probabilities], np.float32),
        np.zeros((1, 4, 2, 2), np.float32),
        np.array([novelty], np.float32),
    )


def codes(finding) -> list[str]:
    return [reason.code for reason in finding.reasons]


def test_a_tumor_has_its_most_probable_kind(model_with):
    finding = decide(scan(), (), outputs(0.1, 0.3, 0.4, 0.2), model_with())
    assert finding.status is Status.TUMOR
    assert finding.label == "meningioma"
    assert finding.tumor_probability == pytest.approx(0.9)
    assert finding.probabilities == pytest.approx(
        {"no_tumor": 0.1, "glioma": 0.3, "meningioma": 0.4, "pituitary": 0.2}
    )
    assert finding.reasons == ()
    assert finding.notice == NOTICE


def test_no_tumor_has_no_label(model_with):
    finding = decide(scan(), (), outputs(0.7, 0.1, 0.1, 0.1), model_with())
    assert (finding.status, finding.label) == (Status.NO_TUMOR, None)


def test_a_tumor_is_found_also_where_no_tumor_is_the_most_probable_single_class(model_with):
    finding = decide(scan(), (), outputs(0.4, 0.2, 0.2, 0.2), model_with())
    assert finding.status is Status.TUMOR


@pytest.mark.parametrize(
    ("no_tumor", "status"),
    [
        (0.1, Status.TUMOR),
        (0.25, Status.TUMOR),
        (0.3, Status.UNCERTAIN),
        (0.7, Status.UNCERTAIN),
        (0.75, Status.NO_TUMOR),
        (0.9, Status.NO_TUMOR),
    ],
)
def test_between_the_thresholds_a_person_reads(model_with, no_tumor, status):
    model = model_with(tumor=0.75, no_tumor=0.25)
    finding = decide(scan(), (), outputs(no_tumor, 1 - no_tumor, 0, 0), model)
    assert finding.status is status
    if status is Status.UNCERTAIN:
        assert codes(finding) == ["between_thresholds"]
        assert finding.label is None
        assert finding.probabilities


def test_even_odds_are_called_a_tumor(model_with):
    finding = decide(scan(), (), outputs(0.5, 0.5, 0, 0), model_with())
    assert finding.status is Status.TUMOR


def test_a_slice_that_the_gate_rejects_has_no_numbers(model_with):
    finding = decide(scan(), (BLANK,), None, model_with())
    assert finding.status is Status.REJECTED
    assert codes(finding) == ["blank"]
    assert finding.tumor_probability is None
    assert finding.probabilities == {}
    assert finding.novelty is None


def test_only_a_rejected_slice_may_go_without_outputs(model_with):
    with pytest.raises(ValueError, match="needs the network's outputs"):
        decide(scan(), (BLURRED,), None, model_with())


def test_a_poor_picture_keeps_its_numbers_and_is_left_to_a_person(model_with):
    finding = decide(scan(), (BLURRED,), outputs(0.0, 1.0, 0, 0), model_with())
    assert finding.status is Status.UNCERTAIN
    assert codes(finding) == ["blurred"]
    assert finding.tumor_probability == 1.0


@pytest.mark.parametrize(("novelty", "status"), [(1.5, Status.UNCERTAIN), (2.5, Status.REJECTED)])
def test_a_strange_picture_is_doubted_or_rejected(model_with, novelty, status):
    model = model_with(novelty_uncertain=1.0, novelty_rejected=2.0)
    finding = decide(scan(), (), outputs(0, 1, 0, 0, novelty=novelty), model)
    assert finding.status is status
    assert codes(finding) == ["novelty"]
    assert finding.novelty == novelty


EVEN = dict.fromkeys(("no_tumor", "glioma", "meningioma", "pituitary"), 0.5)


@pytest.mark.parametrize(
    ("limits", "probabilities", "status", "code", "kept"),
    [
        (EVEN, (0.1, 0.8, 0.1, 0), Status.TUMOR, [], ("glioma",)),
        (EVEN, (0.8, 0.1, 0.1, 0), Status.NO_TUMOR, [], ("no_tumor",)),
        (EVEN, (0.1, 0.45, 0.45, 0), Status.UNCERTAIN, ["no_class"], ()),
        (
            EVEN | {"meningioma": 0.9},
            (0.1, 0.7, 0.2, 0),
            Status.TUMOR,
            ["open_kind"],
            ("glioma", "meningioma"),
        ),
        (
            EVEN | {"no_tumor": 0.9, "meningioma": 0.9},
            (0.1, 0.7, 0.2, 0),
            Status.UNCERTAIN,
            ["several_classes"],
            ("no_tumor", "glioma", "meningioma"),
        ),
        (
            EVEN | {"glioma": 0.1, "meningioma": 0.7},
            (0.1, 0.55, 0.35, 0),
            Status.TUMOR,
            ["open_kind"],
            ("meningioma",),
        ),
        (
            EVEN | {"no_tumor": 0.7, "glioma": 0.1},
            (0.35, 0.65, 0, 0),
            Status.UNCERTAIN,
            ["contradiction"],
            ("no_tumor",),
        ),
    ],
)
def test_a_prediction_set_must_be_the_answer(model_with, limits, probabilities, status, code, kept):
    model = model_with(conformal=limits, coverage=0.9)
    finding = decide(scan(), (), outputs(*probabilities), model)
    assert (finding.status, codes(finding), finding.prediction_set) == (status, code, kept)


@given(
    st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4).filter(lambda v: sum(v) > 0.01),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 3, width=32),
    st.sampled_from([(), (BLURRED,)]),
)
def test_every_answer_is_one_that_the_thresholds_allow(
    model_with, weights, one, other, novelty, flags
):
    low, high = sorted((one, other))
    model = model_with(no_tumor=low, tumor=high, novelty_uncertain=1.0, novelty_rejected=2.0)
    values = np.array(weights) / sum(weights)
    finding = decide(scan(), flags, outputs(*values, novelty=novelty), model)
    sure = novelty <= 1 and not flags
    probability = float(np.float32(values)[1:].sum(dtype=np.float64))
    match finding.status:
        case Status.TUMOR:
            assert sure
            assert probability >= high - 1e-6
            assert finding.label in model.metadata.positive
        case Status.NO_TUMOR:
            assert sure
            assert probability <= low + 1e-6
        case Status.UNCERTAIN:
            assert finding.reasons
        case Status.REJECTED:
            assert novelty > 2
    assert (finding.label is not None) == (finding.status is Status.TUMOR)


def test_an_answer_says_of_which_slice_and_by_which_model(model_with):
    finding = decide(scan(), (), outputs(1, 0, 0, 0), model_with())
    assert finding.scan.model_dump() == {
        "source": "study.zip::a.dcm",
        "sha256": "b" * 64,
        "format": "dicom",
        "width": 90,
        "height": 80,
        "spacing_mm": (0.5, 0.6),
        "frame": 2,
        "frame_count": 9,
        "position_mm": -12.5,
        "series": "1.2",
    }
    assert finding.model.model_dump() == {"name": "tiny", "version": "1.2", "sha256": "a" * 64}


def test_a_picture_that_looks_like_a_brain_is_not_rejected_for_being_far_away(model_with):
    """Another sequence or scanner is for a person to read, not to be sent away."""
    facts = facts_of(scan().pixels)
    size = len(facts)
    gate = PictureGate(
        facts=tuple(fact.value for fact in FACTS),
        centre=tuple(facts),
        scale=(1.0,) * size,
        weights=(1.0,),
        means=((0.0,) * size,),
        whitening=(tuple(np.eye(size)[np.triu_indices(size)]),),
        offset=0.5 * size * float(np.log(2 * np.pi)),
        low=tuple(facts - 1),
        high=tuple(facts + 1),
        uncertain=1.0,
        rejected=2.0,
    )
    far = {"novelty_uncertain": 1.0, "novelty_rejected": 2.0}
    known = model_with(**far, decision=Decision(picture=gate))
    finding = decide(scan(), (), outputs(0.0, 1.0, 0, 0, novelty=5.0), known)
    assert finding.status is Status.UNCERTAIN
    assert finding.unlikeness == pytest.approx(0, abs=1e-6)
    odd = gate.model_copy(update={"centre": tuple(facts + 5)})
    known = model_with(**far, decision=Decision(picture=odd))
    assert decide(scan(), (), outputs(0.0, 1.0, 0, 0), known).status is Status.REJECTED


def test_a_tumor_whose_evidence_lies_at_the_border_is_uncertain(model_with):
    known = model_with(decision=Decision(frame_energy=0.5))
    answered = outputs(0.0, 1.0, 0, 0)
    border = np.zeros((1, 4, 9, 9), np.float32)
    border[:, 1, 0] = 5.0
    finding = decide(scan(), (), replace(answered, heatmap=border), known)
    assert [reason.code for reason in finding.reasons] == ["frame_energy"]
    assert finding.status is Status.UNCERTAIN


@pytest.mark.parametrize(
    ("row", "status", "said"),
    [
        ((0.1, 0.8, 0.1, 0.0), Status.TUMOR, None),
        ((0.3, 0.7, 0.0, 0.0), Status.UNCERTAIN, ("a tumor has", 0.7, 0.8)),
        ((0.15, 0.5, 0.35, 0.0), Status.TUMOR, ("given a tumor, glioma has", 0.588235, 0.7)),
        ((0.2, 0.6, 0.2, 0.0), Status.TUMOR, None),
        ((0.8, 0.2, 0.0, 0.0), Status.NO_TUMOR, None),
        ((0.6, 0.4, 0.0, 0.0), Status.UNCERTAIN, ("no tumor has", 0.6, 0.65)),
    ],
)
def test_an_answer_that_is_not_sure_enough_is_left_to_a_person(model_with, row, status, said):
    rule = Selection(
        target=0.97, tumor=0.8, kind=0.7, no_tumor=0.65, accuracy=0.98, answered=0.8, on="fold 2"
    )
    finding = decide(scan(), (), outputs(*row), model_with(decision=Decision(selection=rule)))
    assert finding.status is status
    if said is not None:
        words, measure, limit = said
        (reason,) = finding.reasons
        code = "open_kind" if status is Status.TUMOR else "unsure"
        assert (reason.code, reason.measure) == (code, pytest.approx(measure, abs=1e-6))
        assert reason.limit == limit
        assert f"{words} a probability of {100 * measure:.1f} %" in reason.text


@pytest.fixture
def strict(model_with):
    """A model that is asked for a surer kind than tumor."""
    rule = Selection(
        target=0.97, tumor=0.0, kind=0.95, no_tumor=0.9, accuracy=0.98, answered=0.6, on="fold 2"
    )
    return model_with(decision=Decision(selection=rule, frame_energy=0.5))


def test_a_sure_tumor_of_an_unsure_kind_is_a_tumor_without_a_label(strict):
    """A reader who is told "uncertain" of a tumor of 99 % is told less than is known."""
    finding = decide(scan(), (), outputs(0.01, 0.6, 0.39, 0), strict)
    assert (finding.status, finding.label) == (Status.TUMOR, None)
    assert finding.kind_is_open
    assert codes(finding) == ["open_kind"]


def test_a_tumor_by_itself_must_be_as_sure_as_a_kind(strict):
    finding = decide(scan(), (), outputs(0.06, 0.55, 0.39, 0), strict)
    assert finding.status is Status.UNCERTAIN
    assert codes(finding) == ["unsure"]
    assert not finding.kind_is_open


def test_an_open_kind_does_not_outweigh_other_doubts(strict):
    answered = outputs(0.01, 0.6, 0.39, 0)
    finding = decide(scan(), (BLURRED,), answered, strict)
    assert (finding.status, codes(finding)) == (Status.UNCERTAIN, ["blurred", "open_kind"])
    border = np.zeros((1, 4, 9, 9), np.float32)
    border[:, 1, 0] = 5.0
    finding = decide(scan(), (), replace(answered, heatmap=border), strict)
    assert (finding.status, codes(finding)) == (Status.UNCERTAIN, ["frame_energy", "open_kind"])
    assert not finding.kind_is_open


def test_what_is_like_all_kinds_alike_is_told_of_none(strict):
    """Healthy slices of another field strength are like that."""
    finding = decide(scan(), (), outputs(0.003, 0.32, 0.38, 0.297), strict)
    assert (finding.status, codes(finding)) == (Status.UNCERTAIN, ["unsure"])
