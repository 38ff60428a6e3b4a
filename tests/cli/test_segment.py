"""If these fail, a user gets wrong lesions, loses some, or reads an empty mask as "no tumor"."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tumorlens.model.format import Thresholds
from tumorlens.report.masks import MaskFolder
from tumorlens.scan import draw_phantom

SIDE = 128
SPACING = (0.9, 1.2, 5.0)  # of columns, rows and slices, in mm
WITH_TUMOR = (2, 3)
SLICES = 6


@pytest.fixture(scope="module")
def masking_model(tiny_model, tmp_path_factory):
    """The tiny model, with a mask of what is bright."""
    return tiny_model(mask=True).save(tmp_path_factory.mktemp("models") / "masking.onnx")


@pytest.fixture
def segment(tumorlens, masking_model):
    """Runs ``tumorlens segment`` with the model that gives a mask."""
    return lambda *arguments: tumorlens("segment", "--model", masking_model, *arguments)


def records(run) -> list[dict]:
    return [json.loads(line) for line in run.out.splitlines()]


def drawn_slices(with_tumor=WITH_TUMOR) -> np.ndarray:
    """A head of six slices, uint16 (slices, rows, columns), some of them with a tumor."""
    heads = [
        draw_phantom(2, tumor="meningioma" if index in with_tumor else None, size=SIDE).pixels
        for index in range(SLICES)
    ]
    slices = np.rint(np.stack(heads) * 2000).astype(np.uint16)
    # A volume is shown by its brightest half percent: single bright pixels, too few to be marked,
    # make that the same with and without a tumor.
    dots = slices[:, ::6, ::6]
    dots[dots > 600] = 2000
    return slices


def save_volume(path, slices):
    """The slices as NIfTI: columns run to the right side of the image, the patient's left."""
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    nibabel.save(nibabel.Nifti1Image(slices.transpose(2, 1, 0), affine), path)
    return path


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    return save_volume(tmp_path_factory.mktemp("scans") / "brain.nii.gz", drawn_slices())


@pytest.fixture(scope="module")
def tumor_free_volume(tmp_path_factory):
    return save_volume(tmp_path_factory.mktemp("scans") / "free.nii.gz", drawn_slices(()))


