"""If these fail, a site is told that its scans are as they were when they are not."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from tumorlens.drift import Drift, monitor, read_findings, stability_index
from tumorlens.errors import DatasetError, ModelIncompatible
from tumorlens.train.decision.reference import histogram

CHANCE = np.random.default_rng(0)


def model(values=None):
    reference = () if values is None else (histogram("novelty", values),)
    decision = SimpleNamespace(reference=reference)
    metadata = SimpleNamespace(name="tiny", decision=decision)
    return SimpleNamespace(metadata=metadata, label="tiny 1")


def records(values, **changes):
    return [
        {"record": "finding", "status": "tumor", "novelty": value, "model": {"name": "tiny"},
         "reasons": [{"code": "novelty"}], **changes}
        for value in map(float, values)
    ]  # fmt: skip


REFERENCE = CHANCE.normal(1.0, 0.1, 800)


@pytest.mark.parametrize(
    ("shift", "drift"), [(0.0, Drift.STEADY), (0.05, Drift.WATCH), (0.3, Drift.DRIFTED)]
)
def test_the_farther_the_scans_moved_the_more_is_said(shift, drift):
    values = np.quantile(REFERENCE, np.linspace(0.001, 0.999, 400)) + shift
    found = monitor(records(values), model(REFERENCE))
    (figure,) = found.figures
    assert figure.drift in (drift, Drift.DRIFTED if drift is Drift.WATCH else drift)
    assert found.drift is figure.drift
    assert (found.drift is Drift.STEADY) == ("like those" in found.sentence().split("un")[0])
    assert found.reasons == {"novelty": 400}


def test_the_index_is_that_of_the_formula():
    expected = 0.1 * np.log(0.6 / 0.5) - 0.1 * np.log(0.4 / 0.5)
    assert stability_index(np.array([0.5, 0.5]), np.array([0.6, 0.4])) == pytest.approx(expected)
    assert np.isfinite(stability_index(np.array([1.0, 0.0]), np.array([0.0, 1.0])))


def test_findings_of_other_models_are_left_out_and_counted():
    others = records(REFERENCE[:9], model={"name": "other"})
    found = monitor([*records(REFERENCE), *others, {"record": "error"}], model(REFERENCE))
    assert (found.findings, found.others) == (800, 9)


def test_too_few_findings_tell_nothing():
    with pytest.raises(DatasetError, match="at least 50"):
        monitor(records(REFERENCE[:49]), model(REFERENCE))


def test_a_model_without_a_reference_is_named():
    with pytest.raises(ModelIncompatible, match="tumorlens calibrate"):
        monitor(records(REFERENCE), model())


def test_lines_and_lists_of_the_service_are_read(tmp_path):
    one = records([1.0])[0]
    path = tmp_path / "findings.jsonl"
    stored = {"total": 1, "items": [{"id": "a", "finding": one}]}
    path.write_text(json.dumps(one) + "\n\n" + json.dumps(stored) + "\n")
    assert list(read_findings(path)) == [one, one]


OTHERWISE = [
    {"status": "fine"}, {"status": {}}, {"novelty": float("nan")}, {"novelty": 1e400},
    {"tumor_probability": "high"}, {"reasons": "none"}, {"reasons": [None]}, {"model": [1]},
]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "{", "[1]", '"text"', '{"record": "finding"}', '{"items": [3]}',
        *(json.dumps(records([1.0])[0] | one) for one in OTHERWISE),
    ],
)  # fmt: skip
def test_a_line_that_is_no_finding_is_named(tmp_path, line):
    path = tmp_path / "findings.jsonl"
    path.write_text("\n" + line)
    with pytest.raises(DatasetError, match="line 2"):
        list(read_findings(path))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"none\.jsonl"):
        list(read_findings(tmp_path / "none.jsonl"))
