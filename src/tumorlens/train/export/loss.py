"""What a conversion costs: the converted model beside its source on images that neither learnt."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tumorlens.decide.decide import decide
from tumorlens.errors import DatasetError, ModelIncompatible
from tumorlens.model.load import available_cores
from tumorlens.model.prepare import prepare
from tumorlens.scan import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import Metric
    from tumorlens.model.run import Model
    from tumorlens.train.export.samples import Samples

    Progress = Callable[[int, int], None]

ACCURACY = "accuracy"
ACCURACY_LOST = "accuracy lost by conversion"
SAME_ANSWER = "same answer as before conversion"
MEAN_CHANGE = "mean change of a probability"


@dataclass(frozen=True, slots=True)
class Loss:
    """A converted model beside its source on the same held-out images.

    Attributes:
        accuracy: Of the converted model, over the images whose class is known.
        lost: How much lower that is than the source's; below 0 where it is higher.
        same: The share of images with the same status and label.
        change: The mean absolute difference of a probability.
    """

    accuracy: Metric
    lost: Metric
    same: Metric
    change: Metric

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All of them."""
        return self.accuracy, self.lost, self.same, self.change

    def require(self, most_points: float) -> None:
        """Raise where more accuracy is lost than is allowed.

        One image more that is answered wrong is always allowed: a set cannot tell less.

        Args:
            most_points: Allowed loss in points of accuracy, that is in hundredths.

        Raises:
            ModelIncompatible: More is lost.
        """
        images = round(self.lost.value * self.lost.count)
        if 100 * self.lost.value > most_points and images > 1:
            msg = (
                f"the conversion loses {100 * self.lost.value:.2f} points of accuracy on "
                f"{self.lost.on} ({images} of {self.lost.count} images), allowed are "
                f"{most_points:g}; no file was left. Allow more with --max-loss, or keep 32 bits"
            )
            raise ModelIncompatible(msg)


class _Pair(NamedTuple):
    """What both models say of one image: probabilities, and status with label."""

    before: NDArray[np.float32]
    after: NDArray[np.float32]
    same: bool


def measure(
    source: Model, converted: Model, samples: Samples, progress: Progress | None = None
) -> Loss:
    """Answer every held-out image with both models.

    Args:
        source: The model that was converted.
        converted: What became of it.
        samples: Their images.
        progress: Called with (images answered, images in all).

    Raises:
        DatasetError: There is no held-out image whose class is known.
        ScanError: An image cannot be read.
    """
    from tumorlens.evaluate.figures import where
    from tumorlens.evaluate.metrics import with_interval
    from tumorlens.evaluate.truth import truth_of

    entries = samples.held_out
    truth = truth_of(source.metadata, entries)
    known = truth.with_kind
    if not len(known):
        msg = f"{samples.root}: no held-out image is labelled as one of the model's classes"
        raise DatasetError(msg)
    pairs = _pairs(source, converted, samples.root, entries, progress)
    right_before = np.array([pair.before.argmax() for pair in pairs])[known] == truth.kind[known]
    right_after = np.array([pair.after.argmax() for pair in pairs])[known] == truth.kind[known]
    drop = right_before.astype(float) - right_after.astype(float)
    same = np.array([pair.same for pair in pairs], float)
    change = np.array([np.abs(pair.after - pair.before).mean() for pair in pairs])
    inside = [entries[i] for i in known]
    groups, all_groups = [e.group for e in inside], [e.group for e in entries]
    on, on_all = where(inside), where(entries)
    return Loss(
        with_interval(ACCURACY, on, lambda i: float(right_after[i].mean()), groups),
        with_interval(ACCURACY_LOST, on, lambda i: float(drop[i].mean()), groups),
        with_interval(SAME_ANSWER, on_all, lambda i: float(same[i].mean()), all_groups),
        with_interval(MEAN_CHANGE, on_all, lambda i: float(change[i].mean()), all_groups),
    )


def _pairs(
    source: Model,
    converted: Model,
    root: Path,
    entries: tuple[Entry, ...],
    progress: Progress | None,
) -> list[_Pair]:
    def one(entry: Entry) -> _Pair:
        scan = next(read(root / entry.name))
        batch = prepare(scan.pixels, source.metadata.input).tensor[None]
        outputs = source.run(batch), converted.run(batch)
        first, second = (
            decide(scan, (), given, model)
            for given, model in zip(outputs, (source, converted), strict=True)
        )
        same = (first.status, first.label) == (second.status, second.label)
        return _Pair(outputs[0].probabilities[0], outputs[1].probabilities[0], same)

    pairs = []
    with ThreadPoolExecutor(available_cores()) as pool:
        for pair in pool.map(one, entries):
            pairs.append(pair)
            if progress:
                progress(len(pairs), len(entries))
    return pairs
