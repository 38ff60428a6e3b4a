"""The lesions of a series or volume, and their size in three dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.decide.finding import Reason, Status
from tumorlens.decide.study import StudyLesion, StudyMeasurements
from tumorlens.explain.measure import DECIMALS, believable, measure_lesion
from tumorlens.explain.regions import Region, components

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tumorlens.scan import Place

    Numbered = Mapping[int, Region]

MM3_A_ML = 1000.0
# A gap this many times the usual one means that slices are missing.
MISSING_SLICES = 1.5
# Closer than this, in mm, two slices are at the same place.
SAME_PLACE = 1e-3


class Marking(StrEnum):
    """Whose pixels are marked: lesions of which some slice is answered so."""

    TUMOR = "tumor"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True, eq=False)
class StackSlice:
    """What one slice brings to the lesions of its stack.

    Attributes:
        status: The answer for the slice by itself.
        region: Its pixels at or above the model's level.
        smallest: The area in pixels that a lesion must cover on some slice, not to be a speck.
    """

    status: Status
    region: Region
    smallest: float


def lesions_of(stack: Sequence[StackSlice], marking: Marking) -> list[dict[int, Region]]:
    """The lesions of neighbouring slices, by number: the largest is 1.

    1. Pixels of slices that are answered "tumor" or "uncertain" may be marked; others never are.
    2. Those that hang together, also from slice to slice, are a lesion.
    3. A lesion is kept where it reaches a slice answered "tumor" (or "uncertain", if `marking`
       says so), and covers more than a speck on some slice.

    Returns:
        For each slice the lesions that reach it.
    """
    sure = {Status.TUMOR} if marking is Marking.TUMOR else {Status.TUMOR, Status.UNCERTAIN}
    open_to = {Status.TUMOR, Status.UNCERTAIN}
    regions = [
        one.region if one.status in open_to else Region.empty(one.region.shape) for one in stack
    ]
    labels = components(regions)
    areas = _areas(regions, labels)
    is_sure = np.array([one.status in sure for one in stack])
    smallest = np.array([one.smallest for one in stack])
    is_large = (areas > 0) & (areas >= smallest[:, None])
    is_kept = areas[is_sure].any(axis=0) & is_large.any(axis=0)
    # Of equal lesions the first comes first, so that the same input has the same numbers.
    order = np.argsort(-areas.sum(axis=0), kind="stable")
    kept = [label for label in order if is_kept[label]]
    return [
        {
            number: region.part(own == label)
            for number, label in enumerate(kept, start=1)
            if areas[index, label]
        }
        for index, (region, own) in enumerate(zip(regions, labels, strict=True))
    ]


def _areas(regions: Sequence[Region], labels: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Pixels of each component on each slice, (slices, components)."""
    count = 1 + max((int(own.max(initial=-1)) for own in labels), default=-1)
    areas = np.zeros((len(regions), count), np.intp)
    for row, region, own in zip(areas, regions, labels, strict=True):
        np.add.at(row, own, region.stops - region.starts)
    return areas


@dataclass(frozen=True, slots=True)
class Depths:
    """How slices lie behind one another.

    Attributes:
        extents: What each slice stands for along the normal, in mm; None where unknown.
        distance: The usual distance of neighbours in mm, or None where unknown.
        is_volume: Whether every slice has a place of its own.
        notes: What a reader must know of it.
    """

    extents: tuple[float, ...] | None
    distance: float | None
    is_volume: bool
    notes: tuple[Reason, ...] = ()

    @classmethod
    def of(cls, positions: Sequence[float | None], place: Place | None) -> Depths:
        """From places along the normal, in mm, in the order of the slices.

        A slice stands for the half of the way to each neighbour; the first and the last one reach
        as far outwards as inwards. A single slice is as thick as its file says.
        """
        if len(positions) == 1:
            thickness = believable_thickness(place)
            extents = None if thickness is None else (thickness,)
            return cls(extents, thickness, is_volume=True)
        known = [position for position in positions if position is not None]
        if len(known) < len(positions):
            return cls(None, None, is_volume=False, notes=(_unplaced(),))
        gaps = np.diff(known)
        if not ((gaps > SAME_PLACE).all() or (gaps < -SAME_PLACE).all()):
            return cls(None, None, is_volume=False, notes=(_same_place(),))
        gaps = np.abs(gaps)
        usual = float(np.median(gaps))
        extents = (np.concatenate([gaps[:1], gaps]) + np.concatenate([gaps, gaps[-1:]])) / 2
        largest = float(gaps.max())
        notes = (_missing(largest, usual),) if largest > MISSING_SLICES * usual else ()
        return cls(tuple(extents.tolist()), round(usual, DECIMALS), is_volume=True, notes=notes)


def believable_thickness(place: Place | None) -> float | None:
    """How thick a slice by itself is, from the step to the next one of its file, in mm."""
    if place is None or place.onward is None:
        return None
    normal = np.cross(place.right, place.down)
    length = float(np.linalg.norm(normal))
    thickness = abs(float(np.dot(normal, place.onward))) / length if length else 0.0
    return None if believable((thickness, thickness)) is None else round(thickness, DECIMALS)


def measure_stack(
    stack: Sequence[Numbered], spacing: tuple[float, float] | None, depths: Depths
) -> StudyMeasurements:
    """The size of the lesions of a stack.

    Args:
        stack: For each slice the lesions that reach it, from `lesions_of`.
        spacing: (row, column) distance of pixel centres in mm, or None where unknown.
        depths: How the slices lie behind one another.
    """
    spacing = believable(spacing)
    numbers = sorted({number for lesions in stack for number in lesions})
    found = tuple(_measured(number, stack, spacing, depths) for number in numbers)
    volumes = [lesion.volume_ml for lesion in found]
    known = spacing is not None and depths.extents is not None
    total = sum(volume for volume in volumes if volume is not None)
    return StudyMeasurements(
        pixels=sum(lesion.pixels for lesion in found),
        volume_ml=round(total, DECIMALS) if known else None,
        lesions=found,
    )


def _measured(
    number: int, stack: Sequence[Numbered], spacing: tuple[float, float] | None, depths: Depths
) -> StudyLesion:
    parts = {index: lesions[number] for index, lesions in enumerate(stack) if number in lesions}
    largest = max(parts, key=lambda index: parts[index].area)
    volume = None
    if spacing is not None and depths.extents is not None:
        pixel = spacing[0] * spacing[1]
        mm3 = sum(part.area * pixel * depths.extents[index] for index, part in parts.items())
        volume = round(mm3 / MM3_A_ML, DECIMALS)
    return StudyLesion(
        number=number,
        pixels=sum(part.area for part in parts.values()),
        volume_ml=volume,
        first_slice=min(parts) + 1,
        last_slice=max(parts) + 1,
        largest_slice=largest + 1,
        largest=measure_lesion(number, parts[largest], spacing),
    )


def _unplaced() -> Reason:
    text = "the places of its slices are not known, so lesions are measured slice by slice"
    return Reason(code="unplaced", text=text)


def _same_place() -> Reason:
    text = (
        "several slices lie at the same place or out of order, so it is not one volume and "
        "lesions are measured slice by slice"
    )
    return Reason(code="same_place", text=text)


def _missing(largest: float, usual: float) -> Reason:
    text = (
        f"slices are missing: neighbours are up to {largest:.1f} mm apart, usually {usual:.1f} mm; "
        "each slice counts half way to its neighbours"
    )
    return Reason(
        code="missing_slices", text=text, measure=round(largest, 3), limit=round(usual, 3)
    )
