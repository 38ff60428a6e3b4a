"""If these fail, who gives a series is told something of it that is not so."""

import numpy as np
import pytest

from tests.conftest import tiny_metadata
from tumorlens.app import saying
from tumorlens.app.cards import case_card
from tumorlens.app.cases import AnsweredSlice, Case
from tumorlens.decide.finding import Finding, ModelInfo, ScanInfo, Status
from tumorlens.model.decision import StudyRule

RULE = StudyRule(highest=2, scale=1.0, bias=0.0, tumor=0.8, no_tumor=0.2, on="runs of slices")
GREY = np.zeros((2, 2), np.uint8)


@pytest.fixture
def series():
    """A series of two slices, of which one shows a tumor, answered with a rule or without."""

    def made(rule=None):
        shares = {"glioma": 0.9, "no_tumor": 0.1}
        slices = []
        for frame, (status, label) in enumerate(
            ((Status.TUMOR, "glioma"), (Status.NO_TUMOR, None))
        ):
            finding = Finding(
                status=status,
                label=label,
                tumor_probability=0.9 if label else 0.1,
                probabilities=shares,
                model=ModelInfo(name="tiny", version="1.2", sha256="a", study=rule),
                scan=ScanInfo(
                    source="a.nii",
                    sha256="b",
                    format="nifti",
                    width=2,
                    height=2,
                    frame=frame,
                    frame_count=2,
                ),
                elapsed_ms=1.0,
            )
            slices.append(AnsweredSlice(finding, GREY))
        return Case(tuple(slices))

    return made


def test_a_model_without_a_rule_goes_by_its_highest_slice(series):
    card = case_card(series(), tiny_metadata())
    assert "Tumor found in 1 of 2 slices: glioma" in card
    assert "90.0 %" in card
    assert saying.POOLED in card


def test_a_model_with_a_rule_is_told_by_it_and_no_slice_is_counted_as_what_it_is_not(series):
    card = case_card(series(RULE), tiny_metadata())
    assert "Uncertain: 2 slices to be read by a person" in card
    assert "50.0 %" in card
    assert "mean logit of the highest 2 slices" in card
    assert saying.POOLED not in card
