"""If these fail, a spreadsheet shows the wrong cell, or runs a file's name as a formula."""

from __future__ import annotations

import csv
import io

import pytest

from tumorlens.report.csv_rows import csv_header, csv_lesion_rows, csv_row

CLASSES = ("no_tumor", "glioma", "meningioma", "pituitary")


def rows(outcomes) -> list[dict[str, str]]:
    text = csv_header(CLASSES) + "".join(csv_row(outcome, CLASSES) for outcome in outcomes)
    return list(csv.DictReader(io.StringIO(text)))


def test_every_outcome_is_one_row_with_its_cells(outcomes):
    tumor, no_tumor, uncertain, rejected, error = rows(outcomes)
    assert tumor["input"] == "study.zip::a/b.dcm"
    assert (tumor["slice"], tumor["slices"]) == ("4", "9")
    assert (tumor["status"], tumor["label"]) == ("tumor", "pituitary")
    assert (tumor["tumor_probability"], tumor["p_pituitary"]) == ("0.975", "0.9")
    assert (tumor["area_pixels"], tumor["area_mm2"]) == ("120", "60.5")
    assert (tumor["lesions"], tumor["longest_mm"], tumor["perpendicular_mm"]) == ("1", "8.5", "5.5")
    assert (tumor["row_spacing_mm"], tumor["column_spacing_mm"]) == ("0.5", "1.0")
    assert (no_tumor["status"], no_tumor["label"]) == ("no_tumor", "")
    assert uncertain["reasons"] == "the picture is blurred; it contradicts itself"
    assert (rejected["tumor_probability"], rejected["p_glioma"]) == ("", "")
    assert (error["record"], error["error"], error["input"]) == (
        "error",
        "ScanTooLarge",
        "huge.png",
    )
    assert "Not a medical device" in tumor["notice"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_a_name_is_never_a_formula(start, make_finding, make_scan_info):
    name = f'{start}HYPERLINK("http://x")'
    (row,) = rows([make_finding(scan=make_scan_info(name))])
    assert row["input"] == f"'{name}"


def test_numbers_below_zero_stay_numbers(outcomes):
    assert rows(outcomes)[0]["position_mm"] == "-3.5"


def test_commas_quotes_and_line_breaks_in_a_name_stay_in_its_cell(make_finding, make_scan_info):
    name = 'a,"b"\nc.png'
    (row,) = rows([make_finding(scan=make_scan_info(name))])
    assert row["input"] == name
    assert row["status"] == "tumor"


def test_a_study_and_its_lesions_are_rows(study, make_finding):
    text = csv_header(CLASSES) + csv_row(study, CLASSES) + csv_lesion_rows(study, CLASSES)
    whole, lesion = csv.DictReader(io.StringIO(text))
    assert (whole["record"], whole["input"], whole["slices"]) == ("study", "'=study/a.dcm", "3")
    assert (whole["volume_ml"], whole["longest_mm"]) == ("0.325", "8.5")
    assert (whole["mask_file"], whole["reasons"]) == ("out/a.mask.nii.gz", "slices are missing")
    assert (lesion["record"], lesion["lesion"], lesion["slice"]) == ("study_lesion", "1", "2")
    assert (lesion["volume_ml"], lesion["area_mm2"]) == ("0.325", "55.0")
    assert csv_lesion_rows(make_finding(), CLASSES) == ""


def test_each_lesion_of_a_slice_is_a_row(outcomes):
    (row,) = csv.DictReader(
        io.StringIO(csv_header(CLASSES) + csv_lesion_rows(outcomes[0], CLASSES))
    )
    assert (row["record"], row["slice"], row["lesion"]) == ("lesion", "4", "1")
    assert (row["area_pixels"], row["longest_pixels"]) == ("110", "14.0")
