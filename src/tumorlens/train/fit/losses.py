"""The loss of images whose class may be known in part, smoothed and weighted where asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def partial_label_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """Mean of -log of the summed probability of the classes that each image may be of.

    With one allowed class this is cross-entropy; with all tumor classes allowed, it asks for a
    tumor and leaves the kind open.

    Args:
        logits: float (N, C).
        allowed: bool (N, C), at least one True a row.
    """
    return partial_label_losses(logits, allowed).mean()


def partial_label_losses(logits: Tensor, allowed: Tensor, smoothing: float = 0.0) -> Tensor:
    """The same for each image, (N,), with a share of the target spread over all classes.

    Args:
        logits: float (N, C).
        allowed: bool (N, C), at least one True a row.
        smoothing: That share (Szegedy et al., 2016), in [0, 1).
    """
    log_probabilities = torch.log_softmax(logits.float(), dim=1)
    kept = log_probabilities.masked_fill(~allowed, -math.inf)
    hard = -torch.logsumexp(kept, dim=1)
    if not smoothing:
        return hard
    return (1 - smoothing) * hard - smoothing * log_probabilities.mean(dim=1)
