"""If these fail, a network goes on telling collections apart by what stands around the head."""

import pytest
import torch

from tumorlens.scan import draw_phantom
from tumorlens.train.augment import AugmentRecipe
from tumorlens.train.augment.surroundings import draw_frame, lift_background, outside_head


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def head():
    return torch.from_numpy(draw_phantom(1, size=128).pixels).float()[None, None]


def test_a_dark_place_inside_the_head_is_not_outside(head):
    head = head.clone()
    head[..., 60:70, 60:70] = 0.0
    outside = outside_head(head)
    assert outside[..., 0, :].all()
    assert outside[..., :, 0].all()
    assert not outside[..., 55:75, 55:75].any()
    assert (outside & (head > 0.3)).sum() == 0


def test_black_pictures_are_all_outside():
    assert outside_head(torch.zeros(1, 1, 20, 20)).all()


def test_the_background_is_lifted_and_the_brain_stays(head):
    images = head.expand(16, -1, -1, -1)
    recipe = AugmentRecipe(background=0.5, artefact_share=1)
    lifted = lift_background(images, outside_head(images), recipe, chance())
    corners = (lifted - images)[:, 0, 2:6, 2:6].mean((1, 2))
    assert corners.max() > 0.1
    assert corners.max() <= 0.5
    assert corners.std() > 0.02
    assert torch.equal(lifted[..., 55:75, 55:75], images[..., 55:75, 55:75])


def test_a_border_is_as_wide_as_the_recipe_says_and_of_one_grey():
    images = torch.zeros(32, 1, 50, 50)
    frame = draw_frame(images, AugmentRecipe(frame=0.2, artefact_share=0.5), chance())
    assert not frame.covered[..., 10:40, 10:40].any()
    painted = frame.covered.flatten(1).any(1)
    assert 0 < painted.sum() < 32
    assert frame.covered[:, 0, 25, 8].any()
    for image, covered in zip(frame.paint(images), frame.covered, strict=True):
        assert len(image[covered].unique()) <= 1
