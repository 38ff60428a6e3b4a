"""What copies and patients mean for splits, folds and sets: leaks and overlaps, counted."""

from __future__ import annotations

from collections import defaultdict
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.audit.report import Leak, Overlap, PatientLeak

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tumorlens.data.audit.copies import CopiesFound
    from tumorlens.data.audit.facts import ImageFacts

LEARNT_FIRST = ("train", "validation", "test")
"""Splits in the order in which they are opened: each must be unseen by those before it."""

OTHERS = "all others"
"""What a fold is held against."""


def leaks(found: CopiesFound) -> tuple[Leak, ...]:
    """How much of each split of each set stands in the splits that it must be unseen by.

    Train, validation and test are held against those that are opened before; folds, and splits of
    other names, against all others of the set.
    """
    return tuple(leak for name in found.pictures.sets for leak in _leaks_of(found, name))


def overlaps(found: CopiesFound) -> tuple[Overlap, ...]:
    """Set against set, both ways, also where nothing is shared."""
    sides = found.pictures.sides
    return tuple(
        Overlap(of=one, among=other, images=images, same=same, near=near)
        for one, other in permutations(found.pictures.sets, 2)
        for images, same, near in [
            _reach(found, *(np.array([name == s for name, _ in sides]) for s in (one, other)))
        ]
    )


def patient_leaks(images: Sequence[ImageFacts]) -> tuple[PatientLeak, ...]:
    """Patients that stand in two splits (or folds) of one set."""
    held: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for image in images:
        if image.patient is not None and image.split:
            held[image.set, image.patient].append(image.split)
    return tuple(
        PatientLeak(name=name, patient=patient, splits=tuple(sorted(set(where))), images=len(where))
        for (name, patient), where in held.items()
        if len(set(where)) > 1
    )


def _leaks_of(found: CopiesFound, name: str) -> Iterator[Leak]:
    splits = [split for one, split in found.pictures.sides if one == name and split]
    if len(splits) < 2:  # noqa: PLR2004  (one side alone cannot leak)
        return
    is_official = set(splits) <= set(LEARNT_FIRST)
    for split in sorted(splits):
        before = LEARNT_FIRST[: LEARNT_FIRST.index(split)] if is_official else ()
        againsts = [s for s in before if s in splits] if is_official else [OTHERS]
        for against in againsts:
            others = {against} if is_official else set(splits) - {split}
            images, same, near = _reach(
                found,
                np.array([side == (name, split) for side in found.pictures.sides]),
                np.array([n == name and s in others for n, s in found.pictures.sides]),
            )
            yield Leak(name=name, split=split, against=against, images=images, same=same, near=near)


def _reach(
    found: CopiesFound, unseen: NDArray[np.bool_], learnt: NDArray[np.bool_]
) -> tuple[int, int, int]:
    """Images of some sides, and those with the same picture, or a near one, in other sides."""
    by_side = found.pictures.by_side
    held = by_side[:, unseen].sum(axis=1)
    identical = (by_side[:, learnt] > 0).any(axis=1)
    same = identical | found.same[:, learnt].any(axis=1)
    near = same | found.near[:, learnt].any(axis=1)
    return int(held.sum()), int(held[same].sum()), int(held[near].sum())
