"""If these fail, a model is given limits that its held-out images do not support."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tumorlens.train.calibrate import COVERAGE, conformal_quantiles, fit_novelty

CLASSES = ("no_tumor", "glioma", "meningioma")


def quantiles(probabilities, allowed):
    images = SimpleNamespace(allowed=torch.tensor(allowed))
    return conformal_quantiles(np.asarray(probabilities, np.float64), images, CLASSES)


def test_a_class_that_is_known_only_as_some_tumor_is_never_ruled_out():
    found = quantiles([[0.2, 0.5, 0.3]] * 40, [[False, True, True]] * 40)
    assert found == dict.fromkeys(CLASSES, 1.0)


@pytest.mark.parametrize(("count", "is_fitted"), [(8, False), (9, True)])
def test_too_few_images_of_a_class_rule_nothing_out(count, is_fitted):
    found = quantiles([[0.9, 0.05, 0.05]] * count, [[True, False, False]] * count)
    assert (found["no_tumor"] < 1) == is_fitted


def test_at_least_the_coverage_of_a_class_lies_within_its_limit():
    chance = np.random.default_rng(0)
    for count in (9, 10, 37, 400):
        right = chance.random(count)
        rows = np.stack([right, (1 - right) / 2, (1 - right) / 2], axis=1)
        limit = quantiles(rows, [[True, False, False]] * count)["no_tumor"]
        assert np.mean(1 - right <= limit) >= COVERAGE


def test_novelty_is_exact_where_features_spread_in_few_directions():
    """A small network on few images: else its file and its network would tell other distances."""
    chance = np.random.default_rng(0)
    plane = chance.normal(size=(160, 30)) @ chance.normal(size=(30, 128))
    features = (plane + 1e-3 * chance.normal(size=(160, 128))).astype(np.float32)
    entries = [SimpleNamespace(label=CLASSES[number % 2]) for number in range(160)]
    reference = fit_novelty(features[:120], SimpleNamespace(entries=entries[:120]))
    directions = reference.directions.astype(np.float64)
    deviations = 1 / np.linalg.norm(directions, axis=0)
    difference = features[120:, None].astype(np.float64) - reference.centres
    along = difference @ directions
    rest = difference - (along * deviations) @ (directions * deviations).T
    squared = (along**2).sum(axis=2) + ((rest / reference.residual) ** 2).sum(axis=2)
    expected = np.sqrt(squared / 128).min(axis=1)
    np.testing.assert_allclose(reference.distance(features[120:]), expected, rtol=1e-3)
