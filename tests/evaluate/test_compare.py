"""If these fail, a published comparison of recipes shows other figures than were measured."""

import pytest

from tumorlens.data.manifest import Protocol
from tumorlens.errors import DatasetError
from tumorlens.evaluate.compare import HEAD, compare, find, recipe_table, summary_rows
from tumorlens.evaluate.evaluation import (
    Confusion,
    ControlFigure,
    Evaluation,
    Leak,
    Made,
    Said,
    to_json,
)
from tumorlens.evaluate.parts import REST
from tumorlens.model.format import Metric

MADE = Made(
    recipe="cnn-4class", title="A CNN", split="authors", sources=("drawn",), trainable=1281,
    frozen=2257984, seconds=90,
    reported=Said(figure="test accuracy", value=0.69, on="a test split", by="its authors"),
)  # fmt: skip
ON = "fold 1 of drawn"


def metric(value, on=ON, name="accuracy"):
    return Metric(name=name, value=value, low=value - 0.1, high=value, on=on, count=24)


def evaluation(protocol=Protocol.AUTHORS, made=MADE, **changes):
    values = {ON: 0.9, f"{ON}, {REST}": 0.7} if protocol is Protocol.AUTHORS else {ON: 0.6}
    found = tuple(metric(value, on) for on, value in values.items())
    controls = tuple(
        ControlFigure(control=name, metric=metric(one.value - below, one.on))
        for one in found
        for name, below in (("frame only", 0.2), ("copy-detector", 0.1))
    )
    fields = {
        "model": made.recipe if made else "foreign", "model_sha256": "0" * 64,
        "model_bytes": 2_500_000, "made": made, "fold": 1, "images": 40, "protocol": protocol,
        "leak": Leak(images=40, same=30, near=31) if protocol is Protocol.AUTHORS else None,
        "metrics": found, "controls": controls,
        "confusion": Confusion(on=ON, classes=("a", "b"), counts=((1, 2), (3, 4))),
    }  # fmt: skip
    return Evaluation(**(fields | changes))


@pytest.fixture
def folder(tmp_path):
    def make(**evaluations):
        for name, result in evaluations.items():
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / name / "evaluation.json").write_text(to_json(result))
        return tmp_path

    return make


def test_a_recipe_has_one_line_with_both_splits_and_the_controls_of_each(folder):
    root = folder(one=evaluation(), two=evaluation(Protocol.GROUPED))
    (one,) = compare(find([root]))
    (row,) = summary_rows([one])
    assert dict(zip(HEAD, row, strict=True)) == {
        "recipe": "cnn-4class",
        "set": "drawn",
        "reported": "0.690",
        "authors' split": "0.900 (0.800 to 0.900)",
        "of it learnt from": "30 of 40 (75.0%)",
        "without copies": "0.700 (0.600 to 0.700)",
        "grouped split": "0.600 (0.500 to 0.600)",
        "best control, on the three": "0.800 / 0.600 / 0.500",
        "parameters trained / frozen": "1,281 / 2,257,984",
        "model file": "2.5 MB",
        "training": "90 s",
    }


def test_a_run_with_other_settings_is_a_line_of_its_own(folder):
    changed = MADE.model_copy(update={"changes": {"network.normalisation": "unit"}})
    elsewhere = MADE.model_copy(update={"sources": ("other",)})
    root = folder(one=evaluation(), two=evaluation(made=changed), three=evaluation(made=elsewhere))
    assert [row[:2] for row in summary_rows(compare(find([root])))] == [
        ("cnn-4class", "drawn"),
        ("cnn-4class (network.normalisation=unit)", "drawn"),
        ("cnn-4class", "other"),
    ]


def test_one_recipe_is_shown_with_every_figure_beside_every_control(folder):
    root = folder(one=evaluation(), two=evaluation(Protocol.GROUPED))
    text = recipe_table(compare(find([root]))[0])
    assert f"| accuracy | {ON}, {REST} (authors' split) | 24 | 0.700 | 0.600 to 0.700 |" in text
    assert text.count("\n") == 2 + 3
    assert "| frame only | copy-detector |" in text


def test_what_cannot_be_compared_is_told(folder, tmp_path):
    with pytest.raises(DatasetError, match="no line of its own"):
        compare(find([folder(one=evaluation(made=None))]))
    with pytest.raises(DatasetError, match="a second evaluation of cnn-4class"):
        compare(find([folder(one=evaluation(), two=evaluation())]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no evaluation"):
        find([tmp_path / "empty"])
    with pytest.raises(DatasetError, match="holds no evaluation"):
        find([tmp_path / "gone"])
