"""From features to calibrated logits: the fitted classifier as ONNX, and what its scores mean.

A fitted classifier is kept as an ONNX graph by skl2onnx and never as a pickle, and it is that
graph that is calibrated, measured and shipped.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tumorlens.errors import ModelIncompatible

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.train.classical.learn import Table

OPSETS = {"": 18, "ai.onnx.ml": 3}
FEATURES, SCORES = "features", "probabilities"
"""Names in the graph; skl2onnx calls the scores so, also where they are distances to a margin."""

AGREEMENT = 0.99
"""Share of images that a graph must call the same as scikit-learn does.

Votes of neighbours that tie, and distances that differ in the last digit, may go the other way.
"""

_ROWS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """A fitted classifier.

    Attributes:
        content: The bytes of its ONNX graph: features (N, D) to scores (N, C).
        session: The same, ready to run.
    """

    content: bytes
    session: Any

    @classmethod
    def load(cls, content: bytes) -> Self:
        """From the bytes of a graph."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what fails is raised; nothing is written past us
        providers = ["CPUExecutionProvider"]
        return cls(content, onnxruntime.InferenceSession(content, options, providers=providers))

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) → (N, C): decision values of support vectors, or shares of votes."""
        result: NDArray[np.float32] = self.session.run([SCORES], {FEATURES: features})[0]
        return result


def to_scorer(classifier: Any, table: Table) -> Scorer:
    """Convert a fitted scikit-learn classifier.

    Args:
        classifier: It.
        table: Images that both must call the same.

    Raises:
        ModelIncompatible: They do not.
    """
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    options: dict[str, Any] = {"zipmap": False}
    if hasattr(classifier, "decision_function"):
        options["raw_scores"] = True
    with warnings.catch_warnings():
        # skl2onnx still asks for attributes that scikit-learn is about to remove.
        warnings.simplefilter("ignore", FutureWarning)
        proto = to_onnx(
            classifier,
            initial_types=[(FEATURES, FloatTensorType([None, table.features.shape[1]]))],
            options={id(classifier): options},
            target_opset=OPSETS,
        )
    scorer = Scorer.load(proto.SerializeToString())
    wanted = classifier.predict(table.features)
    given = scorer.session.run(None, {FEATURES: table.features})[0]
    if np.mean(wanted == given) < AGREEMENT:
        msg = (
            f"the converted classifier agrees with scikit-learn's on {np.mean(wanted == given):.1%}"
            " of the held-out images only; these versions of scikit-learn and skl2onnx do not fit"
        )
        raise ModelIncompatible(msg)
    return scorer


@dataclass(frozen=True, slots=True, eq=False)
class LogitMap:
    """Scores times a matrix plus a bias: Platt's scaling (1999) for any number of classes.

    Attributes:
        weight: float32 (C, S).
        bias: float32 (C,).
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __call__(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, S) → logits (N, C)."""
        logits: NDArray[np.float32] = scores @ self.weight.T + self.bias
        return logits


def fit_logits(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> LogitMap:
    """What the scores of held-out images mean, by multinomial logistic regression.

    Args:
        scores: (N, S).
        truth: (N,), the class of each; every class occurs.
    """
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(max_iter=1000).fit(scores, truth)
    weight, bias = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == _ROWS:
        weight = np.concatenate([np.zeros_like(weight), weight])
        bias = np.concatenate([np.zeros_like(bias), bias])
    return LogitMap(weight.astype(np.float32), bias.astype(np.float32))
