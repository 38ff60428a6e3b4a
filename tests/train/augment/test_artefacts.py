"""If these fail, the network is hardened against artefacts that no scanner has."""

import pytest
import torch

from tumorlens.train.augment.artefacts import (
    bias_field,
    ghosting,
    gibbs,
    low_resolution,
    rician,
    smooth_field,
    spikes,
)


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def amount(value, count=1):
    return torch.full((count, 1, 1, 1), value)


def block(size=64):
    """A bright square in the middle of black."""
    image = torch.zeros(1, 1, size, size)
    image[..., size // 4 : -size // 4, size // 4 : -size // 4] = 0.8
    return image


@pytest.mark.parametrize("size", [(64, 64), (33, 48), (50, 31)])
@pytest.mark.parametrize(
    "change",
    [
        lambda x, s: bias_field(x, s, chance()),
        lambda x, s: low_resolution(x, s, s),
        gibbs,
        lambda x, s: ghosting(x, s, chance()),
        lambda x, s: spikes(x, s, chance()),
        lambda x, s: rician(x, s, chance()),
    ],
)
def test_strength_0_is_the_identity_beside_an_image_that_is_changed(change, size):
    images = torch.rand(2, 1, *size, generator=chance(1))
    changed = change(images, torch.tensor([0.0, 0.6]).view(2, 1, 1, 1))
    assert torch.allclose(changed[0], images[0], atol=2e-6)
    assert not torch.allclose(changed[1], images[1], atol=0.02)


def test_a_bias_field_is_smooth_and_bounded():
    field = smooth_field(torch.zeros(16, 1, 64, 64), chance())
    assert torch.allclose(field.abs().amax((2, 3)), torch.ones(16, 1))
    assert field.diff(dim=2).abs().max() < 0.35
    changed = bias_field(torch.full((16, 1, 64, 64), 0.5), amount(1.0, 16), chance())
    assert changed.max() <= 1.0 + 1e-5
    assert changed.min() >= 0.25 - 1e-5


def test_gibbs_ringing_passes_the_edge_by_about_nine_percent():
    """The overshoot of a cut Fourier series beside a jump (Wilbraham, Gibbs) is 8.9 %."""
    image = block(256)
    ringing = gibbs(image, amount(0.75))
    row = ringing[0, 0, 128]
    assert row.max() == pytest.approx(0.8 * 1.0895, rel=0.02)
    assert ringing.mean() == pytest.approx(image.mean().item(), rel=0.05)


def test_gibbs_leaves_no_frequency_beyond_the_cut():
    images = 0.5 + 0.1 * torch.rand(
        1, 1, 64, 64, generator=chance(1)
    )  # its magnitude needs no turn
    spectrum = torch.fft.fft2(gibbs(images, amount(0.5))).abs()
    frequencies = torch.fft.fftfreq(64).abs()
    beyond = (frequencies.view(-1, 1) > 0.2501) | (frequencies > 0.2501)
    assert spectrum[0, 0][beyond].max() < 1e-3
    assert spectrum[0, 0][~beyond].mean() > 0.1


def test_ghosts_are_shifted_copies_along_one_axis():
    """A point in the middle comes again at equal distances, with a share of its brightness."""
    image = torch.zeros(16, 1, 60, 60)
    image[..., 30, 30] = 1.0
    ghosts = ghosting(image, amount(1.0, 16), chance(3))
    for ghost in ghosts[:, 0]:
        rows, columns = (ghost > 0.05).nonzero().T
        assert set(rows.tolist()) == {30} or set(columns.tolist()) == {30}
        assert len(rows) > 1


def test_a_spike_is_one_frequency():
    change = spikes(torch.full((1, 1, 64, 64), 0.5), amount(0.2), chance()) - 0.5
    power = torch.fft.fft2(change).abs().square()[0, 0]
    strongest = power.flatten().topk(20).values.sum()
    assert strongest > 0.8 * power.sum()
    assert change.abs().max() == pytest.approx(0.2, rel=0.05)


def test_low_resolution_averages_and_keeps_the_mean_grey():
    images = torch.rand(1, 1, 64, 64, generator=chance(1))
    coarse = low_resolution(images, amount(0.75), amount(0.0))
    assert coarse.mean() == pytest.approx(images.mean().item(), rel=0.02)
    assert coarse.diff(dim=2).std() < 0.3 * images.diff(dim=2).std()
    assert coarse.diff(dim=3).std() > 0.3 * images.diff(dim=3).std()


def test_rician_noise_has_the_level_of_theory():
    """In air it is a Rayleigh distribution, whose mean is 1.2533 standard deviations."""
    air = rician(torch.zeros(1, 1, 200, 200), amount(0.1), chance())
    assert air.mean() == pytest.approx(0.12533, rel=0.02)
    bright = rician(torch.full((1, 1, 200, 200), 0.9), amount(0.02), chance())
    assert bright.std() == pytest.approx(0.02, rel=0.03)
