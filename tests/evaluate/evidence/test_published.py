"""If these fail, the published evidence speaks of another model, or a page of other figures."""

import json
from pathlib import Path

import pytest

from tumorlens.evaluate.evaluation import load_evaluation
from tumorlens.evaluate.evidence.pages import pages
from tumorlens.evaluate.evidence.record import EVIDENCE_FILE, load_evidence, to_json
from tumorlens.model.registry import BUNDLED, REGISTRY_FILE, load_model

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
PUBLISHED = REFERENCE / "evidence"

pytestmark = pytest.mark.skipif(
    not (BUNDLED / REGISTRY_FILE).is_file(), reason="no model is bundled with this checkout"
)


@pytest.fixture(scope="module")
def evidence():
    return load_evidence(PUBLISHED / EVIDENCE_FILE)


def test_it_is_of_the_bundled_file(evidence):
    registry = json.loads((BUNDLED / REGISTRY_FILE).read_text())
    assert evidence.subject.name == registry["default"]
    assert evidence.subject.sha256 == registry["models"][registry["default"]]["sha256"]
    assert evidence.subject.operating == load_model().metadata.decision.operating


def test_every_page_shows_it_as_it_was_measured(evidence):
    made = pages(evidence)
    kept = {path.name: path.read_text() for path in PUBLISHED.glob("*.md")}
    assert kept == made
    assert (PUBLISHED / EVIDENCE_FILE).read_text() == to_json(evidence)


def test_it_agrees_with_the_published_evaluation(evidence):
    published = load_evaluation(REFERENCE / "evaluation.json")
    assert evidence.evaluation.model_sha256 == published.model_sha256
    stated = {(m.name, m.on): m.value for m in published.metrics}
    here = {(m.name, m.on): m.value for m in evidence.evaluation.metrics}
    both = stated.keys() & here.keys()
    assert len(both) > 5
    assert all(here[one] == pytest.approx(stated[one], abs=1e-9) for one in both)


def test_no_picture_is_published():
    assert {path.suffix for path in PUBLISHED.iterdir()} == {".md", ".json"}
