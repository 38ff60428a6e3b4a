"""If these fail, the network is asked for something else than the labels say."""

import math

import torch

from tumorlens.train.fit.losses import partial_label_loss, partial_label_losses


class TestPartialLabels:
    def test_one_allowed_class_is_cross_entropy(self):
        logits = torch.randn(5, 4)
        truth = torch.tensor([0, 1, 2, 3, 1])
        allowed = torch.nn.functional.one_hot(truth, 4).bool()
        expected = torch.nn.functional.cross_entropy(logits, truth)
        assert torch.allclose(partial_label_loss(logits, allowed), expected)

    def test_a_tumor_of_unknown_kind_costs_only_its_missing_tumor_probability(self):
        logits = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
        allowed = torch.tensor([[False, True, True, True]])
        share = torch.softmax(logits, dim=1)[0, 1:].sum().item()
        assert math.isclose(
            partial_label_loss(logits, allowed).item(), -math.log(share), rel_tol=1e-5
        )


def test_smoothing_is_that_of_pytorch_where_the_class_is_known():
    logits = torch.randn(6, 3)
    truth = torch.tensor([0, 1, 2, 0, 1, 2])
    allowed = torch.nn.functional.one_hot(truth, 3).bool()
    expected = torch.nn.functional.cross_entropy(
        logits, truth, label_smoothing=0.1, reduction="none"
    )
    assert torch.allclose(partial_label_losses(logits, allowed, 0.1), expected, atol=1e-6)


def test_a_sigmoid_unit_costs_binary_cross_entropy():
    unit = torch.randn(7)
    truth = torch.tensor([0, 1, 1, 0, 1, 0, 1])
    logits = torch.stack([torch.zeros(7), unit], dim=1)
    allowed = torch.nn.functional.one_hot(truth, 2).bool()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(unit, truth.float())
    assert torch.allclose(partial_label_loss(logits, allowed), expected)
