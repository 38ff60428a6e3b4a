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
    sides,
    unseen_entries,
)
from tumorlens.evaluate.sides import without_copies
from tumorlens.model.registry import load_model

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
NEVER_SEEN = ", never seen"

ANOTHER_PROCESSOR = 0.01
"""How much a figure may move because another processor rounds otherwise."""


@pytest.fixture(scope="module")
def published():
    return load_evaluation(REFERENCE / "evaluation.json")


@pytest.fixture(scope="module")
def model():
    return load_model(threads=1)


@pytest.fixture(scope="module")
def manifest(model):
    return REFERENCE / f"{model.metadata.name}-manifest.csv"


@pytest.fixture(scope="module")
def others(published):
    """The sets that it was measured on without having learnt anything from them."""
    ends = {m.on.removesuffix(NEVER_SEEN) for m in published.metrics if m.on.endswith(NEVER_SEEN)}
    return sorted(ends)


@pytest.fixture(scope="module")
def data(model, others):
    folder = Path(os.environ.get("TUMORLENS_DATA", ""))
    wanted = {source.name for source in model.metadata.data} | set(others)
    if "TUMORLENS_DATA" not in os.environ or not all((folder / one).is_dir() for one in wanted):
        pytest.skip(f"TUMORLENS_DATA names no folder with {', '.join(sorted(wanted))}")
    return folder


def test_measuring_again_gives_the_published_figures(model, manifest, data, published, others):
    found = sides(model.metadata, data, manifest)
    again = list(evaluate(model, found.held_out, predict(model, data, found.held_out)).metrics)
    for name in others:
        entries = unseen_entries(model.metadata, data, [name])
        entries, _ = without_copies(entries, found.training, data)
        again += evaluate_unseen(model, entries, predict(model, data, entries))
    stated = {(m.name, m.on): m for m in published.metrics}
    for mine in again:
        its = stated[mine.name, mine.on]
        assert mine.count == its.count
        assert mine.value == pytest.approx(its.value, abs=ANOTHER_PROCESSOR), mine.name


@pytest.mark.parametrize(
    ("figure", "on", "least"),
    [
        ("tumor kind accuracy", "fold 1 of cheng", 0.91),
        ("kind accuracy, given a tumor", "fold 1 of cheng", 0.95),
        ("mask Dice", "fold 1 of cheng", 0.73),
        ("tumor AUROC", "sartaj, never seen", 0.95),
    ],
)
def test_a_new_model_is_no_worse_than_the_first_of_its_kind(model, figure, on, least):
    figures = {(m.name, m.on): m.value for m in model.metadata.metrics}
    assert figures[figure, on] >= least


def test_the_committed_manifest_is_rebuilt_from_the_sets(model, manifest, data):
    assert held_out_entries(model.metadata, data, None) == held_out_entries(
        model.metadata, data, manifest
    )


def test_a_set_that_was_learnt_is_not_called_unseen(model, data):
    with pytest.raises(DatasetError, match="was trained on br35h"):
        unseen_entries(model.metadata, data, ["br35h"])
