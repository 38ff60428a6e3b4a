"""If these fail, the answer for a whole series or volume is not that of its slices."""

import pytest

from tumorlens.decide.finding import Finding, ModelInfo, ScanInfo, Status
from tumorlens.decide.study import pooled, pooled_label, pooled_probability


def finding(status, tumor_probability=None, **probabilities):
    return Finding(
        status=status,
        label=max(probabilities, key=probabilities.get) if status is Status.TUMOR else None,
        tumor_probability=tumor_probability,
        probabilities=probabilities,
        model=ModelInfo(name="tiny", version="1", sha256="a"),
        scan=ScanInfo(source="a.nii", sha256="b", format="nifti", width=9, height=9),
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
