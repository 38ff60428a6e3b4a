"""Images of the page, alone or side by side, each with where it stands in its set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from tumorlens.data.audit.page import words
from tumorlens.data.audit.page.pictures import undo
from tumorlens.data.audit.report import Turn
from tumorlens.data.index import class_name, split_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.data.audit.page.pictures import Pictures
    from tumorlens.data.audit.report import Copy

T = TypeVar("T")

# What should be unseen comes first, what is learnt from last.
_READING_ORDER = {"test": 0, "validation": 1, "train": 3}
_BETWEEN = 2


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """What is shown of a longer list, and how many of it are not."""

    items: Sequence[T]
    left_out: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an image stands: its label and split are empty where they are not known."""

    name: str
    label: str = ""
    split: str = ""

    def __str__(self) -> str:
        return " · ".join(part for part in (self.split, self.label) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One image: its picture as a data URI (empty where there is none) and the words to it."""

    name: str
    uri: str
    alt: str
    standing: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairView:
    """Two images side by side, the right one turned to lie on the left one."""

    left: Side
    right: Side
    relation: str
    correlation: str


class Gallery:
    """Images with their pictures.

    Args:
        pictures: Gives the pictures, as long as its budget lasts.
        labels: The classes of the report; a folder of such a name tells an image's label.
    """

    def __init__(self, pictures: Pictures, labels: set[str]) -> None:
        self._pictures = pictures
        self._labels = labels

    def side(self, where: Standing, turn: Turn = Turn.NONE) -> Side:
        """One image, turned."""
        name, note = words.short(where.name), words.turned(turn)
        return Side(
            name=name,
            uri=self._pictures.uri(where.name, turn),
            alt=", ".join(part for part in (name, str(where), note) if part),
            standing=str(where),
            note=note,
        )

    def pairs(self, copies: Sequence[Copy], most: int) -> Shown[PairView]:
        """At most so many pairs, side by side."""
        return Shown([self._pair(copy) for copy in copies[:most]], max(len(copies) - most, 0))

    def standings(self, copy: Copy) -> tuple[Standing, Standing]:
        """Where the first and the second image of a pair stand."""
        return (
            self._standing(copy.first, copy.first_label, copy.first_split),
            self._standing(copy.second, copy.second_label, copy.second_split),
        )

    def _pair(self, copy: Copy) -> PairView:
        (left, right), turn = self.standings(copy), copy.turn
        if _place(right) < _place(left):
            left, right, turn = right, left, undo(turn)
        return PairView(
            left=self.side(left),
            right=self.side(right, turn),
            relation=words.related(copy),
            correlation=f"{copy.correlation:.3f}",
        )

    def _standing(self, name: str, label: str, split: str) -> Standing:
        """Label and split as the report says, or else as the image's folders are named."""
        folders = name.split("/")[1:-1]
        named = [found for folder in folders if (found := split_name(folder))]
        classes = [found for folder in folders if (found := class_name(folder)) in self._labels]
        return Standing(name, label or (classes or [""])[-1], split or (named or [""])[0])


def _place(where: Standing) -> int:
    return _READING_ORDER.get(where.split, _BETWEEN)
