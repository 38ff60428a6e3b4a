"""One Finding of each kind, and an error, as every format must take them."""

from __future__ import annotations

import pytest

from tumorlens.decide.finding import (
    Finding,
    Lesion,
    Measurements,
    ModelInfo,
    Reason,
    ScanInfo,
    Status,
)
from tumorlens.decide.study import Study, StudyLesion, StudyMeasurements
from tumorlens.errors import ScanTooLarge

MODEL = ModelInfo(
    name="tiny", version="1.2", sha256="a" * 64, display={"pituitary": "pituitary tumor"}
)


def scan_info(source: str = "scan.png", **changes) -> ScanInfo:
    fields = {"sha256": "b" * 64, "format": "png", "width": 90, "height": 80}
    return ScanInfo(source=source, **(fields | changes))


def finding(status: Status = Status.TUMOR, **changes) -> Finding:
    fields = {
        "status": status,
        "label": "pituitary" if status is Status.TUMOR else None,
        "tumor_probability": 0.975,
        "probabilities": {"no_tumor": 0.025, "glioma": 0.075, "meningioma": 0, "pituitary": 0.9},
        "novelty": 1.5,
        "heatmap_class": "pituitary",
        "model": MODEL,
        "scan": scan_info(),
        "elapsed_ms": 8.25,
    }
    return Finding(**(fields | changes))


LESION = Lesion(
    number=1,
    area_pixels=110,
    area_mm2=55.0,
    longest_pixels=14.0,
    longest_mm=8.5,
    perpendicular_pixels=9.0,
    perpendicular_mm=5.5,
    longest_ends=((1, 2), (9, 10.5)),
    perpendicular_ends=((1, 9), (8.5, 3)),
)
STUDY = Study(
    status=Status.TUMOR,
    label="glioma",
    tumor_probability=0.9,
    slices={Status.TUMOR: 2, Status.NO_TUMOR: 1},
    source="=study/a.dcm",
    series="1.2.3",
    spacing_mm=(0.5, 1.0),
    slice_distance_mm=5.0,
    measurements=StudyMeasurements(
        pixels=130,
        volume_ml=0.325,
        lesions=(
            StudyLesion(
                number=1, pixels=130, volume_ml=0.325, first_slice=1, last_slice=2,
                largest_slice=2, largest=LESION,
            ),
        ),
    ),
    notes=(Reason(code="missing_slices", text="slices are missing", measure=9.0, limit=5.0),),
    mask_file="out/a.mask.nii.gz",
    model=MODEL,
)  # fmt: skip


OUTCOMES = (
    finding(
        prediction_set=("pituitary",),
        measurements=Measurements(area_pixels=120, area_mm2=60.5, lesions=(LESION,)),
        scan=scan_info("study.zip::a/b.dcm", spacing_mm=(0.5, 1.0), frame=3, frame_count=9,
                       position_mm=-3.5, series="1.2.3"),
    ),
    finding(Status.NO_TUMOR, tumor_probability=0.0001),
    finding(
        Status.UNCERTAIN,
        reasons=(
            Reason(code="blurred", text="the picture is blurred", measure=1.0, limit=2.0),
            Reason(code="contradiction", text="it contradicts itself"),
        ),
    ),
    finding(
        Status.REJECTED,
        tumor_probability=None,
        probabilities={},
        novelty=None,
        heatmap_class=None,
        reasons=(Reason(code="blank", text="it is black", measure=0.0, limit=0.02),),
    ),
    ScanTooLarge("huge.png", "it has 900000000 pixels", "Raise the limit"),
)  # fmt: skip


@pytest.fixture
def make_finding():
    """Builds a Finding, with changes."""
    return finding


@pytest.fixture
def make_scan_info():
    """Builds the part of a Finding that tells of the slice."""
    return scan_info


@pytest.fixture(params=OUTCOMES, ids=["tumor", "no_tumor", "uncertain", "rejected", "error"])
def outcome(request):
    """Each kind of outcome in turn."""
    return request.param


@pytest.fixture
def outcomes():
    """All kinds of outcomes."""
    return OUTCOMES


@pytest.fixture
def study():
    """The answer for a series."""
    return STUDY
