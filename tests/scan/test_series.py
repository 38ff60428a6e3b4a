"""The slices of a series come in the order of the head, not of file names."""

import numpy as np
import pytest

from tumorlens.scan import Source, discover, read

PIXELS = np.arange(64, dtype=np.uint16).reshape(8, 8)
AXIAL = [1, 0, 0, 0, 1, 0]


def slice_at(make, place, series="1", **elements):
    elements = {
        "ImagePositionPatient": [0, 0, place],
        "ImageOrientationPatient": AXIAL,
        "InstanceNumber": 1,
        "SeriesInstanceUID": series,
    } | elements
    return make.dicom(PIXELS, **elements)


def order(found):
    return [one.name.replace("/", ":").rsplit(":", 1)[-1] for one in found]


@pytest.mark.parametrize("packed", [False, True])
def test_position_decides_and_series_stay_together(make, tmp_path, packed):
    files = {
        "a.dcm": slice_at(make, 30.0),
        "b": slice_at(make, -7.5),
        "c.dcm": slice_at(make, 5.0, series="2"),
        "d.ima": slice_at(make, 10.0),
        "e.dcm": slice_at(make, -5.0, series="2"),
        "f.png": make.encoded(make.drawn_bytes(64), "PNG"),
    }
    if packed:
        (tmp_path / "study.zip").write_bytes(make.zipped(files))
    else:
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
    found = list(discover([tmp_path]))
    assert order(found) == ["f.png", "b", "d.ima", "a.dcm", "e.dcm", "c.dcm"]
    positions = [next(read(source)).position for source in found[1:]]
    assert positions == [-7.5, 10.0, 30.0, -5.0, 5.0]


def test_a_series_over_several_folders_is_one(make, tmp_path):
    for folder, name, place in (("d1", "x", 3.0), ("d1", "y", 1.0), ("d2", "z", 2.0)):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(slice_at(make, place))
    assert order(discover([tmp_path])) == ["y", "z", "x"]


@pytest.mark.parametrize("as_pattern", [False, True])
def test_patterns_and_files_named_one_by_one_are_ordered_too(make, tmp_path, as_pattern):
    for name, place in (("1.dcm", 9.0), ("2.dcm", 4.0), ("3.dcm", 6.0)):
        (tmp_path / name).write_bytes(slice_at(make, place))
    named = [tmp_path / "*.dcm"] if as_pattern else sorted(tmp_path.glob("*.dcm"))
    assert order(discover(named)) == ["2.dcm", "3.dcm", "1.dcm"]


def test_the_instance_number_decides_where_positions_are_missing_or_equal(make, tmp_path):
    missing = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    for name, number in (("a", 12), ("b", 9), ("c", 10)):
        (tmp_path / name).write_bytes(slice_at(make, 0.0, InstanceNumber=number, **missing))
    assert order(discover([tmp_path])) == ["b", "c", "a"]
    for name, number in (("a", 12), ("b", 9), ("c", 10)):
        (tmp_path / name).write_bytes(slice_at(make, 7.0, InstanceNumber=number))
    assert order(discover([tmp_path])) == ["b", "c", "a"]


def test_without_any_place_names_decide(make, tmp_path):
    nothing = {
        "ImagePositionPatient": None,
        "ImageOrientationPatient": None,
        "InstanceNumber": None,
    }
    for name in ("s10", "s9", "s11"):
        (tmp_path / name).write_bytes(slice_at(make, 0.0, **nothing))
    assert order(discover([tmp_path])) == ["s9", "s10", "s11"]


def test_the_planes_of_a_localizer_are_not_mixed(make, tmp_path):
    sagittal = {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
    for name, place, extra in (
        ("a", [0, 0, 5.0], {}),
        ("b", [3.0, 0, 0], sagittal),
        ("c", [0, 0, -5.0], {}),
        ("d", [6.0, 0, 0], sagittal),
    ):
        (tmp_path / name).write_bytes(
            slice_at(make, 0, **({"ImagePositionPatient": place} | extra))
        )
    assert order(discover([tmp_path])) == ["c", "a", "d", "b"]


def test_a_damaged_file_of_a_series_is_still_given_so_that_it_is_named(make, tmp_path):
    (tmp_path / "a.dcm").write_bytes(slice_at(make, 1.0)[:200])
    (tmp_path / "b.dcm").write_bytes(slice_at(make, 1.0))
    assert sorted(order(discover([tmp_path]))) == ["a.dcm", "b.dcm"]


def test_a_deflated_file_is_ordered_too(make, tmp_path):
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    for name, place in (("a", 9.0), ("b", 4.0)):
        (tmp_path / name).write_bytes(slice_at(make, place, syntax=DeflatedExplicitVRLittleEndian))
    assert order(discover([tmp_path])) == ["b", "a"]


def test_uploads_are_ordered(make):
    sources = [
        Source.from_bytes(name, slice_at(make, place)) for name, place in (("a", 2.0), ("b", 1.0))
    ]
    assert order(discover(sources)) == ["b", "a"]
