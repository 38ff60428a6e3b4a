"""If these fail, copies and patients stand on two sides, and every figure is too good."""

import csv
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from tests.data.test_duplicates import head
from tumorlens.data.manifest import Protocol, groups_on_two_sides
from tumorlens.data.split import SplitBy, split
from tumorlens.errors import DatasetError


def save(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.ascontiguousarray(pixels) * 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A yes/no set of 20 heads, each with a mirrored copy, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("sets") / "copied"
    for seed in range(20):
        label = folder / ("yes" if seed % 2 else "no")
        save(head(seed), label / f"{seed:02}.png")
        save(head(seed)[:, ::-1], label / f"{seed:02}-mirrored.png")
    (folder / "no" / "broken.png").write_bytes(b"no picture")
    return folder


def write_table(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


class TestGroups:
    def test_one_file_is_kept_of_each_distinct_picture(self, copied):
        found = split([copied])
        assert len(found.entries) == 20
        assert all(e.name.startswith("copied/") and len(e.sha256) == 64 for e in found.entries)
        assert "1 files cannot be read" in found.notes[0]
        assert "40 files hold 20 distinct pictures" in found.notes[1]

    @pytest.mark.parametrize("folds", [2, 5, 10])
    def test_no_group_crosses_and_every_fold_has_both_labels(self, copied, folds):
        entries = split([copied], folds=folds).entries
        assert groups_on_two_sides(entries) == []
        for fold in range(1, folds + 1):
            assert {e.label for e in entries if e.fold == fold} == {"tumor", "no_tumor"}

    def test_a_seed_decides_the_deal(self, copied):
        assert split([copied], seed=1) == split([copied], seed=1)
        assert split([copied], seed=1) != split([copied], seed=2)

    def test_too_few_independent_images_are_refused(self, tmp_path):
        for seed in range(3):
            save(head(seed), tmp_path / "few" / "no" / f"{seed}.png")
        with pytest.raises(DatasetError, match="only 3 independent groups"):
            split([tmp_path / "few"])

    def test_a_label_with_fewer_images_than_folds_is_dealt_as_far_as_it_goes(self, tmp_path):
        for seed in range(8):
            save(head(seed), tmp_path / "rare" / ("yes" if seed == 0 else "no") / f"{seed}.png")
        entries = split([tmp_path / "rare"]).entries
        assert len(entries) == 8
        assert {e.fold for e in entries} == {1, 2, 3, 4, 5}


class TestPatients:
    @pytest.fixture
    def known(self, tmp_path):
        """Ten patients of three slices; a copy of patient 0's slice is filed under patient 9."""
        folder = tmp_path / "known"
        rows = []
        for seed in range(30):
            name = f"images/{seed:02}.png"
            save(head(0) if seed == 29 else head(seed), folder / name)
            label = "tumor" if seed // 3 % 2 else "no_tumor"
            rows.append({"image": name, "label": label, "patient": f"p{seed // 3}"})
        write_table(folder, rows)
        return folder

    def test_a_patient_stands_in_one_fold_only(self, known):
        entries = split([known], by=SplitBy.PATIENT, folds=3).entries
        folds = defaultdict(set)
        for entry in entries:
            folds[int(entry.name[-6:-4]) // 3].add(entry.fold)
        assert len(folds) == 10
        assert all(len(numbers) == 1 for numbers in folds.values())

    def test_patients_who_share_a_picture_stand_together(self, known):
        entries = split([known], by=SplitBy.PATIENT, folds=3).entries
        fold_of = {entry.name[-6:-4]: entry.fold for entry in entries}
        assert fold_of["00"] == fold_of["27"]

    def test_unknown_patients_are_refused(self, copied):
        with pytest.raises(DatasetError, match="patients of its images are not known"):
            split([copied], by=SplitBy.PATIENT)


class TestOfficial:
    @pytest.fixture
    def leaking(self, tmp_path):
        """12 training heads, 6 test heads of which two are mirrored training heads."""
        folder = tmp_path / "leaking"
        for seed in range(12):
            save(head(seed), folder / "Training" / ("yes" if seed % 2 else "no") / f"{seed}.png")
        for seed in (0, 1):
            save(head(seed)[:, ::-1], folder / "Testing" / ("yes" if seed else "no") / "leak.png")
        for seed in range(20, 24):
            save(head(seed), folder / "Testing" / ("yes" if seed % 2 else "no") / f"{seed}.png")
        return folder

    def test_leaking_test_images_are_left_out_and_counted(self, leaking):
        found = split([leaking], by=SplitBy.OFFICIAL)
        tests = [e.name for e in found.entries if e.fold == 1]
        assert len(tests) == 4
        assert not any(name.endswith("leak.png") for name in tests)
        assert "2 of 6 test images" in found.notes[0]

    def test_training_images_are_dealt_to_the_other_folds(self, leaking):
        entries = split([leaking], by=SplitBy.OFFICIAL, folds=4).entries
        assert {e.fold for e in entries if "Training" in e.name} == {2, 3, 4}
        assert groups_on_two_sides(entries) == []

    def test_a_validation_folder_is_fold_2(self, leaking):
        for seed in range(30, 33):
            save(head(seed), leaking / "valid" / "no" / f"{seed}.png")
        entries = split([leaking], by=SplitBy.OFFICIAL).entries
        assert {e.name for e in entries if e.fold == 2} == {
            f"leaking/valid/no/{seed}.png" for seed in range(30, 33)
        }
        assert {e.fold for e in entries if "Training" in e.name} == {3, 4, 5}

    def test_an_authors_folds_are_kept(self, tmp_path):
        rows = [
            {"image": f"{seed}.png", "label": "glioma", "fold": seed % 3 + 1} for seed in range(6)
        ]
        for seed in range(6):
            save(head(seed), tmp_path / "folded" / f"{seed}.png")
        write_table(tmp_path / "folded", rows)
        for by in (SplitBy.AUTO, SplitBy.OFFICIAL):
            entries = split([tmp_path / "folded"], by=by).entries
            assert [e.fold for e in entries] == [1, 2, 3, 1, 2, 3]

    def test_a_set_without_an_official_split_is_refused(self, copied):
        with pytest.raises(DatasetError, match="has no official split"):
            split([copied], by=SplitBy.OFFICIAL)


class TestAuthors:
    """If these fail, what authors of published systems report cannot be measured as they meant."""

    @pytest.fixture
    def sides(self, tmp_path):
        """20 training heads; of 5 test heads two are mirrored training heads."""
        folder = tmp_path / "sides"
        for seed in range(20):
            save(head(seed), folder / "Training" / ("yes" if seed % 2 else "no") / f"{seed}.png")
        for seed in (0, 1):
            save(head(seed)[:, ::-1], folder / "Testing" / ("yes" if seed else "no") / "leak.png")
        for seed in range(30, 33):
            save(head(seed), folder / "Testing" / ("yes" if seed % 2 else "no") / f"{seed}.png")
        return folder

    def test_every_image_keeps_its_side_and_copies_are_recorded(self, sides):
        found = split([sides], by=SplitBy.AUTHORS)
        assert len(found.entries) == 25
        assert all(("Testing" in e.name) == (e.fold == 1) for e in found.entries)
        assert [e.fold for e in found.entries].count(2) == 4  # a fifth of Training
        assert "2 of 5 test images show a picture that is learnt from" in found.notes[0]
        twins = {e.name: e.picture for e in found.entries}
        assert (
            twins["sides/Testing/no/leak.png"]
            == twins["sides/Training/no/0.png"]
            != twins["sides/Testing/no/30.png"]
        )
        groups = {e.name: e.group for e in found.entries}
        assert groups["sides/Testing/no/leak.png"] == groups["sides/Training/no/0.png"]
        assert all(e.protocol is Protocol.AUTHORS for e in found.entries)

    def test_without_sides_a_fifth_of_the_files_is_the_test_and_none_is_left_out(self, copied):
        found = split([copied], by=SplitBy.AUTHORS)
        folds = [e.fold for e in found.entries]
        assert (len(folds), folds.count(1), folds.count(2)) == (40, 8, 6)
        for fold in (1, 2, 3):
            assert {e.label for e in found.entries if e.fold == fold} == {"tumor", "no_tumor"}
        assert split([copied], by=SplitBy.AUTHORS) == found
        assert split([copied], by=SplitBy.AUTHORS, seed=1).entries != found.entries

    def test_a_validation_folder_is_fold_2(self, sides):
        save(head(40), sides / "valid" / "no" / "40.png")
        entries = split([sides], by=SplitBy.AUTHORS).entries
        assert [e.name for e in entries if e.fold == 2] == ["sides/valid/no/40.png"]

    def test_copies_of_another_set_stay(self, copied, sides):
        assert len(split([copied, sides], by=SplitBy.AUTHORS).entries) == 65

    def test_too_few_images_are_refused(self, tmp_path):
        for seed in range(2):
            save(head(seed), tmp_path / "few" / "no" / f"{seed}.png")
        with pytest.raises(DatasetError, match="too few to set some of them aside"):
            split([tmp_path / "few"], by=SplitBy.AUTHORS)


class TestSeveralSets:
    def test_what_the_first_set_holds_is_left_out_of_the_second(self, copied, tmp_path):
        for seed in range(15, 30):
            save(head(seed), tmp_path / "second" / ("yes" if seed % 2 else "no") / f"{seed}.png")
        found = split([copied, tmp_path / "second"])
        second = [e.name for e in found.entries if e.source == "second"]
        assert len(second) == 10
        assert any("5 images are copies of sets before it" in note for note in found.notes)

    def test_two_sets_of_one_name_are_refused(self, copied, tmp_path):
        with pytest.raises(DatasetError, match="same folder name"):
            split([copied, tmp_path / "copied"])
