"""What a magnetic resonance scanner does to an image: coil, resolution, k-space and noise.

Each change takes a strength an image, (N, 1, 1, 1), and leaves an image of strength 0 as it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from tumorlens.train.augment.chance import normal, strength, uniform, uniforms

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from tumorlens.train.augment.spec import AugmentRecipe

FIELD_DEGREE = 3
"""Of the polynomial of a bias field: a coil's sensitivity is smooth, and a cubic follows it."""

GHOSTS = (2, 8)
"""How many ghosts a periodic disturbance gives, at least and below."""

KEPT_CENTRE = 0.02
"""Share of k-space about its centre that ghosting leaves alone: it holds the mean grey."""

SLACK = 1e-6
"""Rounding of a frequency that stands exactly on the rim."""


def add_artefacts(images: Tensor, recipe: AugmentRecipe, generator: Generator) -> Tensor:
    """Bias field, loss of resolution, gaps in k-space, spikes and Rician noise, each for some.

    Args:
        images: float32 (N, 1, H, W), not negative.
        recipe: The ranges, and the share of the images that each is made to.
        generator: Where chance comes from.

    Returns:
        float32 (N, 1, H, W), not negative; it may pass 1.
    """

    def drawn(highest: float) -> Tensor:
        return strength(images, generator, highest, recipe.artefact_share)

    x = images
    if recipe.bias_field:
        x = bias_field(x, drawn(recipe.bias_field), generator)
    if recipe.low_resolution:
        rows, columns = drawn(recipe.low_resolution), drawn(recipe.low_resolution)
        x = low_resolution(x, rows, columns)
    if recipe.gibbs:
        x = gibbs(x, drawn(recipe.gibbs))
    if recipe.ghosting:
        x = ghosting(x, drawn(recipe.ghosting), generator)
    if recipe.spikes:
        x = spikes(x, drawn(recipe.spikes), generator)
    if recipe.rician:
        x = rician(x, drawn(recipe.rician), generator)
    return x


def bias_field(images: Tensor, amount: Tensor, generator: Generator) -> Tensor:
    """Multiply by a smooth field between 1 / (1 + amount) and 1 + amount."""
    return images * (torch.log1p(amount) * smooth_field(images, generator)).exp()


def smooth_field(images: Tensor, generator: Generator) -> Tensor:
    """A random cubic polynomial of the place, (N, 1, H, W), whose furthest value from 0 is 1."""
    height, width = images.shape[2:]
    y = torch.linspace(-1, 1, height, device=images.device).view(-1, 1)
    x = torch.linspace(-1, 1, width, device=images.device).view(1, -1)
    powers = [
        (i, j) for i in range(FIELD_DEGREE + 1) for j in range(FIELD_DEGREE + 1 - i) if i or j
    ]
    terms = torch.stack([x**i * y**j for i, j in powers])
    weights = uniforms(images, generator, len(powers))
    field = torch.einsum("nk,khw->nhw", weights, terms).unsqueeze(1)
    return field / field.abs().amax(dim=(2, 3), keepdim=True).clamp_min(SLACK)


def low_resolution(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Average pixels into fewer, larger ones along each axis, and interpolate them back.

    Args:
        images: float32 (N, 1, H, W).
        rows: Share of the rows that is lost, in [0, 1), (N, 1, 1, 1).
        columns: Share of the columns that is lost.
    """
    height, width = images.shape[2:]
    down = _coarsening(height, rows.flatten())
    across = _coarsening(width, columns.flatten())
    return (down @ images.squeeze(1) @ across.transpose(1, 2)).unsqueeze(1)


def _coarsening(size: int, lost: Tensor) -> Tensor:
    """(N, size, size): along one axis, the mean over each larger pixel, interpolated linearly."""
    count = (size * (1 - lost)).round().clamp_min(1).view(-1, 1, 1)
    fine = torch.arange(size, device=lost.device, dtype=torch.float32)
    left, right = fine * count / size, (fine + 1) * count / size  # of fine pixels, in coarse ones
    coarse = fine.view(-1, 1)
    overlap = torch.minimum(right, coarse + 1) - torch.maximum(left, coarse)
    means = overlap.clamp_min(0)
    centre = ((left + right) / 2 - 0.5).clamp_min(0)
    centre = torch.minimum(centre, count - 1).transpose(1, 2)
    interpolation = (1 - (centre - fine).abs()).clamp_min(0)
    return interpolation @ means


def gibbs(images: Tensor, cut: Tensor) -> Tensor:
    """Leave out the rim of k-space: what an acquisition matrix of fewer lines does at edges."""
    rows, columns = _frequencies(images)
    distance = 2 * torch.maximum(rows.abs(), columns.abs())  # 1 on the rim
    return _through_k_space(images, distance <= 1 - cut + SLACK)


def ghosting(images: Tensor, weakened: Tensor, generator: Generator) -> Tensor:
    """Weaken every so-manieth line of k-space along a random axis, as breathing and pulse do."""
    rows, columns = _frequencies(images)
    height, width = images.shape[2:]
    along_rows = uniform(images, generator, 0, 1) < 1 / 2
    every = uniform(images, generator, *GHOSTS).floor()
    line = torch.where(along_rows, (rows * height).abs(), (columns * width).abs()).round()
    frequency = torch.where(along_rows, rows, columns).abs()
    hit = (line % every == 0) & (frequency > KEPT_CENTRE / 2)
    return _through_k_space(images, 1 - weakened * hit)


def spikes(images: Tensor, amplitude: Tensor, generator: Generator) -> Tensor:
    """Add the stripes of one false point in k-space, at a random frequency and phase."""
    height, width = images.shape[2:]
    frequency = uniforms(images, generator, 2).view(-1, 2, 1, 1, 1) / 2  # cycles a pixel
    phase = math.pi * uniform(images, generator, -1, 1)
    y = torch.arange(height, device=images.device).view(-1, 1)
    x = torch.arange(width, device=images.device).view(1, -1)
    turns = frequency[:, 0] * y + frequency[:, 1] * x
    return (images + amplitude * torch.cos(2 * math.pi * turns + phase)).abs()


def rician(images: Tensor, deviation: Tensor, generator: Generator) -> Tensor:
    """The magnitude of a complex image with normal noise in both channels (Gudbjartsson, 1995)."""
    real = images + deviation * normal(images, generator)
    imaginary = deviation * normal(images, generator)
    return torch.hypot(real, imaginary)


def _frequencies(images: Tensor) -> tuple[Tensor, Tensor]:
    """Cycles a pixel along rows (H, 1) and columns (1, W // 2 + 1) of `torch.fft.rfft2`."""
    height, width = images.shape[2:]
    rows = torch.fft.fftfreq(height, device=images.device).view(-1, 1)
    columns = torch.fft.rfftfreq(width, device=images.device).view(1, -1)
    return rows, columns


def _through_k_space(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply k-space, and give the magnitude of what it then shows."""
    spectrum = torch.fft.rfft2(images) * factor
    changed: Tensor = torch.fft.irfft2(spectrum, s=images.shape[2:])
    return changed.abs()
