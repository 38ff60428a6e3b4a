"""Shortcuts of a set: how well its labels are told without anyone reading a picture."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.audit.folds import deal, group_names
from tumorlens.data.audit.report import Control
from tumorlens.evaluate.controls import ControlKind, answer, answer_folds, gather, score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tumorlens.data.audit.facts import ImageFacts
    from tumorlens.evaluate.controls import ControlScore, Evidence

    Progress = Callable[[int, int], None]

MOST_TESTED = 5000
"""Images that are answered at most, drawn by lot: more would move no figure by a point, and the
copy-detector compares each with every image that it learnt."""


@dataclass(frozen=True, slots=True, eq=False)
class _Set:
    """One set, ready to be measured."""

    name: str
    images: Sequence[ImageFacts]
    truth: NDArray[np.intp]
    labels: tuple[str, ...]
    groups: list[str]
    evidence: Evidence


@dataclass(frozen=True, slots=True, eq=False)
class _Protocol:
    """Who learns from whom.

    Attributes:
        words: What it is measured on, to follow the set's name.
        folds: The fold of each image: each is answered by what learnt from all others.
        train: Where there is an official split, the images that alone are learnt from.
        tested: The images that are answered.
    """

    words: str
    folds: NDArray[np.intp]
    train: NDArray[np.intp] | None
    tested: NDArray[np.intp]


def measure_shortcuts(
    facts: Sequence[ImageFacts], progress: Progress | None = None
) -> tuple[Control, ...]:
    """What each control scores on each set.

    - With an official split: from train to test (to validation where there is no test).
    - With its author's folds: each fold by what learnt from the others.
    - Otherwise: cross-validated, whole groups of copies in one fold; and the copy-detector once
      more with images dealt singly, since the difference is what copies are worth.

    A property that is the same for all images of a set is left out. Sets of a single class, and
    sets too small to be both learnt from and answered, have no controls.

    Args:
        facts: Of all images of all sets, copies already joined to groups.
        progress: Called with (sets measured, sets in all).
    """
    by_set: defaultdict[str, list[ImageFacts]] = defaultdict(list)
    for image in facts:
        by_set[image.set].append(image)
    found: list[Control] = []
    for number, (name, images) in enumerate(by_set.items(), start=1):
        found += _measure(name, images)
        if progress:
            progress(number, len(by_set))
    return tuple(found)


def text_shares(facts: Sequence[ImageFacts]) -> dict[str, float]:
    """Label → share of its images with burned-in text, in [0, 1]."""
    flagged: defaultdict[str, list[bool]] = defaultdict(list)
    for image in facts:
        flagged[image.label].append("text" in image.flags)
    return {label: sum(each) / len(each) for label, each in sorted(flagged.items())}


def _measure(name: str, images: Sequence[ImageFacts]) -> Iterator[Control]:
    labels = tuple(sorted({image.label for image in images}))
    if len(labels) < 2:  # noqa: PLR2004  (there is nothing to tell apart)
        return
    one = _Set(
        name=name,
        images=images,
        truth=np.array([labels.index(image.label) for image in images], np.intp),
        labels=labels,
        groups=group_names(images),
        evidence=gather(images),
    )
    protocol = _official(one) or _authored(one) or _dealt(one, one.groups, "copies kept together")
    if protocol is None:
        return
    chance = _scored(one, protocol, ControlKind.LARGEST_CLASS).accuracy.value
    for kind in ControlKind:
        if kind is not ControlKind.LARGEST_CLASS and one.evidence.tells_apart(kind):
            yield _control(one, protocol, kind, chance)
    if protocol.train is not None:
        return
    names = [image.name for image in images]
    singly = _dealt(one, names, "copies not kept together")
    if singly is not None:
        yield _control(one, singly, ControlKind.COPY_DETECTOR, chance)


def _official(one: _Set) -> _Protocol | None:
    """From the train side to the side that is opened last."""
    splits = np.array([image.split for image in one.images])
    train = np.flatnonzero(splits == "train")
    for name in ("test", "validation"):
        tested = np.flatnonzero(splits == name)
        if train.size and tested.size:
            folds = (splits == name).astype(np.intp)
            return _Protocol(f"its own {name} split", folds, train, _by_lot(tested))
    return None


def _authored(one: _Set) -> _Protocol | None:
    """Each of the author's folds by the others."""
    splits = [image.split for image in one.images]
    names = sorted(set(splits))
    if len(names) < 2 or "" in names:  # noqa: PLR2004
        return None
    folds = np.array([names.index(split) for split in splits], np.intp)
    return _Protocol("its author's folds", folds, None, _by_lot(np.arange(len(splits))))


def _dealt(one: _Set, groups: Sequence[str], words: str) -> _Protocol | None:
    folds = deal(one.truth, groups)
    if not folds.any():
        return None
    return _Protocol(f"cross-validated, {words}", folds, None, _by_lot(np.arange(len(folds))))


def _by_lot(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    if len(rows) <= MOST_TESTED:
        return rows
    chance = np.random.default_rng(0)
    return np.sort(chance.choice(rows, MOST_TESTED, replace=False))


def _control(one: _Set, protocol: _Protocol, kind: ControlKind, chance: float) -> Control:
    found = _scored(one, protocol, kind)
    return Control(
        name=kind.value,
        on=found.accuracy.on,
        accuracy=found.accuracy.value,
        balanced_accuracy=found.balanced_accuracy.value,
        chance=chance,
        images=found.accuracy.count,
        accuracy_low=found.accuracy.low,
        accuracy_high=found.accuracy.high,
        auroc=found.auroc,
        detail=_text_detail(one.images) if kind is ControlKind.TEXT else "",
    )


def _text_detail(images: Sequence[ImageFacts]) -> str:
    shares = [f"{share:.1%} of {label}" for label, share in text_shares(images).items()]
    return "burned-in text on " + ", ".join(shares)


def _scored(one: _Set, protocol: _Protocol, kind: ControlKind) -> ControlScore:
    tested, classes = protocol.tested, len(one.labels)
    if protocol.train is None:
        answers = answer_folds(
            kind, one.evidence, one.truth, classes, folds=protocol.folds, tested=tested
        )
    else:
        answers = answer(kind, one.evidence, one.truth, classes, train=protocol.train, test=tested)
    groups = [one.groups[row] for row in tested]
    return score(kind, answers, one.truth[tested], groups, f"{one.name}, {protocol.words}")
