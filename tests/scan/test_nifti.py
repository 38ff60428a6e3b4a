"""NIfTI: slices as a radiologist sees them, whichever way the volume was stored."""

import builtins
import gzip
import itertools

import numpy as np
import pytest

from tumorlens.errors import MissingExtra, ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.scan import FileFormat, Limits, Plane, Source, read

pytest.importorskip("nibabel")

# What is at a corner of the volume in the world: patient right, anterior, superior is (+, +, +).
SHAPE = (9, 12, 7)


def world_volume(affine_axes=(0, 1, 2), flips=(1, 1, 1), spacings=(1.0, 1.0, 1.0)):
    """The same head stored along other axes and in other directions: voxels and affine.

    Each voxel's value is 1 + x + 100 y + 10000 z of its place in the world (right, anterior,
    superior), so that every slice shows which way it was turned.
    """
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    values = (1 + grid @ np.array([1, 100, 10000])).astype(np.int32)
    voxels = np.transpose(values, affine_axes)
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, world in enumerate(affine_axes):
        affine[world, axis] = spacings[world]
    for axis, flip in enumerate(flips):
        if flip < 0:
            voxels = np.flip(voxels, axis)
            affine[:3, 3] += affine[:3, axis] * (voxels.shape[axis] - 1)
            affine[:3, axis] *= -1
    return np.ascontiguousarray(voxels), affine


def seen(values, plane):
    """What a radiologist sees of the head of `world_volume`: slices in the order of DICOM."""
    match plane:
        case Plane.AXIAL:  # anterior up, the patient's right at the left, from below
            return [values[::-1, ::-1, k].T for k in range(SHAPE[2])]
        case Plane.CORONAL:  # superior up, the patient's right at the left, from the front
            return [values[::-1, k, ::-1].T for k in reversed(range(SHAPE[1]))]
        case _:  # superior up, anterior at the left, from the patient's left
            return [values[k, ::-1, ::-1].T for k in range(SHAPE[0])]


@pytest.mark.parametrize("plane", [Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL])
@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, -1, -1)])
def test_every_way_to_store_a_head_is_shown_the_same(make, plane, axes, flips):
    voxels, affine = world_volume(axes, flips)
    plain, _ = world_volume()
    scans = make.scans(make.nifti(voxels, affine), plane=plane)
    low, high = np.percentile(plain[plain > plain.min()], (0.5, 99.5))
    expected = [np.clip((one - low) / (high - low), 0, 1) for one in seen(plain, plane)]
    assert len(scans) == len(expected)
    for scan, one in zip(scans, expected, strict=True):
        np.testing.assert_allclose(scan.pixels, one, atol=1e-6)
        assert scan.pixels.flags.c_contiguous
        assert scan.pixels.dtype == np.float32


def test_spacing_and_position_of_each_plane(make):
    voxels, affine = world_volume((2, 0, 1), (1, -1, 1), spacings=(0.5, 0.8, 3.0))
    data = make.nifti(voxels, affine)
    spacings = {plane: make.scans(data, plane=plane)[0].spacing for plane in Plane}
    assert spacings[Plane.AXIAL] == pytest.approx((0.8, 0.5))
    assert spacings[Plane.CORONAL] == pytest.approx((3.0, 0.5))
    assert spacings[Plane.SAGITTAL] == pytest.approx((3.0, 0.8))
    for plane, step in ((Plane.AXIAL, 3.0), (Plane.CORONAL, 0.8), (Plane.SAGITTAL, 0.5)):
        positions = [scan.position for scan in make.scans(data, plane=plane)]
        np.testing.assert_allclose(np.diff(positions), step, atol=1e-5)


@pytest.mark.parametrize(
    ("spacings", "slices"),
    [
        ((1.0, 1.0, 1.0), SHAPE[2]),
        ((1.0, 1.0, 5.0), SHAPE[2]),
        ((1.1, 1.0, 1.0), SHAPE[2]),
        ((1.0, 5.0, 1.0), SHAPE[1]),
        ((5.0, 1.0, 1.0), SHAPE[0]),
    ],
)
def test_auto_cuts_across_the_coarsest_spacing_and_else_axially(make, spacings, slices):
    data = make.nifti(*world_volume(spacings=spacings))
    assert len(make.scans(data)) == slices


