"""If these fail, features are measured in the wrong place, or not at all."""

import numpy as np
import pytest
import torch

from tumorlens.scan import draw_phantom
from tumorlens.train.classical.picture import denoised, look
from tumorlens.train.classical.spec import ClassicalSpec, Denoise, Segmentation

SIDE = 128


def drawn(seed, tumor="meningioma"):
    phantom = draw_phantom(seed, tumor=tumor, size=SIDE)
    return torch.from_numpy(phantom.pixels)[None, None], phantom.mask


@pytest.mark.parametrize("way", list(Segmentation))
def test_the_spot_lies_on_a_bright_tumor(way):
    found = []
    for seed in range(6):
        image, mask = drawn(seed)
        spot = look(image, ClassicalSpec(segmentation=way)).spot[0].numpy() > 0
        found.append((spot & mask).sum() / max(spot.sum(), 1))
    assert np.median(found) > 0.8


def test_the_head_is_filled_and_the_brain_lies_inside_it():
    image, _ = drawn(2, tumor=None)
    picture = look(image, ClassicalSpec())
    head, brain = picture.head[0] > 0, picture.brain[0] > 0
    assert head[SIDE // 2, SIDE // 2]
    assert not head[0, 0]
    assert brain.sum() > 0.4 * head.sum()
    assert not (brain & ~head).any()
    assert picture.equal[0][~head].abs().max() == 0


def test_equalisation_makes_up_for_contrast_and_brightness():
    image, _ = drawn(4)
    image = torch.round(image * 255) / 255
    darker = torch.round(image * 255 * 0.5) / 255
    one, other = look(image, ClassicalSpec()).equal, look(darker, ClassicalSpec()).equal
    assert (one - other).abs().mean() < 0.02


@pytest.mark.parametrize("way", [Denoise.MEDIAN, Denoise.GAUSSIAN])
def test_noise_is_reduced_and_what_is_even_stays(way):
    noise = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert denoised(noise, way).std() < 0.6 * noise.std()
    assert torch.allclose(denoised(torch.full((1, 1, 8, 8), 0.3), way), torch.tensor(0.3))


def test_a_mirrored_slice_is_segmented_in_the_mirror():
    image, _ = drawn(3)
    spec = ClassicalSpec()
    assert torch.equal(look(image.flip(3), spec).spot, look(image, spec).spot.flip(2))
