"""If these fail, the classifier that is shipped is not the one that was chosen and calibrated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier

from tumorlens.errors import ModelIncompatible
from tumorlens.train.classical.decide import fit_logits, to_scorer
from tumorlens.train.classical.learn import Table, best_of, separation, try_all
from tumorlens.train.classical.spec import ClassicalSpec, SvmChoices

CHOICES = {
    "svm": {"classifier": "svm"},
    "linear svm": {"classifier": "svm", "svm": {"kernel": "linear"}},
    "knn": {"classifier": "knn"},
    "tree": {"classifier": "tree"},
}


def table(classes, count=120, seed=0):
    random = np.random.default_rng(seed)
    truth = np.arange(count) % classes
    features = random.normal(size=(count, 6))
    features[:, 0] += 3 * truth
    features[:, 1] -= 2 * (truth == 0)
    features[:, 5] = 2.5  # what never changes must not hurt
    return Table(features.astype(np.float32), truth)


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("classes", [2, 4])
def test_the_graph_says_what_scikit_learn_says(name, classes):
    spec = ClassicalSpec.model_validate(CHOICES[name])
    learnt, held_out = table(classes), table(classes, seed=1)
    trials = list(try_all(spec, learnt, held_out, seed=0))
    best = best_of(trials)
    assert best.balanced_accuracy == max(trial.balanced_accuracy for trial in trials) > 0.8
    scorer = to_scorer(best.classifier, held_out)
    scores = scorer.scores(held_out.features)
    assert scores.shape == (120, classes)
    logits = fit_logits(scores, held_out.truth)(scores)
    agree = logits.argmax(axis=1) == best.classifier.predict(held_out.features)
    assert agree.mean() > 0.9  # where votes tie, calibration may decide otherwise


def test_a_graph_that_differs_from_what_was_fitted_is_refused(monkeypatch):
    fitted = DecisionTreeClassifier().fit(table(2).features, table(2).truth)
    monkeypatch.setattr(type(fitted), "predict", lambda *_: np.full(120, 7))
    with pytest.raises(ModelIncompatible, match="do not fit"):
        to_scorer(fitted, table(2))


def test_weights_let_a_rare_class_count_the_same():
    learnt, held_out = table(2, 400), table(2, 400, seed=1)
    rare = np.flatnonzero((learnt.truth == 0) | (np.arange(400) % 40 == 1))
    few = Table(learnt.features[rare] * [0.5, 0.5, 1, 1, 1, 1], learnt.truth[rare])
    few = Table(few.features.astype(np.float32), few.truth)
    asked = Table((held_out.features * [0.5, 0.5, 1, 1, 1, 1]).astype(np.float32), held_out.truth)

    def recall(weight):
        choices = SvmChoices(kernel="linear", c=(0.01,))
        spec = ClassicalSpec(class_weight=weight, svm=choices)
        (trial,) = try_all(spec, few, asked, seed=0)
        return (trial.classifier.predict(asked.features) == 1)[asked.truth == 1].mean()

    assert recall("balanced") > recall("none")


def test_of_equals_the_plainest_is_chosen():
    spec = ClassicalSpec(classifier="tree")
    trials = list(try_all(spec, table(2), table(2), seed=0))
    same = [t for t in trials if t.balanced_accuracy == best_of(trials).balanced_accuracy]
    assert best_of(trials) is same[0]


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 4), st.floats(0.2, 5.0), st.integers(0, 99))
def test_calibrated_logits_give_probabilities_as_often_as_they_say(classes, spread, seed):
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, 900)
    truth[:classes] = range(classes)
    scores = random.normal(size=(900, classes)) + spread * np.eye(classes)[truth] * 0.5
    logits = fit_logits(scores.astype(np.float32), truth)(scores.astype(np.float32))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for number in range(classes):
        assert shares[:, number].mean() == pytest.approx((truth == number).mean(), abs=0.03)


def test_features_are_ranked_by_how_far_they_separate():
    found = separation(table(4))
    assert found.argmax() == 0
    assert found[5] == 0
    assert np.isfinite(found).all()
