"""If these fail, an evaluation says more of a model than was measured."""

from dataclasses import dataclass
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from tests.conftest import tiny_metadata
from tests.evaluate.conftest import CLASSES
from tumorlens.data.manifest import Protocol
from tumorlens.errors import DatasetError
from tumorlens.evaluate.evaluation import (
    Evaluation,
    Leak,
    load_evaluation,
    schema_text,
    short,
    to_json,
)
from tumorlens.evaluate.holdout import evaluate, evaluate_sides, leak_warnings, with_unseen
from tumorlens.evaluate.parts import REST
from tumorlens.evaluate.sides import Sides
from tumorlens.evaluate.tables import to_markdown

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "evaluation.schema.json"


@dataclass
class Answerer:
    metadata: object = tiny_metadata()
    sha256: str = "a" * 64
    size: int = 1000


BINARY = Answerer(
    tiny_metadata(task="binary", classes=("no_tumor", "tumor"), positive=("tumor",), display={})
)
LABELS = [CLASSES[number % 4] for number in range(40)]
TRUTH = [number % 4 for number in range(40)]


@pytest.fixture
def leaking(named):
    """40 test images of which the first 20 are learnt from."""
    copied = {"protocol": Protocol.AUTHORS}
    held_out = [
        *named(LABELS[:20], picture="drawn/picture1", **copied),
        *named(LABELS[20:], start=20, picture="drawn/picture2", **copied),
    ]
    training = named(LABELS[:20], fold=3, picture="drawn/picture1", **copied)
    return Sides(training, held_out, Path())


def test_where_sides_leak_the_figures_without_copies_stand_beside_all(leaking, guesses):
    probabilities = guesses([*TRUTH[:20], *([0] * 20)])
    probabilities[:20] = 0.01
    probabilities[range(20), TRUTH[:20]] = 0.97
    result = evaluate_sides(Answerer(), leaking, probabilities)
    assert result.leak == Leak(images=40, same=20, near=20)
    whole, rest = result.parts
    assert (whole.on, rest.on) == ("fold 1 of drawn", f"fold 1 of drawn, {REST}")
    assert (whole.images, rest.images) == (40, 20)
    figures = {(m.name, m.on): m.value for m in result.metrics}
    assert figures["accuracy", rest.on] < 0.5 < figures["accuracy", whole.on]
    (sentence,) = leak_warnings(result)
    assert "20 (50.0%) show a picture that was learnt from" in sentence
    assert f"on the 20 others {figures['accuracy', rest.on]:.3f}" in sentence


def test_where_every_test_image_is_learnt_from_there_is_no_rest(leaking, guesses):
    known = Sides(leaking.training, leaking.held_out[:20], Path())
    result = evaluate_sides(Answerer(), known, guesses(TRUTH[:20]))
    assert len(result.parts) == 1
    (sentence,) = leak_warnings(result)
    assert "memory as well as skill" in sentence


def test_sides_that_are_kept_apart_are_not_warned_of(named, guesses):
    apart = Sides(named(LABELS, fold=2, source="other"), named(LABELS), Path(), ("a note",))
    result = evaluate_sides(Answerer(), apart, guesses(TRUTH))
    assert (result.leak, result.notes) == (None, ("a note",))
    assert leak_warnings(result) == []


def test_a_model_of_two_classes_is_measured_on_kinds(named, guesses):
    """Whatever the kind, what is not tumor-free is a tumor."""
    probabilities = guesses([min(number, 1) for number in TRUTH], classes=2)
    result = evaluate(BINARY, named(LABELS), probabilities)
    assert result.confusion.classes == ("no_tumor", "tumor")
    assert sum(map(sum, result.confusion.counts)) == 40
    assert [sum(row) for row in result.confusion.counts] == [10, 30]


