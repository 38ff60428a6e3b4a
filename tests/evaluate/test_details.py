"""If these fail, a figure in an evaluation is not what its name says."""

import numpy as np
import pytest
from sklearn import metrics as reference

from tests.conftest import tiny_metadata
from tumorlens.evaluate.details import class_families, measure, tumor_families
from tumorlens.evaluate.truth import Truth

METADATA = tiny_metadata()
CLASSES = METADATA.classes


def figures_of(families, count):
    groups = [str(number // 4) for number in range(count)]
    return {m.name: m for m in measure(families, groups, "drawn")}


@pytest.fixture(params=range(3), ids="seed {}".format)
def answered(request, guesses):
    """True classes and answers; chance decides how many of each there are."""
    chance = np.random.default_rng(request.param)
    truth = chance.choice(4, size=200, p=chance.dirichlet(np.ones(4) * 3))
    return truth, guesses(truth, seed=request.param)


def test_figures_of_classes_are_those_of_scikit_learn(answered):
    truth, probabilities = answered
    chosen, present = probabilities.argmax(axis=1), sorted(set(truth.tolist()))
    found = figures_of(class_families(METADATA, truth, probabilities), len(truth))
    expected = {
        "accuracy": reference.accuracy_score(truth, chosen),
        "balanced accuracy": reference.balanced_accuracy_score(truth, chosen),
        "Matthews correlation": reference.matthews_corrcoef(truth, chosen),
        "Brier score": reference.brier_score_loss(
            truth, probabilities, labels=range(4), scale_by_half=False
        ),
    }
    one = reference.precision_recall_fscore_support(truth, chosen, labels=present, zero_division=0)
    macro = {"macro precision": one[0], "balanced accuracy": one[1], "macro F1": one[2]}
    expected |= {name: values.mean() for name, values in macro.items()}
    for place, number in enumerate(present):
        name, mine = CLASSES[number], truth == number
        for figure, values in zip(("precision", "sensitivity", "F1"), one, strict=False):
            expected[f"{figure} {name}"] = values[place]
        expected[f"specificity {name}"] = reference.recall_score(~mine, chosen != number)
        expected[f"AUROC {name}"] = reference.roc_auc_score(mine, probabilities[:, number])
        expected[f"AUPRC {name}"] = reference.average_precision_score(
            mine, probabilities[:, number]
        )
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value), name
        assert found[name].low <= found[name].value <= found[name].high
    assert found["macro AUROC"].value == pytest.approx(
        np.mean([expected[f"AUROC {CLASSES[number]}"] for number in present])
    )
    assert len(found) == 10 + 6 * len(present)


def test_figures_of_tumor_against_none_are_those_of_scikit_learn(answered):
    kinds, probabilities = answered
    truth = (kinds > 0).astype(int)
    score = probabilities[:, 1:].sum(axis=1)
    called = score >= 0.5
    found = figures_of(tumor_families(METADATA, Truth(kinds, truth), probabilities), len(truth))
    for name, value in {
        "sensitivity": reference.recall_score(truth, called),
        "specificity": reference.recall_score(truth == 0, ~called),
        "precision": reference.precision_score(truth, called),
        "F1": reference.f1_score(truth, called),
        "balanced accuracy": reference.balanced_accuracy_score(truth, called),
        "Matthews correlation": reference.matthews_corrcoef(truth, called),
        "AUROC": reference.roc_auc_score(truth, score),
        "AUPRC": reference.average_precision_score(truth, score),
        "Brier score": reference.brier_score_loss(truth, score),
    }.items():
        assert found[f"tumor {name}"].value == pytest.approx(value), name


def test_tied_scores_are_counted_as_scikit_learn_does():
    truth = np.array([0, 1, 0, 1, 1, 0, 1, 0])
    score = np.array([0.5, 0.5, 0.2, 0.8, 0.2, 0.2, 0.8, 0.8])
    probabilities = np.stack([1 - score, score], axis=1)
    metadata = tiny_metadata(task="binary", classes=("no_tumor", "tumor"), positive=("tumor",),
                             display={})  # fmt: skip
    found = figures_of(class_families(metadata, truth, probabilities), 8)
    assert found["AUROC tumor"].value == pytest.approx(reference.roc_auc_score(truth, score))
    assert found["AUPRC tumor"].value == pytest.approx(
        reference.average_precision_score(truth, score)
    )


def test_the_calibration_error_is_the_gap_between_saying_and_being():
    """Ten answers at 0.9 of which eight are right: the gap is 0.1."""
    truth = np.array([1] * 8 + [0] * 2)
    probabilities = np.tile([0.1, 0.9], (10, 1))
    metadata = tiny_metadata(task="binary", classes=("no_tumor", "tumor"), positive=("tumor",),
                             display={})  # fmt: skip
    found = figures_of(class_families(metadata, truth, probabilities), 10)
    assert found["ECE"].value == pytest.approx(0.1)


def test_a_class_without_images_has_no_figures_and_one_that_is_never_chosen_has_precision_0():
    truth = np.array([0, 0, 1, 1])
    probabilities = np.tile([0.7, 0.1, 0.1, 0.1], (4, 1))
    found = figures_of(class_families(METADATA, truth, probabilities), 4)
    assert not any("pituitary" in name for name in found)
    assert found["precision glioma"].value == 0
    assert found["F1 glioma"].value == 0
    assert found["Matthews correlation"].value == 0


def test_a_single_class_has_no_area_and_no_specificity():
    truth = np.zeros(6, int)
    probabilities = np.tile([0.7, 0.1, 0.1, 0.1], (6, 1))
    found = figures_of(class_families(METADATA, truth, probabilities), 6)
    assert found["sensitivity no_tumor"].value == 1
    assert "AUROC no_tumor" not in found
    assert "specificity no_tumor" not in found
    assert "macro specificity" not in found
