"""If these fail, images are trained on under a wrong label, or not found at all."""

import pytest

from tumorlens.data.index import NO_TUMOR, TUMOR, FaultKind, class_name, index, survey
from tumorlens.errors import DatasetError


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("glioma_tumor", "glioma"),
        ("Pituitary Tumor", "pituitary"),
        ("no_tumor", NO_TUMOR),
        ("notumor", NO_TUMOR),
        ("No", NO_TUMOR),
        ("yes", TUMOR),
        ("tumor", TUMOR),
        ("metastasis", "metastasis"),
    ],
)
def test_folder_names_of_the_public_sets_mean_one_class(folder, label):
    assert class_name(folder) == label


def test_yes_and_no_folders(tmp_path):
    touch(tmp_path, "yes/Y1.JPG", "no/1 no.jpeg", "no/notes.txt", ".hidden/x.jpg")
    assert [(s.label, s.split) for s in index(tmp_path)] == [(NO_TUMOR, None), (TUMOR, None)]


def test_training_and_testing_trees(tmp_path):
    touch(tmp_path, "Training/glioma/a.jpg", "Testing/glioma/a.jpg", "valid/no/b.png")
    found = {(s.split, s.label) for s in index(tmp_path)}
    assert found == {("train", "glioma"), ("test", "glioma"), ("validation", NO_TUMOR)}


def test_a_table_gives_fold_mask_and_patient(tmp_path):
    touch(tmp_path, "images/1.jpg", "images/2.jpg", "masks/1.png")
    (tmp_path / "index.csv").write_text(
        "image,mask,label,fold,patient\nimages/1.jpg,masks/1.png,glioma,3,p7\n"
        "images/2.jpg,,no_tumor,1,p8\n"
    )
    first, second = index(tmp_path)
    assert (first.label, first.fold, first.patient) == ("glioma", 3, "p7")
    assert first.mask == tmp_path / "masks/1.png"
    assert second.mask is None


def test_tumor_pixels_decide_where_there_is_no_label(tmp_path):
    touch(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "index.csv").write_text("image,patient,tumor_pixels\na.jpg,1,0\nb.jpg,1,12\n")
    assert [s.label for s in index(tmp_path)] == [NO_TUMOR, TUMOR]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("picture,kind\na.jpg,x\n", "needs the columns image and label"),
        ("image\na.jpg\n", "needs the columns image and label"),
        ("image,label\n,glioma\n", "line 2 names no image"),
        ("image,label\nhere.jpg,\n", "here.jpg, which has no label"),
        ("image,label,fold\nhere.jpg,glioma,first\n", "fold of line 2 is no whole number"),
        ("image,tumor_pixels\nhere.jpg,many\n", "tumor_pixels of line 2 is no whole number"),
        ("image,label\nhere.jpg,glioma\nhere.jpg,no\n", "here.jpg, as glioma and, in line 3"),
        (
            "path,label,split\nhere.jpg,a,train\nhere.jpg,a,test\n",
            "in train and, in line 3, in test",
        ),
        ("image,label\ngone.jpg,glioma\n", "gone.jpg, which is not there"),
        ("", "has none"),
    ],
)
def test_a_wrong_table_says_what_is_wrong(tmp_path, content, message):
    touch(tmp_path, "here.jpg")
    (tmp_path / "index.csv").write_text(content)
    with pytest.raises(DatasetError, match=message):
        index(tmp_path)


def test_a_missing_or_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        index(tmp_path / "gone")
    with pytest.raises(DatasetError, match="expected a folder a class"):
        index(tmp_path)


def test_one_wrong_line_loses_no_other(tmp_path):
    touch(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "index.csv").write_text("path,label\na.jpg,x\ngone.jpg,x\na.jpg,y\nb.jpg,y\n")
    found = survey(tmp_path)
    assert [(s.path.name, s.label) for s in found.samples] == [("a.jpg", "x"), ("b.jpg", "y")]
    assert [(f.image, f.kind) for f in found.faults] == [
        ("gone.jpg", FaultKind.MISSING),
        ("a.jpg", FaultKind.TWO_LABELS),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_any_name_with_patients_and_splits(tmp_path, delimiter):
    touch(tmp_path, "a.jpg", "b.jpg")
    lines = [["Path", "Label", "Patient", "Split"], ["a.jpg", "cyst", "7", "Training"],
             ["b.jpg", "abscess", "8", "Testing"]]  # fmt: skip
    text = "\n".join(delimiter.join(line) for line in lines)
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8-sig")
    for place in (tmp_path, tmp_path / "labels.csv"):
        first, second = index(place)
        assert (first.label, first.patient, first.split) == ("cyst", "7", "train")
        assert (second.label, second.patient, second.split) == ("abscess", "8", "test")


def test_tables_named_after_splits_are_read_together(tmp_path):
    touch(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "train.csv").write_text("path,label\na.jpg,x\n")
    (tmp_path / "test.csv").write_text("path,label\nb.jpg,x\n")
    assert {(s.path.name, s.split) for s in index(tmp_path)} == {
        ("a.jpg", "train"),
        ("b.jpg", "test"),
    }


def test_of_several_other_tables_one_must_be_named(tmp_path):
    touch(tmp_path, "a.jpg")
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("path,label\na.jpg,x\n")
    with pytest.raises(DatasetError, match=r"one\.csv, two\.csv"):
        index(tmp_path)
    assert len(index(tmp_path / "two.csv")) == 1


def test_a_table_of_something_else_does_not_hide_class_folders(tmp_path):
    touch(tmp_path, "glioma/a.jpg")
    (tmp_path / "notes.csv").write_text("who,when\nme,now\n")
    assert [s.label for s in index(tmp_path)] == ["glioma"]


def test_a_folder_that_only_wraps_a_set_is_looked_into(tmp_path):
    touch(tmp_path, "archive/inner/Training/x/a.jpg", "archive/inner/Testing/x/b.jpg")
    assert {s.split for s in index(tmp_path / "archive")} == {"train", "test"}


def test_one_class_whose_folders_are_patients_stays_one_class(tmp_path):
    touch(tmp_path, "glioma/p1/a.jpg", "glioma/p2/b.jpg")
    assert {s.label for s in index(tmp_path)} == {"glioma"}


def test_splits_may_stand_below_the_classes(tmp_path):
    touch(tmp_path, "glioma/train/a.jpg", "glioma/test/b.jpg", "cyst/train/c.jpg")
    assert [(s.label, s.split) for s in index(tmp_path)] == [
        ("cyst", "train"),
        ("glioma", "test"),
        ("glioma", "train"),
    ]


def test_dicom_files_without_a_suffix_are_found_and_hidden_files_are_not(tmp_path):
    touch(tmp_path, "yes/notes", "yes/._a.jpg")
    (tmp_path / "yes" / "IM0001").write_bytes(bytes(128) + b"DICM")
    assert [s.path.name for s in index(tmp_path)] == ["IM0001"]


def test_a_table_that_is_no_text_says_so(tmp_path):
    (tmp_path / "index.csv").write_bytes(b"image,label\n\xff\xfe\x00,x\n")
    with pytest.raises(DatasetError, match="cannot be read as a CSV table"):
        index(tmp_path)