@pytest.fixture(scope="module")
def dicom_series(tmp_path_factory):
    """The same head as DICOM files whose names are in no order."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

    folder = tmp_path_factory.mktemp("series")
    for index, pixels in enumerate(drawn_slices()):
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, f"1.2.3.4.{index}"
        dataset.SeriesInstanceUID, dataset.Modality = "1.2.3", "MR"
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        dataset.PixelSpacing = [SPACING[1], SPACING[0]]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [-50, -60, SPACING[2] * index]
        dataset.WindowCenter, dataset.WindowWidth = 1000, 2000
        dataset.PixelData = pixels.tobytes()
        dataset["PixelData"].VR = "OW"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / f"{(index * 5) % SLICES}.dcm", enforce_file_format=True)
    return folder


def test_a_picture_gives_a_mask_and_an_overlay(segment, lesion_png, tmp_path):
    run = segment(lesion_png, "--out", tmp_path, "-f", "json")
    (record,) = records(run)
    assert run.code == 0
    assert record["record"] == "finding"
    size = record["measurements"]
    mask = np.asarray(Image.open(size["mask_file"]))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "lesion.mask.png",
        "lesion.overlay.png",
    ]
    assert set(np.unique(mask)) == {0, 255}
    assert np.count_nonzero(mask) == size["area_pixels"] > 0
    drawn = draw_phantom(2, tumor="meningioma", size=SIDE).mask
    assert (mask[drawn] > 0).mean() > 0.7
    assert size["area_mm2"] is None
    assert size["lesions"][0]["longest_pixels"] >= size["lesions"][0]["perpendicular_pixels"] > 0


def test_no_tumor_is_an_empty_mask(segment, healthy_png, tmp_path):
    run = segment(healthy_png, "--out", tmp_path, "-f", "json")
    (record,) = records(run)
    assert record["measurements"]["area_pixels"] == 0
    assert record["measurements"]["lesions"] == []
    assert not np.asarray(Image.open(tmp_path / "healthy.mask.png")).any()


def test_what_is_uncertain_has_no_mask_that_could_be_read_as_absent(
    tumorlens, tiny_model, tmp_path, lesion_png
):
    metadata = tiny_model().metadata
    thresholds = Thresholds(tumor=1.0, no_tumor=0.0)
    doubtful = tiny_model(
        mask=True, metadata=metadata.model_copy(update={"thresholds": thresholds})
    ).save(tmp_path / "m.onnx")
    command = ("segment", lesion_png, "--model", doubtful, "-f", "json", "--out")
    (record,) = records(tumorlens(*command, tmp_path / "a"))
    assert record["status"] == "uncertain"
    assert record["measurements"] is None
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["lesion.overlay.png"]
    (record,) = records(tumorlens(*command, tmp_path / "b", "--mark", "uncertain"))
    assert record["measurements"]["area_pixels"] > 0
    assert (tmp_path / "b" / "lesion.mask.png").is_file()


def test_a_volume_gives_a_nifti_mask_and_a_record_of_the_whole(segment, volume, tmp_path):
    import nibabel

    run = segment(volume, "--out", tmp_path, "-f", "json")
    assert run.code == 0
    *slices, study = records(run)
    assert [one["record"] for one in slices] == ["finding"] * SLICES
    assert study["record"] == "study"
    assert study["status"] == "tumor"
    assert study["slices"] == {"tumor": len(WITH_TUMOR), "no_tumor": SLICES - len(WITH_TUMOR)}
    assert study["slice_distance_mm"] == pytest.approx(5)
    mask, scan = nibabel.load(study["mask_file"]), nibabel.load(volume)
    np.testing.assert_array_equal(mask.affine, scan.affine)
    data = np.asarray(mask.dataobj)
    assert data.shape == scan.shape
    assert np.flatnonzero(data.any(axis=(0, 1))).tolist() == list(WITH_TUMOR)
    drawn = draw_phantom(2, tumor="meningioma", size=SIDE).mask
    assert data[..., WITH_TUMOR[0]].T[drawn].mean() > 0.7
    size = study["measurements"]
    assert size["volume_ml"] == pytest.approx(data.sum() * np.prod(SPACING) / 1000, rel=1e-3)
    (lesion,) = size["lesions"]
    assert (lesion["first_slice"], lesion["last_slice"]) == (3, 4)
    assert lesion["largest"]["area_mm2"] == pytest.approx(
        lesion["largest"]["area_pixels"] * SPACING[0] * SPACING[1], rel=1e-3
    )


def test_a_tumor_free_volume_is_absent_and_not_a_speck(segment, tumor_free_volume, tmp_path):
    import nibabel

    *_, study = records(segment(tumor_free_volume, "--out", tmp_path, "-f", "json"))
    assert study["status"] == "no_tumor"
    assert study["measurements"] == {"pixels": 0, "volume_ml": 0.0, "lesions": []}
    assert not np.asarray(nibabel.load(study["mask_file"]).dataobj).any()


def test_a_dicom_series_is_measured_as_the_volume_it_is(segment, dicom_series, volume, tmp_path):
    import nibabel

    run = segment(dicom_series, "--out", tmp_path, "-f", "json")
    *_, study = records(run)
    *_, of_volume = records(segment(volume, "-f", "json"))
    assert run.code == 0
    assert study["spacing_mm"] == pytest.approx([1.2, 0.9])
    # The window of the series is not the range of the volume, so brightness differs a little.
    assert study["measurements"]["volume_ml"] == pytest.approx(
        of_volume["measurements"]["volume_ml"], rel=0.1
    )
    mask = nibabel.load(study["mask_file"])
    assert mask.shape == (SIDE, SIDE, SLICES)
    corner = mask.affine @ [0, 0, 0, 1]
    np.testing.assert_allclose(corner[:3], [50, 60, 0], atol=1e-5)
    np.testing.assert_allclose(nibabel.affines.voxel_sizes(mask.affine), SPACING, rtol=1e-6)


def test_a_series_without_places_is_measured_slice_by_slice(segment, dicom_series, tmp_path):
    import pydicom

    for path in dicom_series.iterdir():
        dataset = pydicom.dcmread(path)
        del dataset.ImagePositionPatient
        dataset.save_as(tmp_path / path.name)
    run = segment(tmp_path, "--out", tmp_path / "out", "-f", "json")
    *slices, study = records(run)
    assert run.code == 0
    assert study["measurements"] is None
    assert study["notes"][0]["code"] == "unplaced"
    assert sum(bool(one["measurements"]["area_pixels"]) for one in slices) == len(WITH_TUMOR)


def test_the_level_can_be_set(segment, volume):
    areas = [
        records(segment(volume, "-f", "json", "--level", level))[-1]["measurements"]["pixels"]
        for level in ("0.1", "0.9")
    ]
    assert areas[0] > areas[1] > 0


def test_csv_has_a_row_for_each_slice_lesion_and_study(segment, volume, tmp_path):
    run = segment(volume, tmp_path / "gone.png", "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(run.out)))
    kinds = [row["record"] for row in rows]
    assert kinds.count("finding") == SLICES
    assert kinds.count("lesion") == len(WITH_TUMOR)
    assert kinds[-3:] == ["study", "study_lesion", "error"]
    study, lesion = rows[-3:-1]
    assert float(study["volume_ml"]) == float(lesion["volume_ml"]) > 0
    assert float(lesion["longest_mm"]) >= float(lesion["perpendicular_mm"]) > 0
    assert run.code == 1


def test_the_table_says_sizes_and_what_was_not_measured(segment, volume, tmp_path):
    black = tmp_path / "black.png"
    Image.fromarray(np.zeros((100, 100), np.uint8)).save(black)
    run = segment(volume, black)
    assert f"all {SLICES} slices" in run.out.replace("\n", " ")
    assert "mL, slices 3 to 4" in run.out
    assert "not measured" in run.out
    assert "Not a medical device" in run.err
    assert run.code == 1


def test_a_model_without_mask_is_told_apart(tumorlens, tiny_model_path, lesion_png):
    run = tumorlens("segment", "--model", tiny_model_path, lesion_png)
    assert run.code == 2
    assert "gives no mask" in run.err
    assert run.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "at least one file"),
        (["a.png", "--level", "0"], "level"),
        (["a.png", "--level", "nan"], "level"),
        (["a.png", "--mark", "everything"], "everything"),
    ],
    ids=" ".join,
)
def test_wrong_use_ends_with_2(segment, arguments, words):
    run = segment(*arguments)
    assert run.code == 2
    assert words in run.err


def test_a_folder_in_the_way_is_told_before_anything_is_read(segment, lesion_png, tmp_path):
    (tmp_path / "file").write_text("in the way")
    run = segment(lesion_png, "--out", tmp_path / "file")
    assert run.code == 2
    assert "cannot be written" in run.err


def test_a_full_disk_loses_masks_but_no_answer(segment, volume, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MaskFolder, "_free_path", full)
    run = segment(volume, "-f", "json", "--out", tmp_path)
    assert run.code == 1
    assert len(records(run)) == SLICES + 1
    assert run.err.count("No space left") == 1
    assert f"{SLICES + 1} of" in run.err


def test_a_damaged_file_loses_no_other(segment, dicom_series, lesion_png, tmp_path):
    (tmp_path / "bad.nii").write_bytes(b"nonsense")
    run = segment(dicom_series, tmp_path / "bad.nii", lesion_png, "-f", "json")
    kinds = [record["record"] for record in records(run)]
    assert sorted(kinds) == ["error", *["finding"] * (SLICES + 1), "study"]
    assert run.code == 1


def test_without_nibabel_a_series_is_measured_and_the_extra_is_named(
    dicom_series, masking_model, tmp_path
):
    code = (
        "import sys; sys.modules['nibabel'] = sys.modules['nibabel.nifti1'] = None;"
        "from tumorlens.cli import run; run()"
    )
    words = ["segment", dicom_series, "--model", masking_model, "--out", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert 'pip install "tumorlens[nifti]"' in done.stderr
    assert "Traceback" not in done.stderr
    assert "mL" in done.stdout
    assert len(list((tmp_path / "out").glob("*.mask.png"))) == SLICES
