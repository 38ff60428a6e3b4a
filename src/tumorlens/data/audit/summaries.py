"""Each set in counts: classes, formats, modes, sizes, flags, and a few images of each class."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from tumorlens.data.audit.report import ClassCount, Count, SetSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tumorlens.data.audit.collect import CollectedSet, Collection
    from tumorlens.data.audit.copies import CopiesFound
    from tumorlens.data.audit.facts import ImageFacts

SAMPLES = 8
"""Images of a class on a sample sheet."""

MOST_SIZES = 12
"""Sizes and aspects that are listed; a set of pictures from anywhere has hundreds."""


def summarise(collection: Collection, found: CopiesFound) -> tuple[SetSummary, ...]:
    """The summary of each set."""
    return tuple(_summary(one, collection.images, found) for one in collection.sets)


def _summary(one: CollectedSet, everything: Sequence[ImageFacts], found: CopiesFound) -> SetSummary:
    images = [image for image in everything if image.set == one.name]
    number = found.pictures.sets.index(one.name) if images else None
    of_class = Counter(image.label for image in images)
    return SetSummary(
        name=one.name,
        folder=str(one.folder),
        files=one.files,
        readable=len(images),
        distinct=0 if number is None else found.distinct.count_within(number),
        groups=0 if number is None else found.independent.count_within(number),
        classes=tuple(
            ClassCount(label=label, split=split, images=count)
            for (label, split), count in sorted(Counter((i.label, i.split) for i in images).items())
        ),
        imbalance=_imbalance(of_class),
        formats=_counts(image.format for image in images),
        modes=_counts(image.mode for image in images),
        sizes=_counts(f"{image.width} x {image.height}" for image in images),
        aspects=_counts(f"{image.width / image.height:.1f}" for image in images),
        flags=_counts(flag for image in images for flag in image.flags),
        samples={label: _samples(label, images) for label in sorted(of_class)},
    )


def _imbalance(of_class: Counter[str]) -> float | None:
    if len(of_class) < 2:  # noqa: PLR2004  (one class cannot be out of balance)
        return None
    return round(max(of_class.values()) / min(of_class.values()), 2)


def _counts(values: Iterable[str]) -> tuple[Count, ...]:
    """Most frequent first; the rarest together where there are very many."""
    ordered = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    shown = [Count(value=value, images=count) for value, count in ordered[:MOST_SIZES]]
    rest = ordered[MOST_SIZES:]
    if rest:
        value = f"{len(rest)} others"
        shown.append(Count(value=value, images=sum(count for _, count in rest)))
    return tuple(shown)


def _samples(label: str, images: Sequence[ImageFacts]) -> tuple[str, ...]:
    """A few images of a class, drawn by their hash, of different groups as far as there are."""
    drawn = sorted((i for i in images if i.label == label), key=lambda image: image.sha256)
    rounds: defaultdict[int, int] = defaultdict(int)
    ranked = []
    for image in drawn:
        ranked.append((rounds[image.group], image.sha256, image.name))
        rounds[image.group] += 1
    return tuple(name for _, _, name in sorted(ranked)[:SAMPLES])