def test_a_model_of_kinds_is_measured_on_tumor_against_none(named, guesses):
    labels = ["tumor", "no_tumor"] * 20
    result = evaluate(Answerer(), named(labels), guesses([1, 0] * 20))
    assert [m.name for m in result.metrics] == ["tumor AUROC"]
    assert result.confusion.classes == ("no_tumor", "tumor")
    (part,) = result.parts
    assert part.confusion is None
    assert all(m.name.startswith("tumor ") for m in part.figures)
    assert [one.name for one in part.curves.classes] == ["any tumor"]


def test_images_of_no_known_class_are_refused(named, guesses):
    with pytest.raises(DatasetError, match="their labels are metastasis"):
        evaluate(Answerer(), named(["metastasis"] * 4), guesses([0] * 4))


def test_a_set_never_seen_is_a_part_of_its_own(named, guesses):
    result = evaluate(Answerer(), named(LABELS), guesses(TRUTH))
    others = named([*LABELS, "metastasis"], source="elsewhere")
    result = with_unseen(result, Answerer(), others, guesses([*TRUTH, 0]))
    assert [part.on for part in result.parts] == ["fold 1 of drawn", "elsewhere, never seen"]
    assert result.parts[1].images == 41
    assert any("1 images are labelled metastasis" in note for note in result.notes)
    figures = {m.name for m in result.metrics if m.on == "elsewhere, never seen"}
    assert figures == {"tumor AUROC", "tumor sensitivity", "tumor specificity"}


class TestAsJson:
    @pytest.fixture
    def result(self, leaking, guesses):
        return evaluate_sides(Answerer(), leaking, guesses(TRUTH))

    def test_it_is_what_the_published_schema_says(self, result):
        assert SCHEMA.read_text() == schema_text(), (
            "write it anew: python -m tumorlens.evaluate.evaluation > "
            "docs/reference/evaluation.schema.json"
        )
        import json

        jsonschema.validate(json.loads(to_json(result)), json.loads(schema_text()))

    def test_it_is_read_again(self, result, tmp_path):
        (tmp_path / "evaluation.json").write_text(to_json(result))
        assert load_evaluation(tmp_path / "evaluation.json") == result

    def test_a_short_copy_has_what_a_model_is_chosen_by(self, result):
        copy = short(result)
        assert (copy.metrics, copy.leak, copy.parts) == (result.metrics, result.leak, ())
        assert len(to_json(copy)) < 10_000

    def test_what_is_no_evaluation_is_refused(self, tmp_path):
        (tmp_path / "evaluation.json").write_text("{}")
        with pytest.raises(DatasetError, match="not an evaluation"):
            load_evaluation(tmp_path / "evaluation.json")


def test_the_markdown_has_every_figure(leaking, guesses):
    result: Evaluation = evaluate_sides(Answerer(), leaking, guesses(TRUTH))
    page = to_markdown(result)
    for part in result.parts:
        for metric in part.figures:
            assert f"{metric.value:.3f}" in page
    assert "| class | precision | sensitivity | specificity | F1 | AUROC | AUPRC |" in page


def test_a_missed_tumor_is_a_wrong_kind_but_not_among_the_kinds_alone(named):
    probabilities = np.eye(4)[TRUTH] * 0.9 + 0.025
    missed = TRUTH.index(1)
    probabilities[missed] = [0.7, 0.2, 0.07, 0.03]
    figures = {m.name: m.value for m in evaluate(Answerer(), named(LABELS), probabilities).metrics}
    tumors = sum(number != 0 for number in TRUTH)
    assert figures["tumor kind accuracy"] == pytest.approx(1 - 1 / tumors)
    assert figures["kind accuracy, given a tumor"] == 1.0
    assert figures["kind macro F1, given a tumor"] == 1.0
    probabilities[missed] = [0.7, 0.07, 0.2, 0.03]
    figures = {m.name: m.value for m in evaluate(Answerer(), named(LABELS), probabilities).metrics}
    assert figures["kind accuracy, given a tumor"] == pytest.approx(1 - 1 / tumors)
