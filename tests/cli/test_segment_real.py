"""If these fail, the mask of a real volume or series does not lie on it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

nibabel = pytest.importorskip("nibabel")

DATA = os.environ.get("TUMORLENS_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="TUMORLENS_DATA names no folder of sets")


@pytest.fixture(scope="module")
def masking_model(tiny_model, tmp_path_factory):
    """Marks what is bright: where it marks is checked here, not whether that is a tumor."""
    return tiny_model(mask=True).save(tmp_path_factory.mktemp("models") / "masking.onnx")


def test_the_mask_of_a_volume_has_its_voxels(tumorlens, masking_model, tmp_path):
    scan = Path(DATA) / "nifti_tcia" / "01" / "Pre_Scan_T1.nii.gz"
    run = tumorlens("segment", scan, "--model", masking_model, "--out", tmp_path, "-f", "json")
    assert run.code == 0, run.err
    study = json.loads(run.out.splitlines()[-1])
    mask, volume = nibabel.load(study["mask_file"]), nibabel.load(scan)
    assert mask.shape == volume.shape
    np.testing.assert_array_equal(mask.affine, volume.affine)
    marked = np.asarray(mask.dataobj) == 1
    values = np.asarray(volume.dataobj)
    assert marked.sum() == study["measurements"]["pixels"] > 0
    # What is bright was marked, so the mask is at its place only if it holds the bright voxels.
    assert np.median(values[marked]) > 2 * np.median(values[values > 0])


def test_a_series_is_one_volume(tumorlens, masking_model, tmp_path):
    folder = Path(DATA) / "dicom_t1_7t"
    run = tumorlens("segment", folder, "--model", masking_model, "--out", tmp_path, "-f", "json")
    assert run.code == 0, run.err
    *slices, study = [json.loads(line) for line in run.out.splitlines()]
    mask = nibabel.load(study["mask_file"])
    assert sum(study["slices"].values()) == len(slices) == mask.shape[2] == 20
    sizes = [*study["spacing_mm"][::-1], study["slice_distance_mm"]]
    np.testing.assert_allclose(nibabel.affines.voxel_sizes(mask.affine), sizes, rtol=1e-3)
