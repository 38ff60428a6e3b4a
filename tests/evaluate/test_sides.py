"""If these fail, a model is measured on what it learnt from, and nobody is told."""

import numpy as np
import pytest
from PIL import Image

from tests.conftest import tiny_metadata
from tests.data.test_duplicates import head
from tumorlens.data import manifest as manifests
from tumorlens.data.manifest import Protocol
from tumorlens.data.split import SplitBy, split
from tumorlens.errors import DatasetError, RecipeError
from tumorlens.evaluate.evaluation import Leak
from tumorlens.evaluate.sides import UNPROVEN, sides, without_copies
from tumorlens.train.recipe import IMPORTED_FROM

FOREIGN = tiny_metadata()


def save(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.ascontiguousarray(pixels) * 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A set with sides whose test side repeats two of its training images, and one without."""
    root = tmp_path_factory.mktemp("sets")
    kinds = ("glioma_tumor", "no_tumor")
    for seed in range(12):
        save(head(seed), root / "sided" / "Training" / kinds[seed % 2] / f"{seed}.png")
    for seed in (0, 1):
        save(head(seed)[:, ::-1], root / "sided" / "Testing" / kinds[seed] / "copy.png")
    for seed in range(20, 24):
        save(head(seed), root / "sided" / "Testing" / kinds[seed % 2] / f"{seed}.png")
    for seed in range(30, 42):
        save(head(seed), root / "plain" / ("metastasis", *kinds)[seed % 3] / f"{seed}.png")
    save(head(0), root / "plain" / "glioma_tumor" / "known.png")
    return root


def test_the_authors_split_says_how_much_of_its_test_side_was_learnt(root):
    found = sides(FOREIGN, root / "sided", None)
    assert found.protocol is Protocol.AUTHORS
    assert found.leak == Leak(images=6, same=2, near=2)
    assert [found.held_out[i].name.split("/")[-1] for i in found.rest] == [
        "20.png", "22.png", "21.png", "23.png",
    ]  # fmt: skip
    assert all("Training" in entry.name for entry in found.training)
    assert UNPROVEN in found.notes
    manifests.verify(found.held_out, found.root)


def test_an_imported_model_is_a_foreign_one(root):
    imported = tiny_metadata(recipe={IMPORTED_FROM: {"file": "mine.h5", "keras_version": "2.4"}})
    assert sides(imported, root / "plain", None) == sides(FOREIGN, root / "plain", None)


def test_a_set_without_sides_is_measured_whole_and_unknown_labels_are_said(root):
    found = sides(FOREIGN, root / "plain", None)
    assert found.training == []
    assert {entry.label for entry in found.held_out} == {"glioma", "no_tumor"}
    assert found.leak is None
    assert any("4 images are labelled metastasis" in note for note in found.notes)


def test_a_grouped_manifest_leaks_nothing(root, tmp_path):
    entries = split([root / "sided"], by=SplitBy.OFFICIAL).entries
    manifests.write(entries, tmp_path / "m.csv")
    found = sides(FOREIGN, root, tmp_path / "m.csv")
    assert found.leak is None
    assert {entry.fold for entry in found.held_out} == {1}
    assert found.notes == (UNPROVEN,)


def test_a_manifest_without_a_test_fold_is_refused(root, tmp_path):
    entries = [e for e in split([root / "sided"]).entries if e.fold != 1]
    manifests.write(entries, tmp_path / "m.csv")
    with pytest.raises(DatasetError, match="no image of the test side"):
        sides(FOREIGN, root, tmp_path / "m.csv")


def test_a_model_that_says_how_it_was_trained_is_not_taken_for_a_foreign_one(root):
    with pytest.raises(RecipeError, match="does not say how it was trained"):
        sides(tiny_metadata(recipe={"name": "of another version"}), root / "sided", None)


class TestCopiesInOtherSets:
    def test_what_was_learnt_from_is_left_out_of_a_set_of_another_name(self, root):
        training = sides(FOREIGN, root / "sided", None).training
        entries = list(split([root / "plain"]).entries)
        kept, notes = without_copies(entries, training, root)
        assert len(kept) == len(entries) - 1
        assert not any(entry.name.endswith("known.png") for entry in kept)
        (sentence,) = notes
        assert sentence.startswith("plain: 1 of 13 pictures are copies or near-copies")

    def test_without_the_training_images_it_is_said_that_nobody_looked(self, root, tmp_path, named):
        entries = named(["glioma"])
        kept, notes = without_copies(entries, named(["glioma"], start=9), tmp_path)
        assert kept == entries
        assert "copies of it" in notes[0]
