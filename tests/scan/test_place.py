"""If these fail, what is marked on a slice is put back at another place in the patient."""

import itertools

import numpy as np
import pytest

from tumorlens.scan import Plane

pytest.importorskip("nibabel")


def oblique():
    """An affine of no special kind: turned, unequal spacings, off the centre."""
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)) + 3 * np.eye(3))
    affine = np.eye(4)
    affine[:3, :3] = turn * [0.7, 1.1, 3.0]
    affine[:3, 3] = (-20.0, 13.0, 4.5)
    return affine


@pytest.mark.parametrize("plane", [Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL])
@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product((1, -1), repeat=3)))
def test_every_pixel_lies_where_its_voxel_does(make, plane, axes, flips):
    voxels = np.arange(1, 121, dtype=np.int16).reshape(5, 6, 4)
    affine = oblique()
    affine[:3, :3] = affine[:3, axes] * flips
    scans = make.scans(make.nifti(voxels, affine), plane=plane)
    stored = scans[0].place.volume
    indices = np.stack(np.indices(voxels.shape), axis=-1)
    world = indices @ affine[:3, :3].T + affine[:3, 3]
    shown = np.stack([stored.shown(world[..., axis]) for axis in range(3)], axis=-1)
    for scan, expected in zip(scans, shown, strict=True):
        rows, columns = np.indices((*scan.pixels.shape, 1))[:2]
        place = scan.place
        seen = (
            np.array(place.corner) + rows * np.array(place.down) + columns * np.array(place.right)
        )
        np.testing.assert_allclose(seen, expected, atol=1e-4)
        following = np.add(place.corner, place.onward)
        if scan.frame + 1 < scan.frame_count:
            np.testing.assert_allclose(scans[scan.frame + 1].place.corner, following, atol=1e-4)
    np.testing.assert_array_equal(stored.stored(stored.shown(voxels)), voxels)


def test_the_kept_header_holds_no_words(make):
    import nibabel

    image = nibabel.Nifti1Image(np.arange(480, dtype=np.int16).reshape(8, 10, 6), oblique())
    image.header["descrip"] = b"JANE DOE"
    image.header["db_name"] = b"SECRET-7"
    header = make.scans(image.to_bytes())[0].place.volume.header
    assert b"JANE" not in header
    assert b"SECRET" not in header


def test_a_dicom_slice_lies_where_its_header_says(make):
    data = make.dicom(
        np.arange(12, dtype=np.uint16).reshape(3, 4),
        ImagePositionPatient=[10, -20, 30],
        ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
        PixelSpacing=[2.0, 0.5],
    )
    place = make.scans(data)[0].place
    # Patient left and posterior are the negative sides of the axes used here.
    assert place.corner == (-10, 20, 30)
    assert place.right == (-0.5, 0, 0)
    assert place.down == (0, 0, -2.0)
    assert place.onward is None


@pytest.mark.parametrize("missing", ["ImagePositionPatient", "ImageOrientationPatient"])
def test_a_dicom_slice_of_unknown_place_has_none(make, missing):
    known = {
        "ImagePositionPatient": [10, -20, 30],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [1, 1],
    }
    del known[missing]
    assert make.scans(make.dicom(np.ones((3, 4), np.uint16), **known))[0].place is None
