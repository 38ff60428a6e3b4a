"""If these fail, lesions are outlined where the network is not that sure, or not at all."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tumorlens.train.dataset import LabelledImages
from tumorlens.train.dense.images import MarkedImages
from tumorlens.train.dense.level import LEVELS, Overlaps, fit_mask_rules, overlap_at
from tumorlens.train.dense.network import DenseOutputs, LesionNetwork

SIDE = 64


def test_the_overlap_is_that_of_what_is_at_or_above_each_level():
    probabilities = np.array([[[0.9, 0.3], [0.3, 0.05]]], np.float32)
    drawn = np.array([[[True, True], [False, False]]])
    found = dict(zip(LEVELS, overlap_at(LEVELS, probabilities, drawn)[0].tolist(), strict=True))
    assert found[0.3] == pytest.approx(2 * 2 / (3 + 2))
    assert found[0.35] == pytest.approx(2 * 1 / (1 + 2))
    assert found[0.1] == found[0.3]


@pytest.mark.parametrize("sure", [0.3, 0.6])
def test_a_network_that_marks_with_restraint_gets_a_lower_level(monkeypatch, sure):
    def marks(_, pictures):
        inside = functional.max_pool2d(pictures, 4)
        around = functional.max_pool2d(inside, 5, stride=1, padding=2)
        probability = 0.01 + sure / 2 * around + sure / 2 * inside
        none = torch.zeros(len(pictures))
        return DenseOutputs(torch.logit(probability), none, none[:, None])

    monkeypatch.setattr(LesionNetwork, "forward", marks)
    rules = fit_mask_rules(LesionNetwork(3), _squares(), torch.device("cpu"))
    assert sure / 2 < rules.level <= sure


def test_lesions_of_which_the_network_is_unevenly_sure_are_outlined_by_a_share_of_their_peak(
    monkeypatch,
):
    def marks(_, pictures):
        inside = functional.max_pool2d(pictures, 4)
        around = functional.max_pool2d(inside, 5, stride=1, padding=2)
        sure = torch.tensor([0.9, 0.3])[:, None, None, None]
        probability = 0.01 + sure * (0.4 * around + 0.6 * inside)
        none = torch.zeros(len(pictures))
        return DenseOutputs(torch.logit(probability), none, none[:, None])

    monkeypatch.setattr(LesionNetwork, "forward", marks)
    rules = fit_mask_rules(LesionNetwork(3), _squares(), torch.device("cpu"))
    assert rules.level <= 0.31
    assert 0.4 < rules.peak_share < 1


def test_of_levels_that_overlap_alike_the_highest_is_taken():
    values = np.full((1, 8, 8), 0.01, np.float32)
    values[:, 2:6, 2:6] = 0.52
    rules = Overlaps.of(values, values > 0.5).rules()
    assert rules.level == 0.5
    assert rules.peak_share == 0


def test_a_lesion_that_no_level_reaches_counts_as_not_outlined():
    sure, faint = np.full((2, 1, 8, 8), 0.01, np.float32)
    sure[:, 2:6, 2:6], faint[:, 2:6, 2:6] = 0.9, 0.2
    values = np.concatenate([sure, faint])
    both = Overlaps.joined([Overlaps.of(one[None], one[None] > 0.1) for one in values])
    assert len(both) == 2
    assert both.rules().level <= 0.2


def _squares():
    """Two pictures with a bright square, which the mask shows, and one of nothing."""
    masks = torch.zeros(3, 1, SIDE, SIDE, dtype=torch.uint8)
    masks[0, 0, 16:40, 20:44] = 255
    masks[1, 0, 24:44, 24:48] = 255
    nothing = torch.zeros(3, 1, dtype=torch.bool)
    images = LabelledImages(masks, nothing, ())
    marked = torch.tensor([True, True, False])
    return MarkedImages(images, masks, marked, ~marked, torch.full((3,), -1))
