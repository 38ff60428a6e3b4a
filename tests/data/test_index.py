"""If these fail, images are trained on under a wrong label, or not found at all."""

import pytest

from tumorlens.data.index import NO_TUMOR, TUMOR, class_name, index
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
        ("path,class\na.jpg,x\n", "needs the columns image and label"),
        ("image,label\ngone.jpg,glioma\n", "gone.jpg, which is not there"),
        ("", "has none"),
    ],
)
def test_a_wrong_table_says_what_is_wrong(tmp_path, content, message):
    (tmp_path / "index.csv").write_text(content)
    with pytest.raises(DatasetError, match=message):
        index(tmp_path)


def test_a_missing_or_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        index(tmp_path / "gone")
    with pytest.raises(DatasetError, match="expected a folder a class"):
        index(tmp_path)
