"""The pairs of copies that are shown, image by image, the most telling first."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product
from typing import TYPE_CHECKING

from tumorlens.data.audit.copies import MOST_PAIRS, contradict
from tumorlens.data.audit.report import Copy, Relation, Turn
from tumorlens.data.duplicates import SAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tumorlens.data.audit.copies import CopiesFound
    from tumorlens.data.audit.facts import ImageFacts

MOST_OF_A_KIND = 1000
"""Pairs of each kind (contradicting labels, two splits, two sets, neither) that a report lists."""

_MOST_OF_TWO_PICTURES = 64
"""Of two pictures that many files show, no more pairs than these are listed."""

TURNS = (
    Turn.NONE,
    Turn.ROTATED_90,
    Turn.ROTATED_180,
    Turn.ROTATED_270,
    Turn.MIRRORED,
    Turn.MIRRORED_ROTATED_90,
    Turn.MIRRORED_ROTATED_180,
    Turn.MIRRORED_ROTATED_270,
)
"""In the order of `tumorlens.data.search.TURNS`."""

_STRENGTH = {Relation.BYTES: 3, Relation.PIXELS: 2, Relation.SAME: 1, Relation.NEAR: 0}


def list_copies(found: CopiesFound) -> list[Copy]:
    """Pairs of images, at most about `MOST_PAIRS`, the most telling first."""
    pairs: list[Copy] = []
    for copy in _pairs(found):
        pairs.append(copy)
        if len(pairs) >= MOST_PAIRS:
            break
    return sorted(pairs, key=_order)


def most_telling(copies: Iterable[Copy]) -> list[Copy]:
    """Of sorted pairs, the first `MOST_OF_A_KIND` of each kind."""
    seen: Counter[int] = Counter()
    chosen = []
    for copy in copies:
        kind = _kind(copy)
        seen[kind] += 1
        if seen[kind] <= MOST_OF_A_KIND:
            chosen.append(copy)
    return chosen


def _order(copy: Copy) -> tuple[int, int, float, str, str]:
    return (_kind(copy), -_STRENGTH[copy.relation], -copy.correlation, copy.first, copy.second)


def _kind(copy: Copy) -> int:
    if copy.across_classes and copy.relation is not Relation.NEAR:
        return 0
    if copy.across_splits:
        return 1
    return 2 if copy.across_sets else 3


def _pairs(found: CopiesFound) -> Iterator[Copy]:
    shown_by = _images_by_picture(found)
    for images in shown_by:
        for one, other in combinations(_chosen(images, len(images)), 2):
            is_same_file = one.sha256 == other.sha256
            relation = Relation.BYTES if is_same_file else Relation.PIXELS
            yield _copy(one, other, relation, 1.0, Turn.NONE)
    rows = zip(found.first, found.second, found.correlation, found.turn, strict=True)
    for first, second, correlation, turn in rows:
        ones, others = shown_by[first], shown_by[second]
        relation = Relation.SAME if correlation >= SAME else Relation.NEAR
        for one, other in product(_chosen(ones, len(others)), _chosen(others, len(ones))):
            yield _copy(one, other, relation, float(correlation), TURNS[int(turn)])


def _images_by_picture(found: CopiesFound) -> list[list[ImageFacts]]:
    shown_by: list[list[ImageFacts]] = [[] for _ in found.pictures.first]
    for image, picture in zip(found.pictures.images, found.pictures.of, strict=True):
        shown_by[picture].append(image)
    return shown_by


def _chosen(images: Sequence[ImageFacts], times: int) -> list[ImageFacts]:
    """All images of a picture, or where that makes too many pairs one of each side and label."""
    if len(images) * times <= _MOST_OF_TWO_PICTURES:
        return list(images)
    return list(
        {(image.set, image.split, image.label): image for image in reversed(images)}.values()
    )


def _copy(
    one: ImageFacts, other: ImageFacts, relation: Relation, correlation: float, turn: Turn
) -> Copy:
    return Copy(
        first=one.name,
        second=other.name,
        relation=relation,
        correlation=min(round(correlation, 4), 1.0),
        turn=turn,
        across_classes=contradict(one.label, other.label),
        across_splits=one.set == other.set and one.split != other.split,
        across_sets=one.set != other.set,
    )
