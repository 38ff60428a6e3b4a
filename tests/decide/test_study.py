"""If these fail, the answer for a whole series or volume is not that of its slices."""

from itertools import count

import pytest

from tumorlens.decide.finding import OPEN_KIND, Finding, ModelInfo, Reason, ScanInfo, Status
from tumorlens.decide.study import (
    pool,
    pooled,
    pooled_label,
    pooled_probability,
    stacks,
    study_of,
)
from tumorlens.model.decision import StudyRule

SCAN = {"source": "a.nii", "format": "nifti", "width": 9, "height": 9}
DIGESTS = count()


def finding(status, tumor_probability=None, scan=None, model="a", **probabilities):
    return Finding(
        status=status,
        label=max(probabilities, key=probabilities.get) if status is Status.TUMOR else None,
        tumor_probability=tumor_probability,
        probabilities=probabilities,
        model=ModelInfo(name="tiny", version="1", sha256=model),
        scan=ScanInfo(**(SCAN | {"sha256": str(next(DIGESTS))} | (scan or {}))),
        elapsed_ms=1.0,
    )


@pytest.mark.parametrize(
    ("slices", "whole"),
    [
        ({Status.NO_TUMOR: 90, Status.UNCERTAIN: 5, Status.TUMOR: 1}, Status.TUMOR),
        ({Status.NO_TUMOR: 90, Status.UNCERTAIN: 1}, Status.UNCERTAIN),
        ({Status.REJECTED: 90, Status.NO_TUMOR: 1}, Status.NO_TUMOR),
        ({Status.REJECTED: 3}, Status.REJECTED),
        ({}, Status.REJECTED),
    ],
)
def test_one_slice_with_a_tumor_is_not_outvoted(slices, whole):
    assert pooled(slices) is whole


def test_the_kind_is_what_all_slices_with_a_tumor_speak_for_together():
    slices = [
        finding(Status.TUMOR, 0.9, glioma=0.5, meningioma=0.4),
        finding(Status.TUMOR, 0.9, glioma=0.1, meningioma=0.8),
        finding(Status.UNCERTAIN, 0.5, glioma=0.5, meningioma=0.0),
    ]
    assert pooled_label(slices) == "meningioma"
    assert pooled_label(slices[2:]) is None


def test_what_a_network_says_of_a_rejected_slice_does_not_count():
    slices = [finding(Status.REJECTED, 0.99), finding(Status.NO_TUMOR, 0.1)]
    assert pooled_probability(slices) == 0.1
    assert pooled_probability(slices[:1]) is None


def test_slices_of_one_stack_make_one_study_and_no_others():
    in_file = [{"source": "v.nii", "frame": frame, "frame_count": 2} for frame in (0, 1)]
    in_series = [{"source": name, "series": "s"} for name in ("1.dcm", "2.dcm", "3.dcm")]
    wider = {"source": "4.dcm", "series": "s", "width": 10}
    alone = [{"source": "a.png"}, {"source": "b.png"}]
    scans = [*alone, *in_file, *in_series, wider, *alone]
    found = list(stacks(finding(Status.NO_TUMOR, 0.1, scan) for scan in scans))
    assert [[one.scan.source for one in stack] for stack in found] == [
        ["v.nii", "v.nii"],
        ["1.dcm", "2.dcm", "3.dcm"],
    ]


def test_a_study_is_told_with_all_its_slices_and_what_they_come_to():
    series = {"series": "s", "spacing_mm": (1.0, 2.0)}
    slices = [
        finding(Status.NO_TUMOR, 0.1, {"source": "1.dcm"} | series, glioma=0.1),
        finding(Status.TUMOR, 0.9, {"source": "2.dcm"} | series, glioma=0.9),
        finding(Status.REJECTED, 0.99, {"source": "3.dcm"} | series),
    ]
    study = study_of(slices)
    assert (study.status, study.label, study.tumor_probability) == (Status.TUMOR, "glioma", 0.9)
    assert study.slices == {Status.NO_TUMOR: 1, Status.TUMOR: 1, Status.REJECTED: 1}
    assert (study.source, study.series, study.spacing_mm) == ("1.dcm", "s", (1.0, 2.0))
    assert study.measurements is None


def test_findings_that_were_stored_are_pooled_by_the_rule_of_their_model():
    rule = StudyRule(highest=2, scale=1.0, bias=0.0, tumor=0.8, no_tumor=0.2, on="series")
    slices = [finding(Status.TUMOR, 0.9, glioma=0.9), finding(Status.NO_TUMOR, 0.1)]
    stored = [Finding.model_validate_json(one.model_dump_json()) for one in slices]
    assert study_of(stored).status is Status.TUMOR
    ruled = study_of(stored, rule)
    assert (ruled.status, ruled.tumor_probability) == (Status.UNCERTAIN, pytest.approx(0.5))
    assert ruled.model.study == rule


def test_copies_of_a_slice_count_once():
    rule = StudyRule(highest=2, scale=1.0, bias=0.0, tumor=0.8, no_tumor=0.2, on="series")
    slices = [
        finding(Status.TUMOR, 0.9, {"source": "1.dcm", "sha256": "x"}, glioma=0.9),
        finding(Status.NO_TUMOR, 0.1, {"source": "2.dcm"}),
    ]
    copy = finding(Status.TUMOR, 0.9, {"source": "1 (2).dcm", "sha256": "x"}, glioma=0.9)
    assert study_of([*slices, copy], rule) == study_of(slices, rule)
    assert study_of([slices[0], copy]).slices == {Status.TUMOR: 1}
    of_one_file = [
        finding(Status.NO_TUMOR, 0.1, {"sha256": "v", "frame": frame}) for frame in (0, 1)
    ]
    assert study_of(of_one_file).slice_count == 2


@pytest.mark.parametrize("models", [(), ("a", "b")])
def test_a_study_is_of_one_model(models):
    with pytest.raises(ValueError, match="one model, at least one"):
        study_of([finding(Status.NO_TUMOR, 0.1, model=one) for one in models])


def of_open_kind(tumor_probability, scan=None):
    found = finding(Status.TUMOR, tumor_probability, scan, glioma=0.6, meningioma=0.39)
    why = (Reason(code=OPEN_KIND, text="the kind is not sure"),)
    return found.model_copy(update={"label": None, "reasons": why})


def test_slices_of_an_open_kind_make_no_tumor_of_a_series():
    """One of many slices without a tumor is called so by chance."""
    slices = [finding(Status.NO_TUMOR, 0.1) for _ in range(9)]
    assert pool([*slices, of_open_kind(0.99)]).status is Status.UNCERTAIN
    named = finding(Status.TUMOR, 0.99, glioma=0.98, meningioma=0.01)
    assert pool([*slices, of_open_kind(0.99), named]).status is Status.TUMOR
    assert pool([of_open_kind(0.99)]).status is Status.TUMOR
    assert study_of([*slices, of_open_kind(0.99)]).slices[Status.TUMOR] == 1
