"""Header values that may be missing, empty or nonsense: each is a plain value or None."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_LONGEST_TEXT = 64


def value(dataset: Dataset, keyword: str) -> Any:
    """The value of an element, or None where it is missing, empty or cannot be decoded."""
    try:
        found = dataset.get(keyword)
    except Exception:  # noqa: BLE001  (values are decoded on access, and any of them can be broken)
        return None
    return None if found is None or found == "" else found


def text(dataset: Dataset, keyword: str) -> str | None:
    """An element as text: stripped, printable, and cut where it is longer than any code or UID."""
    found = str(value(dataset, keyword) or "").strip()[:_LONGEST_TEXT]
    return "".join(letter if letter.isprintable() else "?" for letter in found) or None


def integer(dataset: Dataset, keyword: str) -> int | None:
    """An element as an integer."""
    found = floats(dataset, keyword, 1)
    return int(found[0]) if found and found[0] == int(found[0]) else None


def floats(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """An element as that many finite numbers; of a longer one, the first."""
    found = value(dataset, keyword)
    if found is None:
        return None
    many = [found] if isinstance(found, int | float | str) else found
    try:
        numbers = tuple(float(one) for one in many[:count])
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def item(dataset: Dataset, keyword: str, index: int = 0) -> Dataset | None:
    """One item of a sequence."""
    found = value(dataset, keyword)
    try:
        return found[index] if found is not None else None
    except (TypeError, IndexError, KeyError):
        return None


def frame_item(dataset: Dataset, keyword: str, frame: int) -> Dataset | None:
    """A functional group of a frame: its own, or the one that all frames share (PS3.3 C.7.6.16)."""
    for groups, index in (
        ("PerFrameFunctionalGroupsSequence", frame),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        group = item(dataset, groups, index)
        if group is not None and (found := item(group, keyword)) is not None:
            return found
    return None
