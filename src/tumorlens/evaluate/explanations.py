"""Whether a heatmap lies on the tumor: scored against masks that were drawn by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.evaluate.metrics import with_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tumorlens.model.format import Metric

    Map = NDArray[np.float32]
    Mask = NDArray[np.bool_]

LEVELS = tuple(round(0.1 * step, 1) for step in range(1, 10))
"""Shares of a map's own maximum that it may be cut at."""


@dataclass(frozen=True, slots=True)
class MapScore:
    """How one map lies on one mask.

    Attributes:
        hit: Whether the map's highest place lies in the mask (pointing game; Zhang et al., 2018).
        energy: Share of the map's mass inside the mask (Wang et al., "Score-CAM", 2020).
        area: Share of the pixels that the network saw inside the mask: what an even map would have.
        overlap: Intersection over union of the mask with the map cut at each of `LEVELS`.
    """

    hit: bool
    energy: float
    area: float
    overlap: tuple[float, ...]


def score_map(values: Map, mask: Mask, seen: Mask) -> MapScore:
    """Score one map.

    Args:
        values: The map over the slice, (H, W); what is below 0 counts as 0.
        mask: The tumor, bool (H, W), with at least one pixel.
        seen: What the network saw of the slice, bool (H, W).

    Returns:
        A map without any positive value misses, has no energy and no overlap.
    """
    positive = np.maximum(values, 0).astype(np.float64)
    total, highest = float(positive.sum()), float(positive.max())
    area = int(np.count_nonzero(mask & seen)) / max(int(np.count_nonzero(seen)), 1)
    if total <= 0:
        return MapScore(hit=False, energy=0.0, area=area, overlap=(0.0,) * len(LEVELS))
    cut = [positive >= level * highest for level in LEVELS]
    overlap = [_overlap(one, mask) for one in cut]
    return MapScore(
        hit=bool(mask[np.unravel_index(int(positive.argmax()), mask.shape)]),
        energy=float(positive[mask].sum() / total),
        area=area,
        overlap=tuple(overlap),
    )


def _overlap(one: Mask, other: Mask) -> float:
    return int(np.count_nonzero(one & other)) / max(int(np.count_nonzero(one | other)), 1)


def best_level(scores: Sequence[MapScore]) -> int:
    """The number of the level with the highest mean overlap: chosen on other images than scored."""
    return int(np.mean([one.overlap for one in scores], axis=0).argmax())


def map_figures(
    scores: Sequence[MapScore], groups: Sequence[str], on: str, level: int | None
) -> tuple[Metric, ...]:
    """The figures of many maps, with intervals over groups.

    Args:
        scores: Of the maps.
        groups: The group of each image.
        on: What the images are, in words.
        level: From `best_level`, on other images; without one, no IoU is given.
    """
    hits = np.array([one.hit for one in scores], np.float64)
    energy, area = (np.array([getattr(one, name) for one in scores]) for name in ("energy", "area"))
    figures = [
        with_interval("pointing game", on, lambda rows: float(hits[rows].mean()), groups),
        with_interval(
            "map energy in the tumor", on, lambda rows: float(energy[rows].mean()), groups
        ),
        with_interval(
            "map energy over area share",
            on,
            lambda rows: float(energy[rows].mean() / max(area[rows].mean(), 1e-9)),
            groups,
        ),
    ]
    if level is not None:
        overlap = np.array([one.overlap[level] for one in scores])
        name = f"map IoU at {LEVELS[level]:g} of its maximum"
        figures.append(with_interval(name, on, lambda rows: float(overlap[rows].mean()), groups))
    return tuple(figures)
