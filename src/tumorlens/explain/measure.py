"""What is marked on a slice, the lesions that it makes up, and their size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorlens.decide.finding import Lesion, Measurements, Status
from tumorlens.explain.diameters import diameters
from tumorlens.explain.regions import Region, components

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tumorlens.decide.finding import Finding

    Spacing = tuple[float, float]

# Beyond a thousandth of a mm or of a pixel, figures are of the arithmetic and not of the lesion.
DECIMALS = 3
# No scanner's pixels lie outside of these distances in mm; a header that says so is wrong.
BELIEVABLE_SPACING = (0.01, 100.0)


def candidate(finding: Finding) -> Region | None:
    """The pixels that the model's rules mark (`MaskRules`), whatever the answer is.

    None where the model gave no mask.
    """
    if (mask := finding.mask) is None:
        return None
    rules, peak = finding.model.mask, float(mask.max())
    if rules.peak_share and peak >= rules.level:
        return Region.of(mask >= rules.peak_share * peak)
    return Region.of(mask >= rules.level)


def smallest_area(finding: Finding) -> float:
    """The area in pixels below which a lesion of this slice is a speck."""
    if finding.mask_map is None:
        return 0.0
    box = finding.mask_map.placement.box
    return finding.model.mask.smallest_share * box.width * box.height


def marked(finding: Finding) -> dict[int, Region] | None:
    """The lesions of a slice by itself, by number: the largest is 1.

    1. Only the answer "tumor" marks anything; the answer "no tumor" marks nothing.
    2. Pixels at or above the model's level that hang together are a lesion.
    3. Lesions below the model's smallest size are left out.

    None where nothing is marked or known to be absent: the model gives no mask, or the answer is
    uncertain or rejected.
    """
    if finding.mask_map is None or finding.status not in (Status.TUMOR, Status.NO_TUMOR):
        return None
    region = candidate(finding) if finding.status is Status.TUMOR else None
    if region is None:
        return {}
    (labels,) = components([region])
    parts = [region.part(labels == label) for label in np.unique(labels)]
    kept = [part for part in parts if part.area >= smallest_area(finding)]
    return dict(enumerate(sorted(kept, key=lambda part: -part.area), start=1))


def measure(lesions: Mapping[int, Region], spacing: Spacing | None) -> Measurements:
    """The size of the lesions of a slice.

    Args:
        lesions: The pixels of each, by number.
        spacing: (row, column) distance of pixel centres in mm, or None where unknown; then
            nothing is said in mm.
    """
    spacing = believable(spacing)
    found = tuple(
        measure_lesion(number, region, spacing) for number, region in sorted(lesions.items())
    )
    pixels = sum(lesion.area_pixels for lesion in found)
    return Measurements(area_pixels=pixels, area_mm2=_area(pixels, spacing), lesions=found)


def measure_lesion(number: int, region: Region, spacing: Spacing | None) -> Lesion:
    """The size of one lesion of a slice; see `tumorlens.explain.diameters`.

    Where the spacing is known, the diameters are the longest in mm, and their lengths in pixels
    are those of the same two lines.
    """
    longest, perpendicular = diameters(region, spacing)
    return Lesion(
        number=number,
        area_pixels=region.area,
        area_mm2=_area(region.area, spacing),
        longest_pixels=round(longest.length(), DECIMALS),
        longest_mm=None if spacing is None else round(longest.length(spacing), DECIMALS),
        perpendicular_pixels=round(perpendicular.length(), DECIMALS),
        perpendicular_mm=(
            None if spacing is None else round(perpendicular.length(spacing), DECIMALS)
        ),
        longest_ends=(_rounded(longest.start), _rounded(longest.stop)),
        perpendicular_ends=(_rounded(perpendicular.start), _rounded(perpendicular.stop)),
    )


def believable(spacing: Spacing | None) -> Spacing | None:
    """A spacing that a scanner can have; None for any other."""
    low, high = BELIEVABLE_SPACING
    return spacing if spacing is not None and all(low <= one <= high for one in spacing) else None


def _area(pixels: int, spacing: Spacing | None) -> float | None:
    return None if spacing is None else round(pixels * spacing[0] * spacing[1], DECIMALS)


def _rounded(point: tuple[float, float]) -> tuple[float, float]:
    return round(point[0], DECIMALS), round(point[1], DECIMALS)
