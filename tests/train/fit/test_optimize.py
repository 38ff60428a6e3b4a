"""If these fail, the weights that are kept are not the mean that the recipe asks for."""

import pytest
import torch
from torch import nn

from tumorlens.train.fit.optimize import averaged
from tumorlens.train.fit.spec import FitRecipe


def mean_of(values, decay):
    """The running mean of one weight that takes these values, one a step."""
    network = nn.Linear(1, 1, bias=False)
    average = averaged(network, FitRecipe(learning_rate=1.0, average=decay))
    for value in values:
        nn.init.constant_(network.weight, value)
        average.update_parameters(network)
    return average.module.weight.item()


def test_a_short_run_has_forgotten_where_it_began():
    assert mean_of([100.0] + [0.0] * 400, 0.995) < 1e-3


def test_a_long_run_is_averaged_over_as_many_steps_as_the_decay_says():
    before = [0.0] * 20_000
    assert mean_of([*before, 1.0], 0.995) == pytest.approx(0.005, rel=1e-4)


def test_whole_numbers_are_the_last_ones():
    network = nn.BatchNorm1d(2)
    average = averaged(network, FitRecipe(learning_rate=1.0, average=0.9))
    for _ in range(3):
        network(torch.randn(4, 2))
        average.update_parameters(network)
    assert int(average.module.num_batches_tracked) == 3
