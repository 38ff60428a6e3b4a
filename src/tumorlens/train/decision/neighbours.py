"""Training examples in few numbers each, so that the nearest of a slice can be named."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.model.decision import Neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.train.decision.observe import Observations

    Numbers = NDArray[np.float64]

DIMENSIONS = 32
"""Of a network's thousand features the training pictures spread along few; the rest is noise."""

_LARGEST = 127


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Features (N, D) minus `centre` (D,), times `directions` (D, K)."""

    centre: Numbers
    directions: Numbers

    def of(self, features: Numbers) -> Numbers:
        """(N, D) → (N, K)."""
        result: Numbers = (features - self.centre) @ self.directions
        return result


def fit_neighbours(learnt: Observations, held_out: Observations) -> tuple[Projection, Neighbours]:
    """The table of some training images, and how to bring features to it.

    Raises:
        ValueError: The network has no features to compare by.
    """
    if learnt.features is None or held_out.features is None:
        msg = "the network has no features to compare by"
        raise ValueError(msg)
    projection = _principal(learnt.features)
    placed = projection.of(learnt.features)
    step = float(np.abs(placed).max()) / _LARGEST or 1.0
    codes = np.rint(placed / step).astype(np.int8)
    apart = nearest_distance(projection.of(held_out.features), codes.astype(np.float64) * step)
    labels = sorted({entry.label for entry in learnt.entries})
    sources = sorted({entry.source for entry in learnt.entries})
    return projection, Neighbours(
        dimensions=placed.shape[1],
        step=step,
        codes=base64.b64encode(codes.tobytes()).decode("ascii"),
        labels=tuple(labels),
        sources=tuple(sources),
        label_of=tuple(labels.index(entry.label) for entry in learnt.entries),
        source_of=tuple(sources.index(entry.source) for entry in learnt.entries),
        usual=round(float(np.quantile(apart, 0.5)), 6),
        far=round(float(np.quantile(apart, 0.95)), 6),
    )


def nearest_distance(asked: Numbers, known: Numbers) -> Numbers:
    """The distance of each of (N, K) to the nearest of (M, K)."""
    squares = (known**2).sum(axis=1) - 2 * asked @ known.T + (asked**2).sum(axis=1)[:, None]
    result: Numbers = np.sqrt(np.maximum(squares.min(axis=1), 0))
    return result


def _principal(features: Numbers) -> Projection:
    centre = features.mean(axis=0)
    _, _, rows = np.linalg.svd(features - centre, full_matrices=False)
    return Projection(centre, rows[: min(DIMENSIONS, len(rows))].T)
