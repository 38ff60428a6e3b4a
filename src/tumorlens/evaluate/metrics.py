"""Figures of a classifier, each with a 95 % interval by bootstrap over groups of images.

Images of one patient, or near-copies of one another, are not independent. An interval that
resamples images would be too narrow, so whole groups are resampled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorlens.model.format import Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Indices = NDArray[np.intp]

RESAMPLES = 2000
INTERVAL = (2.5, 97.5)


def bootstrap(
    statistic: Callable[[Indices], float],
    groups: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic, resampling whole groups.

    Args:
        statistic: A figure of the images with these indices (repeats allowed); NaN where it is
            not defined, which is left out.
        groups: The group of each image.
        seed: Where chance starts.
        resamples: How many times.
    """
    names, numbers = np.unique(np.asarray(groups), return_inverse=True)
    in_groups = np.argsort(numbers, kind="stable")
    sizes = np.bincount(numbers, minlength=len(names))
    starts = np.cumsum(sizes) - sizes
    chance = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        drawn = chance.integers(len(names), size=len(names))
        ends = np.cumsum(sizes[drawn])
        # The members of each drawn group one after another, counted on from where they start.
        offsets = np.repeat(starts[drawn] - ends + sizes[drawn], sizes[drawn])
        values.append(statistic(in_groups[offsets + np.arange(ends[-1])]))
    low, high = np.nanpercentile(values, INTERVAL)
    return float(low), float(high)


def with_interval(
    name: str, on: str, statistic: Callable[[Indices], float], groups: Sequence[str]
) -> Metric:
    """A statistic of all images, and its interval, as a `Metric`."""
    everything = np.arange(len(groups))
    low, high = bootstrap(statistic, groups)
    return Metric(
        name=name, value=float(statistic(everything)), low=low, high=high, on=on, count=len(groups)
    )


def accuracy(truth: NDArray[np.intp], chosen: NDArray[np.intp]) -> Callable[[Indices], float]:
    """The share of images whose chosen class is the true one."""
    right = truth == chosen
    return lambda indices: float(right[indices].mean())


def sensitivity(
    truth: NDArray[np.intp], chosen: NDArray[np.intp], number: int
) -> Callable[[Indices], float]:
    """The share of the images of one class that are given that class (recall)."""
    of_class, right = truth == number, truth == chosen

    def statistic(indices: Indices) -> float:
        mine = indices[of_class[indices]]
        return float(right[mine].mean()) if mine.size else float("nan")

    return statistic


def balanced_accuracy(
    truth: NDArray[np.intp], chosen: NDArray[np.intp]
) -> Callable[[Indices], float]:
    """The mean sensitivity over the classes that the images have."""
    right = (truth == chosen).astype(np.float64)

    def statistic(indices: Indices) -> float:
        counts = np.bincount(truth[indices])
        hits = np.bincount(truth[indices], weights=right[indices])
        return float((hits[counts > 0] / counts[counts > 0]).mean())

    return statistic


def macro_f1(
    truth: NDArray[np.intp], chosen: NDArray[np.intp], classes: Sequence[int]
) -> Callable[[Indices], float]:
    """The mean over classes of the harmonic mean of precision and sensitivity."""
    from sklearn.metrics import f1_score

    return lambda indices: float(
        f1_score(
            truth[indices], chosen[indices], labels=list(classes), average="macro", zero_division=0
        )
    )


def auroc(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> Callable[[Indices], float]:
    """The area under the receiver operating characteristic; NaN where one side is empty.

    It is the share of pairs of a positive and a negative that stand in order, ties counted half
    (Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747), and so is counted here.
    """
    levels, level = np.unique(score, return_inverse=True)

    def statistic(indices: Indices) -> float:
        sides, at = truth[indices], level[indices]
        positive = np.bincount(at[sides], minlength=len(levels))
        negative = np.bincount(at[~sides], minlength=len(levels))
        pairs = int(positive.sum()) * int(negative.sum())
        if not pairs:
            return float("nan")
        twice_in_order = positive @ (2 * np.cumsum(negative) - negative)
        return float(twice_in_order / (2 * pairs))

    return statistic
