"""Numbers drawn an image, from a generator that the caller owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor


def uniform(images: Tensor, generator: Generator, low: float, high: float) -> Tensor:
    """One number an image, uniform in [low, high), of shape (N, 1, 1, 1), beside the images.

    It is drawn where the generator lives, so a generator on the CPU gives images on a GPU the
    changes that it gives images on the CPU.
    """
    unit = torch.rand((len(images), 1, 1, 1), generator=generator, device=generator.device)
    return (low + (high - low) * unit).to(images.device)


def uniforms(images: Tensor, generator: Generator, count: int) -> Tensor:
    """So many numbers an image, uniform in [-1, 1), of shape (N, count)."""
    unit = torch.rand((len(images), count), generator=generator, device=generator.device)
    return (2 * unit - 1).to(images.device)


def normal(images: Tensor, generator: Generator) -> Tensor:
    """One number a pixel from the standard normal distribution, of the images' shape."""
    drawn = torch.randn(images.shape, generator=generator, device=generator.device)
    return drawn.to(images.device)


def share(images: Tensor, generator: Generator, wanted: float) -> Tensor:
    """True for about the wanted share of the images, of shape (N, 1, 1, 1)."""
    return uniform(images, generator, 0, 1) < wanted


def strength(images: Tensor, generator: Generator, highest: float, wanted: float) -> Tensor:
    """Uniform in [0, highest) for the wanted share of the images and 0 for the others."""
    return share(images, generator, wanted) * uniform(images, generator, 0, highest)
