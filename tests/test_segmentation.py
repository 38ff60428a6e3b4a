"""If these fail, slices of different series are measured as one volume, or one as several."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tumorlens.analysis import answer_found, find
from tumorlens.decide.finding import OPEN_KIND, Reason
from tumorlens.errors import ModelIncompatible, ScanError, UnreadableScan
from tumorlens.explain.stack import Marking
from tumorlens.model.load import load_file
from tumorlens.scan import FileFormat, Place, Scan, draw_phantom
from tumorlens.segmentation import SegmentedStack, segment_answers, with_level

PIXELS = draw_phantom(2, tumor="meningioma", size=96).pixels


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory):
    return load_file(tiny_model(mask=True).save(tmp_path_factory.mktemp("models") / "m.onnx"))


def slice_at(height: float, series: str | None = "a", **changes) -> Scan:
    place = Place((0, 0, height), (0, -1, 0), (-1, 0, 0))
    fields = {
        "pixels": PIXELS,
        "source": f"{series}-{height}.dcm",
        "sha256": "0" * 64,
        "format": FileFormat.DICOM,
        "spacing": (1.0, 1.0),
        "position": height,
        "series": series,
        "place": place,
    }
    return Scan(**(fields | changes))


@pytest.fixture
def segmented(model):
    def run(scans) -> list[SegmentedStack | ScanError]:
        return list(segment_answers(answer_found(scans, model=model, workers=1)))

    return run


def lengths(stacks) -> list[int]:
    return [len(stack.slices) for stack in stacks]


def test_neighbours_of_one_series_are_a_stack(segmented):
    stacks = segmented([slice_at(z) for z in (0.0, 2.0, 4.0)])
    assert lengths(stacks) == [3]
    area = stacks[0].slices[0].finding.measurements.area_pixels
    assert stacks[0].study.measurements.volume_ml == pytest.approx(3 * area * 2 / 1000)
    assert stacks[0].study.measurements.lesions[0].number == 1


@pytest.mark.parametrize(
    "other",
    [
        {"series": "b"},
        {"series": None},
        {"pixels": PIXELS[:, 4:]},
        {"place": Place((0, 0, 2), (0, 0, -1), (-1, 0, 0))},
        {"place": None, "position": None},
        {"frame_count": 3, "frame": 0, "source": "many.dcm"},
    ],
    ids=["series", "no series", "size", "direction", "unplaced", "file"],
)
def test_what_does_not_belong_together_is_apart(segmented, other):
    assert lengths(segmented([slice_at(0.0), slice_at(2.0, **other)])) == [1, 1]


def test_the_same_volume_twice_is_two(segmented):
    frames = [slice_at(2.0 * k, frame=k, frame_count=3, source="v.dcm") for k in range(3)]
    assert lengths(segmented([*frames, *frames])) == [3, 3]


def test_a_slice_alone_has_no_study(segmented):
    (stack,) = segmented([PIXELS])
    assert stack.study is None
    assert stack.slices[0].finding.measurements.area_pixels == stack.slices[0].mask().sum() > 0
    np.testing.assert_allclose(stack.slices[0].pixels, PIXELS, atol=0.5 / 255 + 1e-6)


def test_an_error_within_a_series_does_not_part_it(segmented):
    error = UnreadableScan("bad.dcm", "it is damaged")
    stack, told = segmented([slice_at(0.0), error, slice_at(2.0)])
    assert lengths([stack]) == [2]
    assert told is error


def test_pictures_are_given_as_they_come(model):
    def scans():
        yield slice_at(0.0, None)
        pytest.fail("the second picture was read before the first was given")

    answers = answer_found(scans(), model=model, workers=1)
    assert next(segment_answers(answers)).study is None


def test_a_study_of_only_uncertain_slices_is_not_measured(tiny_model, tmp_path):
    from tumorlens.model.format import Thresholds

    metadata = tiny_model().metadata.model_copy(
        update={"thresholds": Thresholds(tumor=1.0, no_tumor=0.0)}
    )
    doubtful = load_file(tiny_model(mask=True, metadata=metadata).save(tmp_path / "m.onnx"))
    answers = answer_found([slice_at(0.0), slice_at(2.0)], model=doubtful, workers=1)
    (stack,) = segment_answers(answers)
    assert stack.study.status == "uncertain"
    assert stack.study.measurements is None
    assert not stack.slices[0].mask().any()


def test_in_a_series_a_tumor_of_no_sure_kind_marks_nothing(model):
    def opened(answer):
        reasons = (*answer.outcome.reasons, Reason(code=OPEN_KIND, text=""))
        return replace(answer, outcome=answer.outcome.model_copy(update={"reasons": reasons}))

    alone, *several = answer_found(
        [slice_at(0.0, None), *(slice_at(2.0 * k, sha256=f"{k}" * 64) for k in range(3))],
        model=model,
        workers=1,
    )
    (one,) = segment_answers([opened(alone)])
    assert one.slices[0].finding.measurements.area_pixels == one.slices[0].mask().sum() > 0
    (stack,) = segment_answers([opened(answer) for answer in several])
    assert stack.study.measurements is None
    assert not any(part.mask().any() for part in stack.slices)
    assert {part.finding.status for part in stack.slices} == {"tumor"}
    assert stack.slices[0].finding.measurements is None
    (stack,) = segment_answers([opened(several[0]), *several[1:]])
    assert all(part.mask().any() for part in stack.slices)
    (stack,) = segment_answers([opened(answer) for answer in several], Marking.UNCERTAIN)
    assert stack.study.measurements.volume_ml > 0


def test_a_level_needs_a_mask(model, tiny_model_path):
    assert with_level(model, None) is model
    rules = with_level(model, 0.25).metadata.mask
    assert (rules.level, rules.peak_share) == (0.25, 0.0)
    with pytest.raises(ModelIncompatible, match="gives no mask"):
        with_level(load_file(tiny_model_path), 0.5)


def test_a_folder_without_scans_is_an_error_and_no_stack(model, tmp_path):
    answers = answer_found(find(tmp_path), model=model)
    assert [type(one) for one in segment_answers(answers)] == [UnreadableScan]
