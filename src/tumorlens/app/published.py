"""Evaluations that come with this copy of TumorLens."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tumorlens.errors import DatasetError
from tumorlens.evaluate.evaluation import EVALUATION_FILE, Evaluation, load_evaluation

_PACKAGE = Path(__file__).parent
# An installed package carries its evaluation; a checkout has it among its documents.
PLACES = (
    _PACKAGE / EVALUATION_FILE,
    _PACKAGE.parents[2] / "docs" / "reference" / EVALUATION_FILE,
)


@cache
def published() -> Evaluation | None:
    """The evaluation of the bundled model; None where this copy has none that can be read."""
    for place in PLACES:
        try:
            return load_evaluation(place)
        except DatasetError:
            continue
    return None


def evaluation_of(sha256: str) -> Evaluation | None:
    """The published evaluation of the model file with this hash, if there is one."""
    found = published()
    return found if found is not None and found.model_sha256 == sha256 else None
