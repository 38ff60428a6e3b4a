"""If these fail, a mask lies beside its scan, replaces a user's file, or names a patient."""

from __future__ import annotations

import gzip
import itertools
import sys

import numpy as np
import pytest
from PIL import Image

from tumorlens.decide.finding import ScanInfo
from tumorlens.errors import MissingExtra, TumorLensError
from tumorlens.report.masks import MaskFolder, PlacedMask
from tumorlens.scan import Place, Plane, Source, read

nibabel = pytest.importorskip("nibabel")


def info(source: str, **changes) -> ScanInfo:
    fields = {"sha256": "b" * 64, "format": "nifti", "width": 5, "height": 6}
    return ScanInfo(source=source, **(fields | changes))


def affine_of(kind: str) -> np.ndarray:
    """Affines as they occur: oblique, flipped, and with spacings that differ."""
    affine = np.diag([0.7, 1.1, 3.0, 1.0])
    if kind == "oblique":
        turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)) + 3 * np.eye(3))
        affine[:3, :3] = turn * [0.7, 1.1, 3.0]
    elif kind == "flipped":
        affine = np.diag([-0.7, 1.1, -3.0, 1.0])
    elif kind == "turned":
        affine = affine[[2, 0, 1, 3]]
    elif kind == "sheared":
        affine[0, 1] = 0.3
    affine[:3, 3] = (-20.0, 13.5, 4.25)
    return affine


@pytest.mark.parametrize("kind", ["plain", "oblique", "flipped", "turned", "sheared"])
@pytest.mark.parametrize("plane", [Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL])
@pytest.mark.parametrize("version", [1, 2])
def test_the_mask_of_a_volume_lies_on_it_voxel_for_voxel(tmp_path, kind, plane, version):
    chance = np.random.default_rng(0)
    voxels = chance.integers(100, 3000, (7, 9, 5)).astype(np.int16)
    image = (nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image)(voxels, affine_of(kind))
    image.set_qform(affine_of(kind), 1, strip_shears=True)
    image.header["descrip"] = b"JANE DOE"
    scans = list(read(Source.from_bytes("brain.nii", image.to_bytes()), plane=plane))
    # Bright voxels, chosen on the slices as they are read.
    level = np.median(np.stack([scan.pixels for scan in scans]))
    stack = [PlacedMask(scan.pixels > level, scan.frame, scan.place) for scan in scans]
    path = MaskFolder(tmp_path).write_volume(info("brain.nii", frame_count=len(scans)), stack)
    mask = nibabel.load(path)
    expected = np.stack([one.marked for one in stack]).sum()
    assert path.name == "brain.mask.nii.gz"
    assert mask.shape == voxels.shape
    assert type(mask) is type(image)
    np.testing.assert_array_equal(mask.affine, image.affine)
    assert int(mask.header["qform_code"]) == 1
    np.testing.assert_allclose(mask.get_qform(), image.get_qform(), atol=1e-5)
    data = np.asarray(mask.dataobj)
    assert data.dtype == np.uint8
    assert set(np.unique(data)) == {0, 1}
    assert data.sum() == expected
    assert voxels[data == 1].min() > voxels[data == 0].max() - 2
    assert b"JANE" not in gzip.decompress(path.read_bytes())


def test_a_volume_of_which_slices_are_missing_keeps_their_room_empty(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 3000, (7, 9, 5)).astype(np.int16)
    data = nibabel.Nifti1Image(voxels, np.diag([1, 1, 4, 1.0])).to_bytes()
    scans = list(read(Source.from_bytes("brain.nii", data)))
    stack = [PlacedMask(np.ones((9, 7), bool), s.frame, s.place) for s in scans if s.frame != 2]
    mask = nibabel.load(MaskFolder(tmp_path).write_volume(info("b.nii", frame_count=5), stack))
    assert np.asarray(mask.dataobj).any(axis=(0, 1)).tolist() == [True, True, False, True, True]


