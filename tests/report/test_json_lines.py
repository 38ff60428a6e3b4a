"""If these fail, programs that read the answers break, or the published schema lies to them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np

from tumorlens.decide.finding import Finding
from tumorlens.decide.study import Study
from tumorlens.model.format import InputSpec
from tumorlens.model.prepare import PlacedMap, place
from tumorlens.report.json_lines import json_line, line_schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "finding.schema.json"


def test_the_published_schema_is_current():
    assert PUBLISHED.read_text(encoding="utf-8") == line_schema(), (
        "write it anew: python -m tumorlens.report.json_lines > docs/reference/finding.schema.json"
    )


def test_every_line_is_valid(outcome):
    schema = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    line = json_line(outcome)
    assert "\n" not in line
    jsonschema.validate(json.loads(line), schema, jsonschema.Draft202012Validator)


def test_a_study_is_valid_and_survives_the_way_through_json(study):
    schema = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    line = json_line(study)
    jsonschema.validate(json.loads(line), schema, jsonschema.Draft202012Validator)
    assert Study.model_validate_json(line).model_dump() == study.model_dump()
    assert study.slice_count == 3


def test_the_schema_refuses_what_is_no_answer(make_finding):
    schema = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    good = json.loads(json_line(make_finding()))
    for changes in ({"status": "normal"}, {"tumor_probability": 1.5}, {"record": "other"}):
        assert not validator.is_valid(good | changes)
    for field in ("status", "model", "scan", "reasons", "notice"):
        assert not validator.is_valid({k: v for k, v in good.items() if k != field})


def test_a_finding_survives_the_way_through_json(make_finding):
    original = make_finding()
    again = Finding.model_validate_json(json_line(original))
    assert again.model_dump() == original.model_dump()


def test_an_error_names_itself_its_input_and_the_way_out(outcomes):
    record = json.loads(json_line(outcomes[-1]))
    assert record == {
        "record": "error",
        "error": "ScanTooLarge",
        "source": "huge.png",
        "reason": "it has 900000000 pixels",
        "advice": "Raise the limit",
        "message": "huge.png: it has 900000000 pixels. Raise the limit",
    }


def test_maps_and_display_words_are_left_out(make_finding):
    pixels = np.zeros((50, 50), np.float32)
    placed = PlacedMap(np.ones((4, 4), np.float32), place(pixels, InputSpec(height=32, width=32)))
    record = json.loads(json_line(make_finding(evidence_map=placed, mask_map=placed)))
    assert set(record) == set(json.loads(json_line(make_finding())))
    assert set(record["model"]) == {"name", "version", "sha256"}
    assert not {"heatmap", "mask", "evidence_map", "mask_map"} & set(record)
