"""The public sets, where they are: every file is read, in order, right way up, and few flagged."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from tumorlens.errors import ScanError
from tumorlens.scan import FileFormat, Plane, assess, discover, read

MOST_FLAGGED = 0.01


def test_a_dicom_series_comes_from_the_neck_upwards(data_folder):
    sources = list(discover([data_folder / "dicom_t1_7t"]))
    scans = [scan for source in sources for scan in read(source)]
    assert len(scans) == 20
    positions = [scan.position for scan in scans]
    assert positions == sorted(positions)
    np.testing.assert_allclose(np.diff(positions), 10 * 0.6667, atol=0.01)
    assert {scan.series for scan in scans} == {scans[0].series}
    assert scans[0].spacing == pytest.approx((0.6667, 0.7), abs=1e-3)
    assert scans[0].pixels.shape == (384, 274)


@pytest.mark.parametrize("visit", ["Pre", "Post"])
def test_nifti_volumes_stand_upright(data_folder, visit):
    scans = list(read(data_folder / "nifti_tcia" / "01" / f"{visit}_Scan_T1.nii.gz"))
    assert len(scans) == 24
    # The head is higher than wide, and its face, at the top, narrower than the back of the head.
    head = np.mean([scan.pixels for scan in scans[8:16]], axis=0) > 0.1
    rows, columns = np.flatnonzero(head.any(axis=1)), np.flatnonzero(head.any(axis=0))
    assert np.ptp(rows) > np.ptp(columns)
    assert scans[0].format is FileFormat.NIFTI
    for plane in (Plane.CORONAL, Plane.SAGITTAL):
        others = list(
            read(data_folder / "nifti_tcia" / "01" / f"{visit}_Scan_T1.nii.gz", plane=plane)
        )
        assert len(others) == 256
        assert others[0].pixels.shape == (24, 256)


@pytest.mark.parametrize("visit", ["Pre", "Post"])
def test_masks_are_not_answered_as_scans(data_folder, visit):
    with pytest.raises(ScanError, match="mask"):
        list(read(data_folder / "nifti_tcia" / "01" / f"{visit}_Mask.nii.gz"))


def test_every_file_of_navoneel_is_read_whatever_its_name_says(data_folder):
    formats = Counter()
    for source in discover([data_folder / "navoneel"]):
        (scan,) = read(source)
        formats[scan.format] += 1
    assert sum(formats.values()) == 253
    assert formats[FileFormat.PNG] > 2  # though only two are named .png


@pytest.mark.parametrize(
    "folder", ["cheng/images", "br35h", "tcia_btp/images", "navoneel", "dicom_t1_7t", "nifti_tcia"]
)
def test_good_slices_are_seldom_flagged(data_folder, folder):
    looked_at, flagged = 0, []
    found = [one for one in discover([data_folder / folder]) if "Mask" not in one.name]
    for source in islice(found, 0, None, max(len(found) // 200, 1)):
        for scan in read(source):
            if scan.pixels.max() > 0.0:  # volumes end in slices without anything on them
                looked_at += 1
                flagged += [(scan.name, flag) for flag in assess(scan)]
    assert looked_at >= 20
    assert len(flagged) <= MOST_FLAGGED * looked_at, flagged
