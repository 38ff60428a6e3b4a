"""If these fail, the learning rate is not what the recipe says, and results do not repeat."""

import pytest

from tumorlens.train.fit import Epoch
from tumorlens.train.fit.schedule import learning_rate, plateaus
from tumorlens.train.fit.spec import FitRecipe


def recipe(**settings):
    return FitRecipe(**({"learning_rate": 1.0, "warmup_epochs": 0} | settings))


def line(number, loss, accuracy=0.5):
    return Epoch(
        epoch=number, learning_rate=1, train_loss=loss, validation_loss=loss,
        validation_accuracy=accuracy, seconds=1,
    )  # fmt: skip


def test_the_warm_up_rises_to_the_rate_and_never_stands_still():
    rates = [learning_rate(recipe(warmup_epochs=2), p, 10, []) for p in (0, 0.5, 1, 1.99)]
    assert rates == sorted(rates)
    assert 0 < rates[0] < rates[-1] <= 1


def test_a_constant_rate_is_constant():
    assert {learning_rate(recipe(schedule="constant"), p, 9, []) for p in (0, 3.3, 8.9)} == {1.0}


def test_a_cosine_ends_at_nothing():
    cosine = recipe(schedule="cosine", warmup_epochs=1)
    assert learning_rate(cosine, 1, 11, []) == 1
    assert learning_rate(cosine, 6, 11, []) == pytest.approx(0.5)
    assert learning_rate(cosine, 11, 11, []) == pytest.approx(0)


def test_steps_come_every_so_many_epochs():
    steps = recipe(schedule="step", step_epochs=3, decay=0.5)
    rates = [learning_rate(steps, p, 9, []) for p in (0, 2.9, 3, 5.9, 6)]
    assert rates == [1, 1, 0.5, 0.5, 0.25]


def test_a_plateau_is_so_many_epochs_without_a_better_figure():
    plateau = recipe(schedule="plateau", step_epochs=2, decay=0.1)
    losses = [1.0, 0.8, 0.9, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7]
    curves = [line(i, loss) for i, loss in enumerate(losses, start=1)]
    assert [plateaus(plateau, curves[:n]) for n in range(10)] == [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]
    assert learning_rate(plateau, 4, 20, curves[:4]) == pytest.approx(0.1)


def test_a_plateau_of_accuracy_is_one_of_accuracy():
    plateau = recipe(schedule="plateau", step_epochs=1, monitor="accuracy")
    assert plateaus(plateau, [line(1, 0.9, 0.5), line(2, 0.8, 0.5)]) == 1
    assert plateaus(plateau, [line(1, 0.9, 0.5), line(2, 0.95, 0.6)]) == 0
