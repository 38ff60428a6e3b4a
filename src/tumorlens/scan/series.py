"""The order of the slices of a series: by place along the slice normal, not by file name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tumorlens.errors import ScanError
from tumorlens.scan.sniff import is_dicom
from tumorlens.scan.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class SliceKey(NamedTuple):
    """What orders a slice among the others: its series, and its place there.

    Attributes:
        series: SeriesInstanceUID, or the empty string.
        orientation: ImageOrientationPatient, rounded; slices of one localizer can differ in it.
        position: Place along the normal of the slice in mm, or None.
        instance: InstanceNumber, or None.
    """

    series: str
    orientation: tuple[float, ...]
    position: float | None
    instance: int | None


def in_series_order(found: Iterable[Source | ScanError]) -> Iterator[Source | ScanError]:
    """Pass everything on as it comes, but DICOM files last, series by series, in slice order.

    Series come in the order of their first file. In a series the order is: position along the
    slice normal, then InstanceNumber, then the order in which the files came.
    """
    dicoms: list[tuple[SliceKey, Source]] = []
    for one in found:
        if isinstance(one, Source) and (key := _slice_key(one)):
            dicoms.append((key, one))
        else:
            yield one
    stacks: dict[tuple[str, tuple[float, ...]], int] = {}
    for key, _ in dicoms:
        stacks.setdefault((key.series, key.orientation), len(stacks))
    firsts: dict[str, int] = {}
    for key, _ in dicoms:
        firsts.setdefault(key.series, len(firsts))

    def place(item: tuple[SliceKey, Source]) -> tuple[float, ...]:
        key = item[0]
        return (
            firsts[key.series],
            stacks[key.series, key.orientation],
            float("inf") if key.position is None else key.position,
            float("inf") if key.instance is None else key.instance,
        )

    for _, source in sorted(dicoms, key=place):
        yield source


def _slice_key(source: Source) -> SliceKey | None:
    try:
        if not is_dicom(source.read_head()):
            return None
        from tumorlens.scan.dicom import read_slice_key

        return read_slice_key(source)
    except ScanError:  # the reader will name what is wrong with it
        return None
