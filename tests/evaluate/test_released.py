"""If these fail, the bundled model does not score what is published of it."""

import os
from pathlib import Path

import pytest

from tumorlens.errors import DatasetError
from tumorlens.evaluate.holdout import (
    evaluate,
    evaluate_unseen,
    held_out_entries,
    load_evaluation,
    predict,
    unseen_entries,
)
from tumorlens.model.registry import load_model

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
MANIFEST = REFERENCE / "mobilenetv2-4class-manifest.csv"

ANOTHER_PROCESSOR = 0.01
"""How much a figure may move because another processor rounds otherwise."""


@pytest.fixture(scope="module")
def data():
    folder = Path(os.environ.get("TUMORLENS_DATA", ""))
    if not all((folder / name).is_dir() for name in ("cheng", "br35h", "tcia_btp")):
        pytest.skip("TUMORLENS_DATA names no folder with cheng, br35h and tcia_btp")
    return folder


@pytest.fixture(scope="module")
def model():
    return load_model("mobilenetv2-4class", threads=1)


def test_measuring_again_gives_the_published_figures(model, data):
    entries = held_out_entries(model.metadata, data, MANIFEST)
    again = list(evaluate(model, entries, predict(model, data, entries)).metrics)
    others = unseen_entries(model.metadata, data, ["tcia_btp"])
    again += evaluate_unseen(model, others, predict(model, data, others))
    published = load_evaluation(REFERENCE / "evaluation.json").metrics
    assert [(m.name, m.on, m.count) for m in again] == [(m.name, m.on, m.count) for m in published]
    for mine, stated in zip(again, published, strict=True):
        assert mine.value == pytest.approx(stated.value, abs=ANOTHER_PROCESSOR), mine.name


def test_the_kind_of_tumor_is_right_in_at_least_93_of_100_held_out_slices(model):
    figures = {m.name: m for m in model.metadata.metrics}
    assert figures["tumor kind accuracy"].value >= 0.93


def test_the_committed_manifest_is_rebuilt_from_the_sets(model, data):
    assert held_out_entries(model.metadata, data, None) == held_out_entries(
        model.metadata, data, MANIFEST
    )


def test_a_set_that_was_learnt_is_not_called_unseen(model, data):
    with pytest.raises(DatasetError, match="was trained on br35h"):
        unseen_entries(model.metadata, data, ["br35h"])
