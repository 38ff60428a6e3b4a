"""If these fail, a published figure or its interval is wrong."""

import numpy as np
import pytest

from tumorlens.evaluate.metrics import accuracy, auroc, bootstrap, macro_f1, sensitivity

TRUTH = np.array([0, 0, 0, 1, 1, 2])
CHOSEN = np.array([0, 0, 1, 1, 1, 0])
ALL = np.arange(6)


def test_accuracy_and_sensitivity_are_shares_of_images():
    assert accuracy(TRUTH, CHOSEN)(ALL) == pytest.approx(4 / 6)
    assert sensitivity(TRUTH, CHOSEN, 0)(ALL) == pytest.approx(2 / 3)
    assert sensitivity(TRUTH, CHOSEN, 2)(ALL) == 0
    assert np.isnan(sensitivity(TRUTH, CHOSEN, 2)(np.array([0, 1])))


def test_macro_f1_weighs_every_class_alike():
    assert macro_f1(TRUTH, CHOSEN, [0, 1, 2])(ALL) == pytest.approx((2 / 3 + 0.8 + 0) / 3)


def test_auroc_is_the_share_of_pairs_in_order():
    truth, score = np.array([True, True, False, False]), np.array([0.9, 0.4, 0.5, 0.1])
    assert auroc(truth, score)(np.arange(4)) == pytest.approx(3 / 4)
    assert np.isnan(auroc(truth, score)(np.array([0, 1])))


def test_an_interval_over_groups_is_wider_than_over_their_images():
    """100 copies of each of ten patients are ten observations, not a thousand."""
    right = np.repeat([1, 1, 1, 1, 1, 1, 1, 0, 0, 0], 100)
    patients = np.repeat(np.arange(10), 100).astype(str)
    images = np.arange(1000).astype(str)

    def mean(indices):
        return float(right[indices].mean())

    low, high = bootstrap(mean, list(patients), resamples=400)
    narrow_low, narrow_high = bootstrap(mean, list(images), resamples=400)
    assert high - low > 5 * (narrow_high - narrow_low)
    assert low <= 0.7 <= high


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    chance = np.random.default_rng(1)
    covered = 0
    for _ in range(100):
        values = chance.random(60) < 0.8
        low, high = bootstrap(
            lambda i, v=values: float(v[i].mean()), [str(i) for i in range(60)], resamples=200
        )
        covered += low <= 0.8 <= high
    assert covered >= 85
