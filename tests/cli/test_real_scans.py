"""If these fail, real DICOM series, NIfTI volumes and folders of pictures go unanswered."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest

from tumorlens.model.registry import installed_models

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "finding.schema.json"
DATA = os.environ.get("TUMORLENS_DATA")

pytestmark = [
    pytest.mark.skipif(DATA is None, reason="TUMORLENS_DATA does not name the public sets"),
    pytest.mark.skipif(
        not any(model.is_default for model in installed_models()),
        reason="no default model is bundled with this copy",
    ),
]


def test_every_slice_gets_one_valid_line(start, finish):
    data = Path(str(DATA))
    dicom = sorted((data / "dicom_t1_7t").glob("*.dcm"))
    volume = min((data / "nifti_tcia").rglob("*Scan*.nii*"))
    pictures = [path for path in (data / "navoneel").rglob("*") if path.is_file()]
    run = finish(start("predict", *dicom, volume, data / "navoneel", "--format", "json"))
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    records = [json.loads(line) for line in run.out.splitlines()]
    assert all(validator.is_valid(record) for record in records)
    assert {record["record"] for record in records} == {"finding"}
    frames = [r["scan"] for r in records if r["scan"]["source"] == str(volume)]
    assert [scan["frame"] for scan in frames] == list(range(frames[0]["frame_count"]))
    assert len(frames) > 1
    assert len(records) == len(dicom) + len(frames) + len(pictures)
    assert {Path(r["scan"]["source"]) for r in records} == {*dicom, volume, *pictures}
    measured = [r for r in records if r["scan"]["format"] in ("dicom", "nifti")]
    assert all(r["scan"]["spacing_mm"] for r in measured)
    places = [r["scan"]["position_mm"] for r in records if r["scan"]["format"] == "dicom"]
    assert places == sorted(places)
    assert "Traceback" not in run.err
