"""Choosing and fitting what decides by the features, with scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.train.classical.spec import Learner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tumorlens.train.classical.spec import ClassicalSpec

_CLASS_WEIGHTS = {"none": None, "balanced": "balanced"}


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Features of some images and their classes.

    Attributes:
        features: float32 (N, D), scaled.
        truth: The class of each, int (N,), from 0.
    """

    features: NDArray[np.float32]
    truth: NDArray[np.int64]

    def __add__(self, other: Table) -> Table:
        return Table(
            np.concatenate([self.features, other.features]),
            np.concatenate([self.truth, other.truth]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A classifier that was tried.

    Attributes:
        settings: What it is, in words.
        balanced_accuracy: On the images that it did not learn from.
        accuracy: On the same.
        classifier: It, fitted.
    """

    settings: str
    balanced_accuracy: float
    accuracy: float
    classifier: Any


def try_all(spec: ClassicalSpec, learnt: Table, held_out: Table, seed: int) -> Iterator[Trial]:
    """Fit each classifier that the recipe names, and ask it about the held-out images."""
    from sklearn.metrics import accuracy_score, balanced_accuracy_score

    for settings, classifier in candidates(spec, learnt.features.shape[1], seed):
        classifier.fit(learnt.features, learnt.truth)
        chosen = classifier.predict(held_out.features)
        yield Trial(
            settings=settings,
            balanced_accuracy=float(balanced_accuracy_score(held_out.truth, chosen)),
            accuracy=float(accuracy_score(held_out.truth, chosen)),
            classifier=classifier,
        )


def best_of(trials: list[Trial]) -> Trial:
    """The one that is right most often over the classes; of equals, over the images; the first."""
    return max(trials, key=lambda trial: (trial.balanced_accuracy, trial.accuracy))


def learn_again(trial: Trial, table: Table) -> Any:
    """The same classifier, fitted to other images."""
    from sklearn.base import clone

    return clone(trial.classifier).fit(table.features, table.truth)


def candidates(spec: ClassicalSpec, features: int, seed: int) -> Iterator[tuple[str, Any]]:
    """The classifiers that a recipe tries, the plainest first, and what each is in words."""
    match spec.classifier:
        case Learner.SVM:
            return _machines(spec, features)
        case Learner.KNN:
            return _neighbours(spec)
        case Learner.TREE:
            return _trees(spec, seed)


def _machines(spec: ClassicalSpec, features: int) -> Iterator[tuple[str, Any]]:
    from sklearn.svm import SVC

    weight = _CLASS_WEIGHTS[spec.class_weight]
    for c in spec.svm.c:
        if spec.svm.kernel == "linear":
            yield f"svm linear c={c:g}", SVC(kernel="linear", C=c, class_weight=weight)
            continue
        for share in spec.svm.gamma:
            machine = SVC(C=c, gamma=share / features, class_weight=weight)
            yield f"svm rbf c={c:g} gamma={share:g}/{features}", machine


def _neighbours(spec: ClassicalSpec) -> Iterator[tuple[str, Any]]:
    from sklearn.neighbors import KNeighborsClassifier

    for count in spec.knn.neighbours:
        yield f"knn neighbours={count}", KNeighborsClassifier(count)


def _trees(spec: ClassicalSpec, seed: int) -> Iterator[tuple[str, Any]]:
    from sklearn.tree import DecisionTreeClassifier

    for depth in spec.tree.depth:
        for leaf in spec.tree.leaf:
            tree = DecisionTreeClassifier(
                max_depth=depth,
                min_samples_leaf=leaf,
                class_weight=_CLASS_WEIGHTS[spec.class_weight],
                random_state=seed,
            )
            yield f"tree depth={depth} leaf={leaf}", tree


def separation(table: Table) -> NDArray[np.float64]:
    """How far each feature alone separates the classes: F of a one-way analysis of variance.

    (D,); 0 for a feature that is the same in every image.
    """
    from sklearn.feature_selection import f_classif

    varies = np.ptp(table.features, axis=0) > 0
    found = np.zeros(table.features.shape[1])
    if varies.any():
        found[varies] = f_classif(table.features[:, varies].astype(np.float64), table.truth)[0]
    return np.nan_to_num(found, posinf=np.finfo(np.float64).max)
