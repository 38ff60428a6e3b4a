"""What the network that marks lesions is taught by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from tumorlens.train.dense.network import DenseOutputs
    from tumorlens.train.dense.spec import LossSpec

WORST_SHARE = 0.02
"""The worst share of a picture's pixels counts by itself: a small lesion is lost in a mean."""

ALL_WEIGHT = 2.0
"""Brings the mean over all pixels to about the size of the other parts."""

LEAST = 1e-6
"""What is divided by, at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """What is known of a batch.

    Attributes:
        mask: float32 (N, 1, H, W) in [0, 1]; zeros where nothing is known of it.
        mask_known: bool (N,); an empty mask is known where there is no tumor.
        tumor: float32 (N,), 1 where the picture shows a tumor.
        kind: int64 (N,), the number of the kind, or -1 where it is unknown or there is none.
    """

    mask: Tensor
    mask_known: Tensor
    tumor: Tensor
    kind: Tensor


def dense_loss(outputs: DenseOutputs, taught: Taught, weights: LossSpec) -> Tensor:
    """The weighted sum of the four parts."""
    marks = outputs.marks.float()
    mask = functional.adaptive_avg_pool2d(taught.mask, (marks.shape[-2], marks.shape[-1]))
    known = taught.mask_known.float()
    count = known.sum().clamp_min(1)
    pixels = (_pixel_loss(marks, mask, weights.worst) * known).sum() / count
    has_lesion = known * (mask.amax(dim=(1, 2, 3)) > 0.5).float()  # noqa: PLR2004 - more than half
    overlap = (_overlap_loss(marks, mask, weights.smoothing) * has_lesion).sum() / count
    tumor = functional.binary_cross_entropy_with_logits(outputs.tumor.float(), taught.tumor)
    named = taught.kind >= 0
    kind = outputs.kinds.float().sum() * 0
    if named.any():
        kind = functional.cross_entropy(outputs.kinds[named].float(), taught.kind[named])
    return (
        weights.pixels * pixels
        + weights.overlap * overlap
        + weights.tumor * tumor
        + weights.kind * kind
    )


def _pixel_loss(marks: Tensor, mask: Tensor, worst_weight: float) -> Tensor:
    """(N, 1, h, w) twice → (N,)."""
    each = functional.binary_cross_entropy_with_logits(marks, mask, reduction="none").flatten(1)
    worst = torch.topk(each, max(1, round(WORST_SHARE * each.shape[1])), dim=1).values
    return ALL_WEIGHT * each.mean(dim=1) + worst_weight * worst.mean(dim=1)


def _overlap_loss(marks: Tensor, mask: Tensor, smoothing: float) -> Tensor:
    """One minus the soft Dice overlap (Milletari et al., 2016), (N, 1, h, w) twice → (N,)."""
    found = torch.sigmoid(marks)
    both = (found * mask).sum(dim=(1, 2, 3))
    either = found.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3))
    return 1 - (2 * both + smoothing) / (either + smoothing).clamp_min(LEAST)
