"""Which images are copies of one another, how, and what they cross.

Files with the same pixels are joined first, so that only different pictures are compared. What is
found is tallied as it comes: however many pairs there are, only the most telling are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.audit.align import with_aligned
from tumorlens.data.audit.groups import Groups
from tumorlens.data.audit.report import CopyCount, Relation
from tumorlens.data.duplicates import NEAR, SAME
from tumorlens.data.index import NO_TUMOR, TUMOR
from tumorlens.data.search import search

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tumorlens.data.audit.facts import ImageFacts
    from tumorlens.data.search import Matches

    Progress = Callable[[int, int], None]
    Table = NDArray[np.int64]

MOST_PAIRS = 100_000
"""Pairs of pictures that are kept to be listed; beyond them the least telling are only counted."""


MOST_ALIGNED = 500_000
"""Near pairs of which it is looked whether they are the same, cropped otherwise: under a
minute's work. Sets with more are one long series of neighbours."""


def contradict(label: str, other: str) -> bool:
    """Whether two labels of one picture cannot both be true.

    A tumor of unknown kind may well be a glioma; it cannot be no tumor.
    """
    return label != other and (TUMOR not in (label, other) or NO_TUMOR in (label, other))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Pictures:
    """The images, those of the same pixels joined to one picture.

    Attributes:
        images: The images.
        of: intp (images,), the picture that each image shows.
        first: intp (pictures,), one image of each picture.
        sides: The (set, split) of the columns of `by_side`.
        sets: The sets of the columns of `by_set`.
        by_side: int64 (pictures, sides), how many images of the picture stand there.
        by_set: int64 (pictures, sets).
        by_label: int64 (pictures, labels).
        contradicting: int64 (labels, labels), 1 where two labels cannot both be true.
    """

    images: Sequence[ImageFacts]
    of: NDArray[np.intp]
    first: NDArray[np.intp]
    sides: tuple[tuple[str, str], ...]
    sets: tuple[str, ...]
    by_side: Table
    by_set: Table
    by_label: Table
    contradicting: Table

    @classmethod
    def of_images(cls, images: Sequence[ImageFacts]) -> Pictures:
        """Join the images of the same pixels."""
        hashes = [image.pixel_sha256 for image in images]
        of, first = _numbered(hashes)
        sides = tuple(dict.fromkeys((image.set, image.split) for image in images))
        sets = tuple(dict.fromkeys(image.set for image in images))
        labels = sorted({image.label for image in images})
        return cls(
            images=images,
            of=of,
            first=first,
            sides=sides,
            sets=sets,
            by_side=_table(of, [(image.set, image.split) for image in images], sides),
            by_set=_table(of, [image.set for image in images], sets),
            by_label=_table(of, [image.label for image in images], labels),
            contradicting=np.array(
                [[contradict(one, other) for other in labels] for one in labels], np.int64
            ),
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CopiesFound:
    """All copies.

    Attributes:
        pictures: The images, joined by pixels.
        first: intp (pairs,), one picture of each kept pair, the most telling pairs first.
        second: intp (pairs,), the other picture.
        correlation: float32 (pairs,).
        turn: uint8 (pairs,), how the second is turned; see `tumorlens.data.search.TURNS`.
        counts: All pairs of images, by strength.
        same: bool (pictures, sides), whether another picture that is the same stands there.
        near: bool (pictures, sides), … or is near; includes `same`.
        distinct: Pictures that are the same, joined.
        independent: Pictures that are near, joined; patients not yet.
    """

    pictures: Pictures
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    correlation: NDArray[np.float32]
    turn: NDArray[np.uint8]
    counts: tuple[CopyCount, ...]
    same: NDArray[np.bool_]
    near: NDArray[np.bool_]
    distinct: Groups
    independent: Groups


def find_copies(
    images: Sequence[ImageFacts],
    heads: NDArray[np.float16],
    progress: Progress | None = None,
) -> CopiesFound:
    """Compare all images with each other.

    Args:
        images: The images.
        heads: (images, n), the thumbnail of the head of each.
        progress: Called with (pictures compared, pictures in all).
    """
    pictures = Pictures.of_images(images)
    tally = _Tally(pictures)
    shown = heads[pictures.first]
    aligned = 0
    for found in search(shown, NEAR, progress):
        is_few = aligned < MOST_ALIGNED
        aligned += int((found.correlation < SAME).sum())
        tally.add(with_aligned(shown, found) if is_few else found)
    return tally.result()


class _Tally:
    """What is known of the pairs so far."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._stands = pictures.by_side > 0
        self._same = np.zeros(self._stands.shape, dtype=bool)
        self._near = np.zeros(self._stands.shape, dtype=bool)
        self._distinct = Groups(pictures.by_set)
        self._independent = Groups(pictures.by_set)
        self._counts = {relation: np.zeros(5, np.int64) for relation in Relation}
        self._kept: list[NDArray[np.void]] = []
        self._count_identical()

    def add(self, found: Matches) -> None:
        """Take in some pairs of pictures."""
        is_same = found.correlation >= SAME
        for chosen, relation in ((is_same, Relation.SAME), (~is_same, Relation.NEAR)):
            pairs = self._pair_counts(found.first[chosen], found.second[chosen])
            turned = pairs[0][found.turn[chosen] != 0].sum()
            self._counts[relation] += [pairs[0].sum(), turned, *(one.sum() for one in pairs[1:])]
        for one, other in ((found.first, found.second), (found.second, found.first)):
            np.logical_or.at(self._near, one, self._stands[other])
            np.logical_or.at(self._same, one[is_same], self._stands[other[is_same]])
        self._distinct.join(found.first[is_same], found.second[is_same])
        self._independent.join(found.first, found.second)
        self._keep(found)

    def result(self) -> CopiesFound:
        """Everything that was found."""
        kept = self._most_telling()
        return CopiesFound(
            pictures=self._pictures,
            first=kept["first"],
            second=kept["second"],
            correlation=kept["correlation"],
            turn=kept["turn"],
            counts=tuple(
                CopyCount(
                    relation=relation,
                    pairs=int(pairs),
                    turned=int(turned),
                    across_classes=int(classes),
                    across_splits=int(splits),
                    across_sets=int(sets),
                )
                for relation, (pairs, turned, classes, splits, sets) in self._counts.items()
            ),
            same=self._same,
            near=self._near,
            distinct=self._distinct,
            independent=self._independent,
        )

    def _pair_counts(
        self, first: NDArray[np.intp], second: NDArray[np.intp]
    ) -> tuple[Table, Table, Table, Table]:
        """For each pair of pictures: pairs of their images, and those that cross something.

        In the order of `CopyCount`: classes, splits within a set, sets.
        """
        p = self._pictures
        everything = p.by_set[first].sum(axis=1) * p.by_set[second].sum(axis=1)
        classes = (p.by_label[first] @ p.contradicting * p.by_label[second]).sum(axis=1)
        one_side, one_set = (
            (table[first] * table[second]).sum(axis=1) for table in (p.by_side, p.by_set)
        )
        return everything, classes, one_set - one_side, everything - one_set

    def _count_identical(self) -> None:
        p = self._pictures
        same_bytes, _ = _numbered([image.sha256 for image in p.images])
        labels = sorted({image.label for image in p.images})
        by_bytes = (
            _table(same_bytes, [image.label for image in p.images], labels),
            _table(same_bytes, [(image.set, image.split) for image in p.images], p.sides),
            _table(same_bytes, [image.set for image in p.images], p.sets),
        )
        in_bytes = _identical_counts(*by_bytes, p.contradicting)
        in_pixels = _identical_counts(p.by_label, p.by_side, p.by_set, p.contradicting)
        self._counts[Relation.BYTES] += in_bytes
        self._counts[Relation.PIXELS] += in_pixels - in_bytes

    def _keep(self, found: Matches) -> None:
        if not len(found.first):
            return
        _, classes, splits, sets = self._pair_counts(found.first, found.second)
        is_same = found.correlation >= SAME
        rows = np.zeros(len(found.first), _KEPT)
        rows["first"], rows["second"] = found.first, found.second
        rows["correlation"], rows["turn"] = found.correlation, found.turn
        rows["weight"] = (
            8.0 * (is_same & (classes > 0))
            + 4.0 * (splits > 0)
            + 2.0 * (sets > 0)
            + 1.0 * is_same
            + found.correlation
        )
        self._kept.append(rows)
        if sum(map(len, self._kept)) > 2 * MOST_PAIRS:
            self._kept = [self._most_telling()]

    def _most_telling(self) -> NDArray[np.void]:
        rows = np.concatenate([*self._kept, np.zeros(0, _KEPT)])
        order = np.lexsort((rows["second"], rows["first"], -rows["weight"]))
        return rows[order[:MOST_PAIRS]]


_KEPT = np.dtype(
    [
        ("first", np.intp),
        ("second", np.intp),
        ("correlation", np.float32),
        ("turn", np.uint8),
        ("weight", np.float32),
    ]
)


def _numbered(values: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The number of each value, in order of appearance, and where each first stands."""
    numbers: dict[str, int] = {}
    of = np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.intp)
    _, first = np.unique(of, return_index=True)
    return of, first


def _table(of: NDArray[np.intp], values: Sequence[object], columns: Sequence[object]) -> Table:
    """How many images of each picture have each value."""
    place = {value: i for i, value in enumerate(columns)}
    table = np.zeros((int(of.max(initial=-1)) + 1, len(columns)), np.int64)
    np.add.at(table, (of, np.array([place[value] for value in values], dtype=np.intp)), 1)
    return table


def _identical_counts(
    by_label: Table, by_side: Table, by_set: Table, contradicting: Table
) -> NDArray[np.int64]:
    """Pairs among the images of each row, all rows together, in the order of `CopyCount`."""
    count = by_set.sum(axis=1)
    one_side, one_set = ((table**2).sum(axis=1) for table in (by_side, by_set))
    classes = (by_label @ contradicting * by_label).sum()
    doubled = [(count**2 - count).sum(), 0, classes, one_set - one_side, count**2 - one_set]
    return np.array([np.sum(one) // 2 for one in doubled], np.int64)
