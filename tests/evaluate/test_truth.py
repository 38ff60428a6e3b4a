"""If these fail, an image counts as what it is not, and every figure over it is wrong."""

import pytest

from tests.conftest import tiny_metadata
from tumorlens.evaluate.truth import UNKNOWN, known_entries, left_out, truth_of


def binary(*classes, positive):
    return tiny_metadata(task="binary", classes=classes, positive=(positive,), display={})


def meaning(metadata, named, label):
    truth = truth_of(metadata, named([label]))
    return truth.kind[0], truth.tumor[0]


@pytest.mark.parametrize(
    ("label", "kind", "tumor"),
    [("no_tumor", 0, 0), ("glioma", 1, 1), ("tumor", UNKNOWN, 1), ("metastasis", UNKNOWN, UNKNOWN)],
)
def test_a_model_of_kinds_knows_its_classes_and_tumors_of_unknown_kind(named, label, kind, tumor):
    assert meaning(tiny_metadata(), named, label) == (kind, tumor)


@pytest.mark.parametrize(
    "metadata",
    [
        binary("no_tumor", "tumor", positive="tumor"),
        binary("notumor", "tumour", positive="tumour"),
        binary("no", "yes", positive="yes"),
        binary("clear", "lesion", positive="lesion"),
    ],
    ids=lambda metadata: " ".join(metadata.classes),
)
def test_with_one_class_of_tumors_every_other_label_is_that_class(named, metadata):
    assert meaning(metadata, named, "no_tumor") == (0, 0)
    assert meaning(metadata, named, "tumor") == (1, 1)
    assert meaning(metadata, named, "glioma") == (1, 1)


def test_labels_that_a_model_does_not_know_are_left_out_and_said(named):
    entries = named(["glioma", "metastasis", "metastasis", "no_tumor"])
    assert [e.label for e in known_entries(tiny_metadata(), entries)] == ["glioma", "no_tumor"]
    (sentence,) = left_out(tiny_metadata(), entries)
    assert sentence.startswith("2 images are labelled metastasis")


def test_tumors_of_unknown_kind_leave_no_accuracy_over_the_tumor_free_images_alone(named):
    unknown = truth_of(tiny_metadata(), named(["tumor", "no_tumor", "no_tumor"]))
    assert len(unknown.with_kind) == 0
    assert len(unknown.with_tumor) == 3
    some = truth_of(tiny_metadata(), named(["tumor", "no_tumor", "glioma"]))
    assert some.with_kind.tolist() == [1, 2]
