"""If these fail, one patient stands on both sides unseen, or images are joined that are not."""

from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from tumorlens.data.audit.collect import Member
from tumorlens.data.audit.patients import PatientNumbers, patients_of


def members(names, label=lambda i: "x", patient=lambda i: None, split=""):
    return [
        Member(
            name=f"set/{name}",
            set="set",
            path=Path(name),
            label=label(i),
            split=split,
            patient=patient(i),
            format="dicom" if name.endswith(".dcm") else "jpeg",
        )
        for i, name in enumerate(names)
    ]


def found(names, **options):
    return patients_of(members(names, **options), PatientNumbers())


def test_a_table_comes_first():
    keys, origin = found(["sub-1_a.jpg", "sub-1_b.jpg"], patient=lambda i: f"P{i}")
    assert keys == ["patient 1", "patient 2"]
    assert "table" in origin


def test_a_line_without_a_patient_stays_alone():
    keys, _ = found(["a.jpg", "b.jpg"], patient=lambda i: "P" if i else None)
    assert keys == [None, "patient 1"]


@pytest.mark.parametrize(
    "names",
    [
        ["sub-01_T1w_1.png", "sub-01_T1w_2.png", "sub-02_T1w_1.png", "sub-02_T1w_2.png"],
        ["x/TCGA-CS-4941_1.tif", "x/TCGA-CS-4941_2.tif", "y/TCGA-DU-5851_1.tif",
         "y/TCGA-DU-5851_2.tif"],
        ["BraTS20_Training_001_5.png", "BraTS20_Training_001_6.png",
         "BraTS20_Training_002_5.png", "BraTS20_Training_002_6.png"],
        ["patient_07/1.jpg", "patient_07/2.jpg", "patient_8/1.jpg", "patient_8/2.jpg"],
    ],
)  # fmt: skip
def test_names_that_say_so_are_read(names):
    keys, origin = found(names)
    assert keys == ["patient 1", "patient 1", "patient 2", "patient 2"]
    assert origin.startswith("file names")


@pytest.mark.parametrize(
    "names",
    [
        ["0001.jpg", "0002.jpg", "0003.jpg"],
        ["Te-no_0188.jpg", "Te-no_0189.jpg"],
        ["image(1).jpg", "image(2).jpg"],
        ["02_pre_00.jpg", "02_pre_01.jpg", "03_pre_00.jpg", "03_pre_01.jpg"],
        ["patient_1.jpg", "patient_2.jpg", "patient_3.jpg"],
        ["sub-01_1.png", "sub-01_2.png", "other_1.png", "other_2.png"],
    ],
    ids=[
        "numbers",
        "a prefix",
        "brackets",
        "unnamed numbers",
        "an image a patient",
        "half of them",
    ],
)
def test_names_that_only_look_so_are_not(names):
    assert found(names) == ([None] * len(names), None)


def test_numbers_that_begin_again_in_every_class_name_no_patient():
    names = [f"{label}/patient_{i}.jpg" for label in "ab" for i in range(9)]
    assert found(names, label=lambda i: "ab"[i // 9])[1] is None


class TestDicom:
    @pytest.fixture
    def series(self, tmp_path):
        def write(*identities):
            names = []
            for i, identity in enumerate(identities):
                dataset = pydicom.Dataset()
                dataset.PatientID = identity
                dataset.SOPInstanceUID = f"1.2.{i}"
                dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
                path = tmp_path / f"{i}.dcm"
                dataset.file_meta = pydicom.dataset.FileMetaDataset()
                dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
                dataset.save_as(path, enforce_file_format=True)
                names.append(str(path))
            return names

        return write

    def test_the_tag_is_read_and_not_kept(self, series):
        keys, origin = found(series("MRN-1", "MRN-2", "MRN-1"))
        assert keys == ["patient 1", "patient 2", "patient 1"]
        assert origin == "DICOM PatientID"

    def test_one_identity_for_all_is_that_of_an_anonymiser(self, series):
        assert found(series("ANON", "ANON", "ANON")) == ([None] * 3, None)

    def test_one_patient_in_two_sets_is_one(self, series):
        names, numbers = series("MRN-1", "MRN-2"), PatientNumbers()
        one, _ = patients_of(members(names), numbers)
        other, _ = patients_of(members(names[::-1]), numbers)
        assert one == other[::-1]
