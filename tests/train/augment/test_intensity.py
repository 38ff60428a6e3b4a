"""If these fail, grey levels are changed in ways that lose what is in an image."""

import torch

from tumorlens.scan import draw_phantom
from tumorlens.train.augment import AugmentRecipe, augment
from tumorlens.train.augment.intensity import blurred, invert
from tumorlens.train.augment.surroundings import outside_head


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def ramp(count=1):
    return torch.linspace(0, 1, 101).expand(count, 1, 7, 101)


def test_a_random_curve_rises_from_0_to_1():
    """The order of the greys is what tells tissues apart."""
    bent = augment(ramp(16), AugmentRecipe(histogram=3), chance())
    assert (bent.diff(dim=3) > 0).all()
    assert torch.allclose(bent[..., 0], torch.zeros(()))
    assert torch.allclose(bent[..., -1], torch.ones(()), atol=1e-5)
    assert (bent - ramp()).abs().amax((1, 2, 3)).min() > 0.01


def test_gain_multiplies():
    changed = augment(ramp(16) * 0.5, AugmentRecipe(gain=0.5), chance())
    factors = changed[:, 0, 0, 100] / 0.5
    assert torch.allclose(changed, ramp() * 0.5 * factors.view(-1, 1, 1, 1), atol=1e-6)
    assert factors.min() < 0.7
    assert factors.max() > 1.3


def test_a_blur_is_the_same_for_an_image_alone_and_in_a_batch():
    images = torch.rand(5, 1, 30, 20, generator=chance(1))
    alone = torch.cat([blurred(image[None]) for image in images])
    assert torch.allclose(blurred(images), alone, atol=1e-6)


def test_inversion_turns_the_head_and_leaves_the_air_black():
    head = torch.from_numpy(draw_phantom(1, size=128).pixels).float()[None, None]
    outside = outside_head(head)
    turned = invert(head, outside, 1.0, chance())
    far_outside = -torch.nn.functional.max_pool2d(-outside.float(), 9, 1, 4) > 0.5
    assert torch.equal(turned[far_outside], head[far_outside])
    middle = (slice(None), slice(None), slice(50, 78), slice(50, 78))
    assert torch.allclose(turned[middle], head.max() - head[middle], atol=1e-5)
    assert torch.equal(invert(head, outside, 0.0, chance()), head)
