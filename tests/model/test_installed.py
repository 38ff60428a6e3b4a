"""If these fail, the models that come with TumorLens are not what they say they are."""

from __future__ import annotations

import numpy as np
import pytest

from tumorlens.model.registry import BUNDLED, inspect_model, installed_models, load_model

MODELS = [model for model in installed_models() if model.path.parent == BUNDLED]
LARGEST_BUNDLED = 15e6

if not MODELS:
    pytest.skip("no model is bundled with this copy", allow_module_level=True)

parametrized = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


def test_exactly_one_is_the_default():
    assert sum(model.is_default for model in MODELS) == 1


@parametrized
def test_it_is_the_published_file_and_says_what_it_is_worth(model):
    inspection = inspect_model(model)
    assert inspection.problem is None
    assert inspection.metadata.name == model.name
    assert inspection.size < LARGEST_BUNDLED
    assert inspection.metadata.metrics
    assert inspection.metadata.data
    assert inspection.metadata.attribution


@parametrized
def test_it_answers_a_batch(model):
    loaded = load_model(model.name)
    spec = loaded.metadata.input
    random = np.random.default_rng(0)
    outputs = loaded.run(
        random.random((2, spec.channels, spec.height, spec.width), dtype=np.float32)
    )
    assert outputs.probabilities.shape == (2, len(loaded.metadata.classes))