def series(corners, marked=None) -> list[PlacedMask]:
    """Slices of a series, as DICOM places them: rows run to posterior, columns to the left."""
    if marked is None:
        marked = np.zeros((6, 5), bool)
        marked[1, 3] = True
    places = [Place(tuple(corner), (0, -0.9, 0), (-0.8, 0, 0)) for corner in corners]
    return [PlacedMask(marked, 0, place) for place in places]


def test_the_mask_of_a_series_lies_where_its_slices_do(tmp_path):
    corners = [(70.0, 90.0, -10.0 + 2.5 * index) for index in range(4)]
    path = MaskFolder(tmp_path).write_volume(info("a.dcm", series="0123abcd"), series(corners))
    mask = nibabel.load(path)
    assert path.name == "series-0123abcd.mask.nii.gz"
    assert mask.shape == (5, 6, 4)
    for index, voxel in enumerate(np.argwhere(np.asarray(mask.dataobj))):
        world = mask.affine @ [*voxel, 1]
        np.testing.assert_allclose(world[:3], (70 - 3 * 0.8, 90 - 0.9, -10 + 2.5 * index))


def test_a_missing_slice_of_a_series_is_an_empty_one(tmp_path):
    corners = [(0.0, 0.0, z) for z in (0.0, 2.0, 6.0)]
    mask = nibabel.load(MaskFolder(tmp_path).write_volume(info("a.dcm"), series(corners)))
    assert np.asarray(mask.dataobj).any(axis=(0, 1)).tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    "heights", [[0.0], [0.0, 0.0], [0.0, 1.0, 2.4], [0.0, 0.001, 5.0], [0, 1, 2, 1]]
)
def test_slices_on_no_even_grid_give_no_volume(tmp_path, heights):
    corners = [(0.0, 0.0, float(z)) for z in heights]
    assert MaskFolder(tmp_path).write_volume(info("a.dcm"), series(corners)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_mask_of_a_slice_is_a_picture_of_its_size(tmp_path):
    marked = np.zeros((6, 5), bool)
    marked[2:4, 1] = True
    path = MaskFolder(tmp_path).write_slice(info("in/scan.one.png"), marked)
    assert path == tmp_path / "scan.one.mask.png"
    with Image.open(path) as picture:
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.asarray(picture), marked * 255)


def test_a_second_run_replaces_its_own_masks_and_nothing_else(tmp_path):
    corners = [(0.0, 0.0, z) for z in (0.0, 2.0)]
    own = gzip.compress(b"a mask that a person has drawn" * 100)
    (tmp_path / "series-mine.mask.nii.gz").write_bytes(own)
    (tmp_path / "series-cut.mask.nii.gz").write_bytes(own[:20])
    names = [
        MaskFolder(tmp_path).write_volume(info("a.dcm", series=series_), series(corners)).name
        for series_, _ in itertools.product(("mine", "cut", "new"), range(2))
    ]
    assert names[:2] == ["series-mine-2.mask.nii.gz"] * 2
    assert names[2:4] == ["series-cut-2.mask.nii.gz"] * 2
    assert names[4:] == ["series-new.mask.nii.gz"] * 2
    assert (tmp_path / "series-mine.mask.nii.gz").read_bytes() == own


def test_the_same_mask_has_the_same_bytes(tmp_path):
    corners = [(0.0, 0.0, z) for z in (0.0, 2.0)]
    one, other = (
        MaskFolder(tmp_path / name).write_volume(info("a.dcm"), series(corners)).read_bytes()
        for name in ("one", "other")
    )
    assert one == other


def test_without_nibabel_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel.nifti1", None)
    corners = [(0.0, 0.0, z) for z in (0.0, 2.0)]
    with pytest.raises(MissingExtra, match=r"tumorlens\[nifti\]"):
        MaskFolder(tmp_path).write_volume(info("a.dcm"), series(corners))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TumorLensError, match=r"masks cannot be written.*Name another folder"):
        MaskFolder(tmp_path / "file")
