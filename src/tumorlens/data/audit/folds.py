"""Folds in which whole groups of copies stand on one side, for cross-validation of an audit."""

from __future__ import annotations

import warnings
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tumorlens.data.audit.facts import ImageFacts

FOLDS = 5


def group_names(images: Sequence[ImageFacts]) -> list[str]:
    """The group of each image; one that was not compared with others stands alone."""
    return [str(i.group) if i.group >= 0 else f"alone {n}" for n, i in enumerate(images)]


def fewest_groups(truth: NDArray[np.intp], groups: Sequence[str]) -> int:
    """The number of groups of the class that has the fewest."""
    held: defaultdict[int, set[str]] = defaultdict(set)
    for number, name in zip(truth, groups, strict=True):
        held[int(number)].add(name)
    return min(map(len, held.values()), default=0)


def deal(truth: NDArray[np.intp], groups: Sequence[str], *, seed: int = 0) -> NDArray[np.intp]:
    """Deal whole groups to at most `FOLDS` folds, balanced over the classes.

    No more folds are made than the class with the fewest groups has, so that each class can be
    both learnt from and answered.

    Args:
        truth: The class of each image, (N,), from 0.
        groups: The group of each image.
        seed: Decides the deal.

    Returns:
        The fold of each image, (N,), from 0; all of one fold where some class has one group only.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    numbers = np.zeros(len(truth), np.intp)
    folds = min(FOLDS, fewest_groups(truth, groups))
    if folds < 2:  # noqa: PLR2004  (one side to learn from, and one to answer)
        return numbers
    dealer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A rare class is dealt as far as it goes.
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, side) in enumerate(dealer.split(truth, truth, list(groups))):
            numbers[side] = number
    return numbers
