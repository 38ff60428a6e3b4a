"""Figures of a classifier, each with a 95 % interval by bootstrap over groups of images.

Images of one patient, or near-copies of one another, are not independent. An interval that
resamples images would be too narrow, so whole groups are resampled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorlens.model.format import Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Indices = NDArray[np.intp]
    Floats = NDArray[np.float64]

RESAMPLES = 2000
INTERVAL = (2.5, 97.5)

BINS = 15
"""Bins of the calibration error, as in Guo et al. 2017 (arXiv:1706.04599)."""


def bootstrap(
    statistic: Callable[[Indices], float],
    groups: Sequence[str],
    *,
    seed: int = 0,
    resamples: int | None = None,
) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic, resampling whole groups.

    Args:
        statistic: A figure of the images with these indices (repeats allowed); NaN where it is
            not defined, which is left out.
        groups: The group of each image.
        seed: Where chance starts.
        resamples: How many times; `RESAMPLES` if None.
    """
    values = [statistic(indices) for indices in draws(groups, seed=seed, resamples=resamples)]
    low, high = np.nanpercentile(values, INTERVAL)
    return float(low), float(high)


def draws(
    groups: Sequence[str], *, seed: int = 0, resamples: int | None = None
) -> Iterator[Indices]:
    """The images of as many groups as there are, drawn with repeats, `resamples` times.

    Args:
        groups: The group of each image.
        seed: Where chance starts.
        resamples: How many times; `RESAMPLES` if None.
    """
    names, numbers = np.unique(np.asarray(groups), return_inverse=True)
    in_groups = np.argsort(numbers, kind="stable")
    sizes = np.bincount(numbers, minlength=len(names))
    starts = np.cumsum(sizes) - sizes
    chance = np.random.default_rng(seed)
    for _ in range(RESAMPLES if resamples is None else resamples):
        drawn = chance.integers(len(names), size=len(names))
        ends = np.cumsum(sizes[drawn])
        # The members of each drawn group one after another, counted on from where they start.
        offsets = np.repeat(starts[drawn] - ends + sizes[drawn], sizes[drawn])
        yield in_groups[offsets + np.arange(ends[-1])]


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


def auroc(truth: NDArray[np.bool_], score: Floats) -> Callable[[Indices], float]:
    """The area under the receiver operating characteristic; NaN where one side is empty."""
    both = areas(truth, score)
    return lambda indices: float(both(indices)[0])


def areas(truth: NDArray[np.bool_], score: Floats) -> Callable[[Indices], Floats]:
    """The areas under the ROC curve and under the precision-recall curve; NaN where undefined.

    The first is the share of pairs of a positive and a negative that stand in order, ties counted
    half (Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747). The second is the average
    precision, without interpolation (Davis and Goadrich 2006, doi:10.1145/1143844.1143874).
    """
    levels, level = np.unique(-score, return_inverse=True)

    def statistic(indices: Indices) -> Floats:
        sides, at = truth[indices], level[indices]
        positive = np.bincount(at[sides], minlength=len(levels))
        negative = np.bincount(at[~sides], minlength=len(levels))
        found, alarms = np.cumsum(positive), np.cumsum(negative)
        tumors, others = int(found[-1]), int(alarms[-1])
        if not tumors:
            return np.array([np.nan, np.nan])
        precision = found / np.maximum(found + alarms, 1)
        average = float(positive @ precision) / tumors
        if not others:
            return np.array([np.nan, average])
        twice_in_order = float(negative @ (2 * found - positive))
        return np.array([twice_in_order / (2 * tumors * others), average])

    return statistic


def calibration_error(right: NDArray[np.bool_], confidence: Floats) -> Callable[[Indices], float]:
    """The expected calibration error: mean distance of confidence and frequency, over `BINS` bins.

    Bins are equally wide and weigh by their images (Guo et al. 2017, arXiv:1706.04599).
    """
    bins = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    gap = confidence - right

    def statistic(indices: Indices) -> float:
        sums = np.bincount(bins[indices], weights=gap[indices], minlength=BINS)
        return float(np.abs(sums).sum() / len(indices))

    return statistic
