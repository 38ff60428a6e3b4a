"""The coarse brightness pattern of one picture given to another, as another scanner would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor

COARSE_SHARE = 0.02
"""The frequencies that are mixed, as a share of the side (Yang & Soatto, 2020, take 0.01)."""


def mix_styles(pictures: Tensor, share: float, chance: Generator) -> Tensor:
    """Mix the low Fourier amplitudes of some pictures with those of others of the batch.

    Args:
        pictures: float32 (N, 1, H, W) in [0, 1].
        share: Of how many pictures.
        chance: Where the choice, the partner and the strength come from.

    Returns:
        float32 (N, 1, H, W) in [0, 1].
    """
    count = len(pictures)
    chosen = torch.rand(count, 1, 1, 1, generator=chance) < share
    partner = torch.randperm(count, generator=chance)
    strength = torch.rand(count, 1, 1, 1, generator=chance)
    spectrum = torch.fft.rfft2(pictures)
    amplitude, phase = spectrum.abs(), spectrum.angle()
    reach = max(1, round(COARSE_SHARE * pictures.shape[-1]))
    mixed = amplitude.clone()
    for rows in (slice(0, reach + 1), slice(-reach, None)):
        low = (slice(None), slice(None), rows, slice(0, reach + 1))
        mixed[low] = torch.lerp(amplitude[low], amplitude[partner][low], strength)
    changed = torch.fft.irfft2(torch.polar(mixed, phase), s=pictures.shape[-2:])
    return torch.where(chosen, changed.clamp(0, 1), pictures)
