"""If these fail, the heatmap shows evidence that the network did not have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from tumorlens.decide.finding import Finding, ModelInfo, ScanInfo, Status
from tumorlens.explain.heatmap import EVIDENCE_SCALE, evidence, heatmap_class

maps = nps.arrays(np.float32, (3, 4, 5), elements=st.floats(-100, 100, width=32))


def finding(status: Status, label: str | None = None) -> Finding:
    return Finding(
        status=status,
        label=label,
        probabilities={"no_tumor": 0.4, "glioma": 0.1, "meningioma": 0.3, "pituitary": 0.2},
        model=ModelInfo(name="tiny", version="1", sha256="a"),
        scan=ScanInfo(source="a", sha256="b", format="png", width=1, height=1),
        elapsed_ms=0.0,
    )


@pytest.mark.parametrize(
    ("status", "label", "shown"),
    [
        (Status.TUMOR, "glioma", "glioma"),
        (Status.NO_TUMOR, None, "meningioma"),
        (Status.UNCERTAIN, None, "meningioma"),
        (Status.REJECTED, None, None),
    ],
)
def test_the_label_or_the_likeliest_tumor_is_shown(tiny_model, status, label, shown):
    assert heatmap_class(finding(status, label), tiny_model().metadata) == shown


def test_weak_evidence_looks_weak_and_strong_looks_strong():
    values = np.zeros((3, 4, 5), np.float32)
    values[1, 2, 2] = 1.5
    assert evidence(values, 1).max() == pytest.approx(1.0 / EVIDENCE_SCALE)
    values[1, 2, 2] = 300
    strong = evidence(values, 1)
    assert strong.max() == 1
    assert np.unravel_index(strong.argmax(), strong.shape) == (2, 2)
    assert np.count_nonzero(strong) == 1


@given(maps, st.integers(0, 2), st.floats(-50, 50, width=32))
def test_what_softmax_cannot_see_is_no_evidence(values, index, shift):
    shown = evidence(values, index)
    assert shown.shape == (4, 5)
    assert shown.dtype == np.float32
    assert 0 <= shown.min() <= shown.max() <= 1
    assert np.allclose(evidence(values + np.float32(shift), index), shown, atol=1e-4)


def test_evidence_against_a_class_is_not_shown_as_evidence_for_it():
    values = np.zeros((3, 4, 5), np.float32)
    values[1] = -40
    assert evidence(values, 1).max() == 0