def test_an_oblique_volume_is_turned_to_the_nearest_axes(make):
    voxels, affine = world_volume()
    angle = np.radians(20)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    straight = make.scans(make.nifti(voxels, affine))
    for one, other in zip(make.scans(make.nifti(voxels, turn @ affine)), straight, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert one.spacing == pytest.approx(other.spacing)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8", ">i2", ">f4"])
def test_every_kind_of_number_and_file(make, zipped, version, dtype):
    voxels = np.arange(6 * 7 * 4).reshape(6, 7, 4) % 127
    scans = make.scans(make.nifti(voxels.astype(dtype), version=version, zipped=zipped))
    plain = make.scans(make.nifti(voxels.astype("i2")))
    assert {scan.format for scan in scans} == {FileFormat.NIFTI}
    for one, other in zip(scans, plain, strict=True):
        np.testing.assert_allclose(one.pixels, other.pixels, atol=1e-6)


def test_slope_and_intercept_do_not_change_what_is_shown(make):
    import nibabel

    voxels = make.volume()
    image = nibabel.Nifti1Image(voxels, np.eye(4))
    image.header.set_slope_inter(0.01, 0)
    plain = make.scans(make.nifti(voxels))
    for one, other in zip(make.scans(image.to_bytes()), plain, strict=True):
        np.testing.assert_allclose(one.pixels, other.pixels, atol=1e-5)


def test_the_range_is_of_the_volume_and_leaves_the_background_out(make):
    voxels = np.zeros((40, 40, 10), np.int16)
    voxels[10:30, 10:30] = np.linspace(200, 600, 4000).reshape(20, 20, 10)
    voxels[20, 20, 5] = 30000
    scans = make.scans(make.nifti(voxels))
    assert scans[5].pixels[0, 0] == 0.0
    middle = np.median(np.stack([scan.pixels[15:25, 15:25] for scan in scans]))
    assert middle == pytest.approx(0.5, abs=0.1)


def test_slices_of_a_volume_belong_together(make):
    scans = make.scans(make.nifti(make.volume()), "v.nii")
    assert len({scan.series for scan in scans}) == 1
    assert scans[0].series is not None
    assert [scan.frame for scan in scans] == list(range(6))
    assert scans[3].name == "v.nii#4"


def test_two_dimensional_files_and_single_slices(make):
    flat = make.volume((8, 10, 1))
    for voxels in (flat, flat[..., 0], flat[..., None]):
        (scan,) = make.scans(make.nifti(voxels))
        assert scan.pixels.shape == (10, 8)


def test_a_coronal_slice_alone_is_shown_coronally(make):
    (scan,) = make.scans(make.nifti(make.volume((8, 1, 10))))
    assert scan.pixels.shape == (10, 8)


def test_gzip_files_of_several_members_are_read_on(make):
    data = make.nifti(make.volume())
    joined = gzip.compress(data[:300]) + gzip.compress(data[300:500]) + gzip.compress(data[500:])
    assert len(make.scans(joined)) == 6


class TestRefused:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_values_that_are_no_numbers_are_counted(self, make, refused, value):
        voxels = make.volume().astype(np.float32)
        voxels[0, :3, 0] = value
        assert "3 of 480 voxels" in refused(make.nifti(voxels), UnreadableScan).reason

    def test_several_volumes(self, make, refused):
        voxels = np.stack([make.volume()] * 5, axis=-1)
        assert "5 volumes" in refused(make.nifti(voxels), UnsupportedScan).reason

    def test_colours(self, make, refused):
        colour = np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
        assert "colours" in refused(make.nifti(colour), UnsupportedScan).reason

    def test_complex_numbers(self, make, refused):
        voxels = make.volume().astype(np.complex64)
        assert "complex64" in refused(make.nifti(voxels), UnsupportedScan).reason

    @pytest.mark.parametrize("labels", [(0, 1), (0, 1, 2, 4), (0, 255), (3, 1000, 2000)])
    @pytest.mark.parametrize("dtype", [np.uint16, np.float64])
    def test_masks(self, make, refused, labels, dtype):
        voxels = np.array(labels)[np.arange(480).reshape(8, 10, 6) % len(labels)].astype(dtype)
        assert "mask" in refused(make.nifti(voxels), UnsupportedScan).reason

    def test_a_blank_volume_is_read_and_left_to_the_quality_check(self, make):
        scans = make.scans(make.nifti(np.zeros((8, 8, 3), np.int16)))
        assert [scan.pixels.max() for scan in scans] == [0.0] * 3

    def test_the_header_of_a_pair(self, make, refused):
        data = bytearray(make.nifti(make.volume()))
        data[344:348] = b"ni1\0"
        assert "pair" in refused(bytes(data), UnsupportedScan).reason

    def test_a_freesurfer_volume(self, refused):
        data = gzip.compress(b"\0\0\0\1" + bytes(400))
        assert ".mgz" in refused(data, UnsupportedScan, name="brain.mgz").reason

    def test_a_gzip_file_of_something_else(self, refused):
        refused(gzip.compress(b"a,b\n1,2\n" * 100), UnsupportedScan)

    @pytest.mark.parametrize("zipped", [False, True])
    @pytest.mark.parametrize("share", [0.3, 0.9])
    def test_truncated(self, make, refused, zipped, share):
        noise = np.random.default_rng(0).integers(0, 3000, (20, 20, 9)).astype(np.int16)
        data = make.nifti(noise, zipped=zipped)
        refused(data[: int(len(data) * share)], UnreadableScan)

    def test_an_affine_that_is_none(self, make, refused):
        affine = np.eye(4)
        affine[0, 0] = np.nan
        data = bytearray(make.nifti(make.volume(), np.eye(4)))
        data[280:296] = np.array([np.nan, 0, 0, 0], "<f4").tobytes()  # srow_x
        assert "affine" in refused(bytes(data), UnreadableScan).reason

    def test_a_lying_shape_is_refused_before_anything_is_inflated(self, make, refused):
        data = bytearray(make.nifti(make.volume()))
        data[42:48] = np.array([32767] * 3, "<i2").tobytes()
        refused(gzip.compress(bytes(data)), ScanTooLarge)
        refused(bytes(data), ScanTooLarge)

    def test_limits_of_slices_and_pixels(self, make, refused):
        data = make.nifti(make.volume())
        refused(data, ScanTooLarge, limits=Limits(max_frames=5))
        refused(data, ScanTooLarge, limits=Limits(max_pixels=79))
        refused(data, ScanTooLarge, limits=Limits(max_volume_bytes=900))


def test_without_nibabel_the_extra_is_named(make, monkeypatch):
    data = make.nifti(make.volume())
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("nibabel"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"tumorlens\[nifti\]"):
        list(read(Source.from_bytes("v.nii", data)))
