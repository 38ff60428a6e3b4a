"""What the labels of images mean to a model: one of its classes, a tumor, or nothing it knows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.index import NO_TUMOR, TUMOR, class_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import ModelMetadata

UNKNOWN = -1


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is known of N images.

    Attributes:
        kind: The number of the image's class, (N,); `UNKNOWN` where it is none of the model's.
        tumor: 1 for a tumor, 0 for none, (N,); `UNKNOWN` where the model knows no such label.
    """

    kind: NDArray[np.intp]
    tumor: NDArray[np.intp]

    @property
    def with_kind(self) -> NDArray[np.intp]:
        """The images that are judged by their class, by row: those that are of one of the model's.

        None where only one class is known and the others are tumors of unknown kind: an accuracy
        over the tumor-free images alone would say nothing of the tumors.
        """
        known = np.flatnonzero(self.kind != UNKNOWN)
        one_sided = len(known) < len(self.kind) and len(set(self.kind[known].tolist())) == 1
        return known[:0] if one_sided else known

    @property
    def with_tumor(self) -> NDArray[np.intp]:
        """The images that are known to show a tumor, or none, by row."""
        return np.flatnonzero(self.tumor != UNKNOWN)


def truth_of(metadata: ModelMetadata, entries: Sequence[Entry]) -> Truth:
    """What the labels of some images mean to a model.

    A label is the class of its name, written as folders are (``notumor`` is ``no_tumor``). Where a
    model has one class of tumors only, every label but that of no tumor is that class. Where it
    has several, an image that shows a tumor of unknown kind has no class, but shows a tumor.
    """
    meaning = {label: _meaning(metadata, label) for label in {entry.label for entry in entries}}
    pairs = [meaning[entry.label] for entry in entries]
    kind, tumor = np.array(pairs, np.intp).reshape(-1, 2).T
    return Truth(kind, tumor)


def known_entries(metadata: ModelMetadata, entries: Sequence[Entry]) -> list[Entry]:
    """The images whose label means anything to a model: a class, a tumor, or none."""
    truth = truth_of(metadata, entries)
    known = (truth.kind != UNKNOWN) | (truth.tumor != UNKNOWN)
    return [entry for entry, is_known in zip(entries, known, strict=True) if is_known]


def left_out(metadata: ModelMetadata, entries: Sequence[Entry]) -> list[str]:
    """A sentence for each label that a model knows nothing of."""
    counts = Counter(entry.label for entry in entries)
    return [
        f"{number} images are labelled {label}, which is none of the model's classes; left out"
        for label, number in sorted(counts.items())
        if _meaning(metadata, label)[1] == UNKNOWN
    ]


def _meaning(metadata: ModelMetadata, label: str) -> tuple[int, int]:
    """The number of the class that a label means, and whether it means a tumor."""
    number = _class_of(metadata, label)
    if number != UNKNOWN:
        return number, int(metadata.classes[number] in metadata.positive)
    return UNKNOWN, {TUMOR: 1, NO_TUMOR: 0}.get(label, UNKNOWN)


def _class_of(metadata: ModelMetadata, label: str) -> int:
    for names in (metadata.classes, tuple(map(class_name, metadata.classes))):
        if names.count(label) == 1:
            return names.index(label)
    tumors = [i for i, name in enumerate(metadata.classes) if name in metadata.positive]
    others = [i for i in range(len(metadata.classes)) if i not in tumors]
    if label == NO_TUMOR:
        return others[0] if len(others) == 1 else UNKNOWN
    only = len(tumors) == 1 and (label == TUMOR or len(others) == 1)
    return tumors[0] if only else UNKNOWN
