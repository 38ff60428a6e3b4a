"""If these fail, training on a CPU learns from wrong gradients, or waits for right ones."""

import pytest
import torch
from torch import nn

from tumorlens.train.architectures.mobilenetv2 import MobileNetV2
from tumorlens.train.architectures.strided import convolved


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return nn.Conv2d(24, 24, 3, stride=2, groups=24, bias=False)


def gradients(layer, x, *, narrow, through):
    x = x.clone().requires_grad_()
    layer.weight.grad = None
    with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
        y = through(layer, x) if through else layer(x)
    (y.float() * torch.linspace(-1, 1, y.shape[-1])).sum().backward()
    return y.detach().float(), x.grad, layer.weight.grad.clone(), y.grad_fn.name()


def test_its_gradients_are_those_of_32_bits_as_far_as_16_hold_them(layer):
    x = torch.randn(4, 24, 33, 33)
    exact = gradients(layer, x, narrow=False, through=None)
    found = gradients(layer, x, narrow=True, through=convolved)
    for given, wanted in zip(found[:3], exact[:3], strict=True):
        assert (given - wanted).norm() < 0.01 * wanted.norm()
    assert "Strided" in found[3]


@pytest.mark.parametrize(
    "other",
    [
        nn.Conv2d(24, 24, 3, groups=24, bias=False),
        nn.Conv2d(24, 24, 3, stride=2, bias=False),
        nn.Conv2d(24, 24, 3, stride=2, padding=1, groups=24, bias=False),
    ],
)
def test_other_convolutions_are_left_to_pytorch(other):
    *_, made_by = gradients(other, torch.randn(1, 24, 17, 17), narrow=True, through=convolved)
    assert "Strided" not in made_by


def test_in_32_bits_and_in_answering_nothing_is_changed(layer):
    x = torch.randn(1, 24, 17, 17)
    assert "Strided" not in gradients(layer, x, narrow=False, through=convolved)[3]
    with torch.inference_mode():
        assert torch.equal(convolved(layer, x), layer(x))


def test_a_part_of_the_network_gives_what_the_whole_gives_there():
    torch.manual_seed(0)
    whole = MobileNetV2().eval()
    part = MobileNetV2("block_13_").eval()
    part.load_state_dict({k: v for k, v in whole.state_dict().items() if k in part.state_dict()})
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        wanted = whole.levels(image, ("block_3_", "block_13_"))[:2]
        found = part.levels(image, ("block_3_",))
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert part.channels == found[-1].shape[1] == 576
    assert len([name for stage in part.stages for name in stage]) == len(
        dict(part.named_children())
    )
    assert all(stage for stage in part.stages[:-1])
