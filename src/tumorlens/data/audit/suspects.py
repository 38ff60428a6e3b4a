"""Labels that look wrong: the same picture under two labels, and confident learning.

Confident learning (Northcutt et al. 2021, doi:10.1613/jair.1.12125; cleanlab) estimates from
answers to held-out images how often each label is given for each true class, and names the
images that account for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.data.audit.copies import contradict
from tumorlens.data.audit.folds import deal, group_names
from tumorlens.data.audit.report import Suspect
from tumorlens.evaluate.metrics import balanced_accuracy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tumorlens.data.audit.facts import ImageFacts

FEWEST_GROUPS = 20
"""Independent groups of a class below which nothing is said of its labels: with fewer, an odd
image and a wrong label look alike."""

LEAST_CONFIDENCE = 0.5
"""A suspect's suggested label must be more probable than all others together."""

LEAST_SKILL = 0.75
"""Balanced accuracy on held-out images below which the learner accuses nobody: on small sets of
pictures from anywhere most of what it would name are its own errors."""

_SIDE = 16
"""Side of what the learner sees: on the public sets it answers as well from 16 pixels as from 64,
in a quarter of the time."""

_TREES = 200
_SMALLEST_LEAF = 2


def find_suspects(facts: Sequence[ImageFacts], same: Sequence[int] = ()) -> tuple[Suspect, ...]:
    """Images whose label looks wrong, most confident first.

    1. The same picture under labels that cannot both be true, within a set or across sets: its
       copies vote, and an image is a suspect where at least half of the others contradict it. Of
       two copies with two labels both are suspects, since one must be wrong. They come first.
    2. Within each set, images that confident learning names and whose suggested label is the more
       probable one, by trees that learnt from other groups of copies only. Classes of fewer than
       `FEWEST_GROUPS` groups are left out.

    Args:
        facts: Of all images of all sets, copies already joined to groups.
        same: For each image a number that is equal for the same picture; without it, pictures are
            the same where their pixels are.
    """
    pictures = [str(number) for number in same] or [image.pixel_sha256 for image in facts]
    voted = sorted(_contradicted(facts, pictures), key=_rank)
    known = {suspect.image for suspect in voted}
    by_set: defaultdict[str, list[ImageFacts]] = defaultdict(list)
    for image in facts:
        by_set[image.set].append(image)
    learnt = [
        suspect
        for images in by_set.values()
        for suspect in _by_learning(images)
        if suspect.image not in known
    ]
    return (*voted, *sorted(learnt, key=_rank))


def _rank(suspect: Suspect) -> tuple[float, str]:
    return -suspect.confidence, suspect.image


def _contradicted(facts: Sequence[ImageFacts], pictures: Sequence[str]) -> Iterator[Suspect]:
    """Images whose own copies say otherwise."""
    copies: defaultdict[str, list[ImageFacts]] = defaultdict(list)
    for image, picture in zip(facts, pictures, strict=True):
        copies[picture].append(image)
    for images in copies.values():
        votes = Counter(image.label for image in images)
        for image in images if len(votes) > 1 else ():
            against = {
                label: count for label, count in votes.items() if contradict(image.label, label)
            }
            share = sum(against.values()) / (len(images) - 1)
            if against and share >= LEAST_CONFIDENCE:
                yield Suspect(
                    image=image.name,
                    label=image.label,
                    suggested=max(sorted(against), key=against.__getitem__),
                    confidence=share,
                )


def _by_learning(images: Sequence[ImageFacts]) -> Iterator[Suspect]:
    """Suspects of one set, by confident learning."""
    judged = _of_large_classes(images)
    labels = sorted({image.label for image in judged})
    if len(labels) < 2:  # noqa: PLR2004  (there is no other label to suggest)
        return
    truth = np.array([labels.index(image.label) for image in judged], np.intp)
    answers = _held_out_answers(judged, truth)
    if _skill(truth, answers) < LEAST_SKILL:
        return
    for row in np.flatnonzero(_issues(truth, answers)):
        suggested = int(answers[row].argmax())
        confidence = float(answers[row, suggested])
        if suggested != truth[row] and confidence > LEAST_CONFIDENCE:
            yield Suspect(
                image=judged[row].name,
                label=judged[row].label,
                suggested=labels[suggested],
                confidence=min(confidence, 1.0),
            )


def _of_large_classes(images: Sequence[ImageFacts]) -> list[ImageFacts]:
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for image, name in zip(images, group_names(images), strict=True):
        groups[image.label].add(name)
    return [image for image in images if len(groups[image.label]) >= FEWEST_GROUPS]


def _held_out_answers(images: Sequence[ImageFacts], truth: NDArray[np.intp]) -> NDArray[np.float64]:
    """Probabilities (N, C) of each image, by what learnt from other groups of copies."""
    from sklearn.ensemble import ExtraTreesClassifier

    seen = np.stack([_small(image.pixels64) for image in images])
    folds = deal(truth, group_names(images))
    answers = np.zeros((len(images), int(truth.max()) + 1))
    for fold in range(int(folds.max()) + 1):
        mine = folds == fold
        learner: Any = ExtraTreesClassifier(
            _TREES, min_samples_leaf=_SMALLEST_LEAF, random_state=0, n_jobs=-1
        )
        learner.fit(seen[~mine], truth[~mine])
        answers[np.ix_(mine, learner.classes_)] = learner.predict_proba(seen[mine])
    return answers


def _skill(truth: NDArray[np.intp], answers: NDArray[np.float64]) -> float:
    return balanced_accuracy(truth, answers.argmax(axis=1))(np.arange(len(truth)))


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    box = pixels.shape[0] // _SIDE
    means: NDArray[np.float32] = pixels.reshape(_SIDE, box, _SIDE, box).mean(
        axis=(1, 3), dtype=np.float32
    )
    return means.ravel()


def _issues(truth: NDArray[np.intp], answers: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which images confident learning names: by both of its rules, to raise few false alarms."""
    from cleanlab.filter import find_label_issues

    found: NDArray[np.bool_] = find_label_issues(truth, answers, filter_by="both", n_jobs=1)
    return found
