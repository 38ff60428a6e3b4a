"""If these fail, lesions get a wrong size or mm that nobody measured, or are mere specks."""

from __future__ import annotations

import numpy as np
import pytest

from tumorlens.decide.finding import Finding, ModelInfo, ScanInfo, Status
from tumorlens.explain.measure import candidate, marked, measure
from tumorlens.explain.regions import Region
from tumorlens.model.format import InputSpec, MaskRules
from tumorlens.model.prepare import PlacedMap, place


def finding(mask: np.ndarray, status: Status = Status.TUMOR, **rules) -> Finding:
    """A Finding whose mask is as large as its slice."""
    height, width = mask.shape
    spec = InputSpec(height=height, width=width)
    return Finding(
        status=status,
        model=ModelInfo(name="tiny", version="1", sha256="a", mask=MaskRules(**rules)),
        scan=ScanInfo(source="a.png", sha256="b", format="png", width=width, height=height),
        elapsed_ms=1.0,
        mask_map=PlacedMap(mask, place(mask, spec)),
    )


@pytest.fixture
def two_lesions() -> np.ndarray:
    """A small one, a large one, and a speck."""
    mask = np.zeros((100, 100), np.float32)
    mask[10:20, 5:25] = 0.9
    mask[60:64, 70:75] = 0.6
    mask[80, 80] = 1.0
    return mask


def test_an_area_is_in_pixels_and_in_mm2_where_the_spacing_is_known(two_lesions):
    region = Region.of(two_lesions > 0.8).part(slice(0, 10))
    size = measure({1: region}, None)
    assert (size.area_pixels, size.area_mm2) == (200, None)
    assert (size.lesions[0].longest_mm, size.lesions[0].perpendicular_mm) == (None, None)
    size = measure({1: region}, (0.5, 0.8))
    assert size.area_pixels == 200
    assert size.area_mm2 == pytest.approx(80.0)
    assert size.lesions[0].longest_mm == pytest.approx(np.hypot(15.2, 5), abs=0.8)


@pytest.mark.parametrize("spacing", [(0.0, 1.0), (1e300, 1.0), (float("inf"), 1.0), (1e-9, 1e-9)])
def test_a_spacing_that_no_scanner_has_gives_nothing_in_mm(two_lesions, spacing):
    size = measure({1: Region.of(two_lesions > 0.8)}, spacing)
    assert size.area_mm2 is None
    assert size.lesions[0].longest_mm is None
    assert size.lesions[0].longest_pixels > 0


def test_lesions_are_numbered_by_size_and_specks_are_none(two_lesions):
    found = marked(finding(two_lesions))
    assert {number: region.area for number, region in found.items()} == {1: 200, 2: 20}
    assert marked(finding(two_lesions, smallest_share=0.003)).keys() == {1}
    assert len(marked(finding(two_lesions, smallest_share=0.0))) == 3


def test_the_level_says_which_pixels_count():
    mask = np.full((64, 64), 0.1, np.float32)
    mask[10:20, 10:20] = [[0.5]]
    assert candidate(finding(mask)).area == 100
    assert candidate(finding(mask, level=0.51)).area == 0
    assert candidate(finding(mask, level=0.1)).area == 64 * 64


def test_no_tumor_is_absent_and_not_a_speck(two_lesions):
    assert marked(finding(two_lesions, Status.NO_TUMOR)) == {}
    assert measure({}, (1.0, 1.0)).model_dump() == {
        "area_pixels": 0,
        "area_mm2": 0.0,
        "lesions": (),
        "mask_file": None,
    }


@pytest.mark.parametrize("status", [Status.UNCERTAIN, Status.REJECTED])
def test_what_is_not_known_is_not_called_absent(two_lesions, status):
    assert marked(finding(two_lesions, status)) is None


def test_a_model_without_mask_marks_nothing(two_lesions):
    answer = finding(two_lesions).model_copy(update={"mask_map": None})
    assert marked(answer) is None
    assert candidate(answer) is None


def test_where_a_peak_reaches_the_level_a_share_of_it_is_the_outline():
    mask = np.full((64, 64), 0.05, np.float32)
    mask[10:20, 10:20], mask[12:15, 12:15] = 0.2, 0.4
    assert candidate(finding(mask, level=0.3, peak_share=0.5)).area == 100
    assert candidate(finding(mask, level=0.3, peak_share=0.6)).area == 9
    assert candidate(finding(mask, level=0.5, peak_share=0.5)).area == 0
    assert candidate(finding(mask * 2, level=0.3, peak_share=0.5)).area == 100
