"""If these fail, an audit calls a leaking set clean, or loses files on its way."""

import csv
import json
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from tests.data.audit.conftest import make_leaky
from tumorlens.data.audit import passes
from tumorlens.data.audit.report import AuditReport, ProblemKind, Relation, Severity, Turn
from tumorlens.data.audit.run import audit
from tumorlens.errors import DatasetError


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def serious(report):
    return " ".join(s.text for s in report.verdict if s.severity is Severity.SERIOUS)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("audit")


@pytest.fixture(scope="module")
def report(out):
    return audit([make_leaky(out)], out=out / "out")


class TestALeakingSet:
    def test_the_contaminated_test_images_are_counted(self, report):
        (leak,) = report.leaks
        assert (leak.name, leak.split, leak.against) == ("leaky", "test", "train")
        assert (leak.images, leak.same, leak.near) == (6, 2, 2)
        assert "2 of 6 (33.3%) test images of leaky have a copy in train" in serious(report)

    def test_copies_are_named_with_their_turn(self, report):
        found = {frozenset((c.first, c.second)): c for c in report.copies}
        prefix = "leaky/Training"
        same_bytes = found[frozenset((f"{prefix}/glioma/g0.jpg", "leaky/Testing/glioma/copy.jpg"))]
        assert (same_bytes.relation, same_bytes.across_splits) == (Relation.BYTES, True)
        mirrored = found[
            frozenset((f"{prefix}/notumor/n1.jpg", "leaky/Testing/notumor/mirrored.jpg"))
        ]
        assert (mirrored.relation, mirrored.turn) == (Relation.SAME, Turn.MIRRORED)
        assert len(report.copies) == 3

    def test_one_picture_in_two_classes_is_a_conflict_and_stands_first(self, report):
        first = report.copies[0]
        assert first.across_classes
        assert {first.first, first.second} == {
            "leaky/Training/glioma/g3.jpg",
            "leaky/Training/notumor/wrong.png",
        }
        assert "Pairs of the same picture with labels that cannot both be true: 1." in serious(
            report
        )

    def test_different_pictures_are_counted_and_not_files(self, report):
        (one,) = report.sets
        assert (one.files, one.readable, one.distinct, one.groups) == (23, 23, 20, 20)
        assert (report.distinct, report.groups) == (20, 20)

    def test_the_counts_hold_every_pair(self, report):
        counts = {c.relation: c for c in report.copy_counts}
        assert [counts[r].pairs for r in Relation] == [1, 0, 2, 0]
        assert counts[Relation.SAME].turned == 1
        assert report.copies_left_out == 0

    def test_the_files_say_the_same(self, report, out):
        out = out / "out"
        assert AuditReport.model_validate_json((out / "audit.json").read_text()) == report
        files = rows_of(out / "files.csv")
        assert len(files) == 23
        group = {row["name"]: row["group"] for row in files}
        assert group["leaky/Training/glioma/g0.jpg"] == group["leaky/Testing/glioma/copy.jpg"]
        assert len(set(group.values())) == 20
        leaked = [row["name"] for row in files if row["split"] == "test" and row["same_in"]]
        assert leaked == [
            "leaky/Testing/glioma/copy.jpg",
            "leaky/Testing/notumor/mirrored.jpg",
        ]
        assert {row["same_in"] for row in files} == {"", "leaky/train", "leaky/test"}
        assert len(rows_of(out / "copies.csv")) == 3
        assert (out / "problems.csv").read_text() == "image,kind,detail\n"
        assert "<html" in (out / "audit.html").read_text()


def test_a_clean_set_is_called_clean(tmp_path, draw):
    for i in range(12):
        split, label = ("train", "test")[i % 3 == 0], ("yes", "no")[i % 2]
        draw(tmp_path / "set" / split / label / f"{i}.png", i)
    report = audit([tmp_path / "set"])
    assert [leak.same for leak in report.leaks] == [0]
    assert report.copies == ()
    texts = [s.text for s in report.verdict]
    assert any("None of the 4 test images of set has a copy in train." in text for text in texts)


def test_sets_that_share_images_are_no_external_test(tmp_path, draw):
    for i in range(6):
        draw(tmp_path / "one" / "glioma" / f"{i}.png", i)
    for i in range(4, 8):
        draw(tmp_path / "other" / "yes" / f"{i}.jpg", i, np.rot90)
    report = audit([tmp_path / "one", tmp_path / "other"])
    reach = {(o.of, o.among): (o.images, o.same) for o in report.overlaps}
    assert reach == {("one", "other"): (6, 2), ("other", "one"): (4, 2)}
    assert (report.distinct, [s.distinct for s in report.sets]) == (8, [6, 4])
    assert "Neither is an external test of the other" in serious(report)
    # A tumor of unknown kind may be a glioma.
    assert not any(copy.across_classes for copy in report.copies)


def test_folds_are_held_against_all_others(tmp_path, draw):
    lines = ["path,label,fold"]
    for i in range(6):
        draw(tmp_path / f"{i}.png", min(i, 4))
        lines.append(f"{i}.png,{'ab'[i % 2]},{i % 3 + 1}")
    (tmp_path / "index.csv").write_text("\n".join(lines))
    report = audit([tmp_path])
    reach = {leak.split: (leak.images, leak.same) for leak in report.leaks}
    assert reach == {"fold 1": (2, 0), "fold 2": (2, 1), "fold 3": (2, 1)}


def test_patients_in_two_splits_are_found_and_not_named(tmp_path, draw):
    lines = ["path,label,patient,split"]
    for i, (patient, split) in enumerate(
        [("Jane Doe", "train"), ("Jane Doe", "test"), ("John", "train"), ("Ann", "test")]
    ):
        draw(tmp_path / "set" / f"{i}.png", i)
        lines.append(f"{i}.png,{'ab'[i % 2]},{patient},{split}")
    (tmp_path / "set" / "index.csv").write_text("\n".join(lines))
    report = audit([tmp_path / "set"], out=tmp_path / "out")
    (held,) = report.patients
    assert (held.patient, held.splits, held.images) == ("patient 1", ("test", "train"), 2)
    assert report.groups == 3
    assert "Patients of set in more than one split: 1, with 2 images" in serious(report)
    for path in (tmp_path / "out").iterdir():
        assert b"Jane" not in path.read_bytes()


class TestBadFiles:
    @pytest.fixture
    def broken(self, tmp_path, draw):
        root = tmp_path / "broken"
        for i in range(4):
            draw(root / "yes" / f"{i}.jpg", i)
        whole = (root / "yes" / "0.jpg").read_bytes()
        (root / "yes" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
        (root / "yes" / "no end.jpg").write_bytes(whole[:-2])
        (root / "yes" / "empty.jpg").write_bytes(b"")
        (root / "yes" / "text.jpg").write_text("no picture")
        draw(root / "yes" / "really a png.jpg", 9, format="PNG")
        return root

    def test_each_is_named_and_no_other_is_lost(self, broken, tmp_path):
        report = audit([broken], out=tmp_path / "out")
        assert {(p.image.removeprefix("broken/yes/"), p.kind) for p in report.problems} == {
            ("cut.jpg", ProblemKind.TRUNCATED),
            ("no end.jpg", ProblemKind.TRUNCATED),
            ("empty.jpg", ProblemKind.UNREADABLE),
            ("text.jpg", ProblemKind.UNREADABLE),
            ("really a png.jpg", ProblemKind.MISLABELLED_FORMAT),
        }
        (one,) = report.sets
        assert (one.files, one.readable) == (9, 5)
        rows = rows_of(tmp_path / "out" / "files.csv")
        assert len(rows) == 9
        assert {r["name"]: r["problems"] for r in rows}["broken/yes/cut.jpg"] == "truncated"

    def test_a_set_of_nothing_readable_still_has_a_report(self, tmp_path):
        (tmp_path / "set" / "yes").mkdir(parents=True)
        (tmp_path / "set" / "yes" / "a.jpg").write_bytes(b"nothing")
        report = audit([tmp_path / "set"], out=tmp_path / "out")
        assert (report.sets[0].files, report.sets[0].readable) == (1, 0)
        assert len(report.problems) == 1


def test_wrong_lines_of_a_table_are_problems_and_lose_no_other(tmp_path, draw):
    draw(tmp_path / "a.png", 1)
    draw(tmp_path / "b.png", 2)
    (tmp_path / "index.csv").write_text(
        "path,label\na.png,x\na.png,y\ngone.png,x\nb.png,y\nb.png,\n"
    )
    report = audit([tmp_path])
    assert {p.kind for p in report.problems} == {
        ProblemKind.TWO_LABELS,
        ProblemKind.MISSING,
        ProblemKind.NO_LABEL,
    }
    assert report.sets[0].readable == 2


@pytest.mark.parametrize("count", [1, 2])
def test_one_class_and_one_image_are_audited(tmp_path, draw, count):
    for i in range(count):
        draw(tmp_path / "set" / "glioma" / f"{i}.png", i)
    report = audit([tmp_path / "set"], out=tmp_path / "out")
    assert report.sets[0].readable == count
    assert any("has only one class (glioma)" in s.text for s in report.verdict)


def test_a_set_named_twice_is_refused(leaky):
    with pytest.raises(DatasetError, match="named twice"):
        audit([leaky, leaky / "."])


def test_sets_of_one_name_are_told_apart(tmp_path, draw):
    draw(tmp_path / "a" / "set" / "yes" / "1.png", 1)
    draw(tmp_path / "b" / "set" / "yes" / "1.png", 2)
    report = audit([tmp_path / "a" / "set", tmp_path / "b" / "set"])
    assert [s.name for s in report.sets] == ["set", "set-2"]


def test_many_near_pairs_are_counted_and_not_all_listed(tmp_path, draw, monkeypatch):
    from tumorlens.data.audit import listing

    monkeypatch.setattr(listing, "MOST_OF_A_KIND", 5)
    for i in range(8):
        draw(tmp_path / "set" / "yes" / f"{i}.jpg", 1, quality=60 + i)
    report = audit([tmp_path / "set"])
    assert len(report.copies) == 5
    assert report.copies_left_out == 28 - 5
    assert report.distinct == 1


class TestAStoppedRun:
    @dataclass
    class Stop(Exception):
        after: int

        def __call__(self, what, done, total):
            if what == "reading" and done == self.after:
                raise self

    def test_goes_on_where_it_was(self, leaky, tmp_path, monkeypatch):
        monkeypatch.setattr("tumorlens.data.audit.cache._WRITES_AT_ONCE", 2)
        with pytest.raises(self.Stop):
            audit([leaky], out=tmp_path, progress=self.Stop(after=10))
        read = []
        inspect = passes.inspect_file
        monkeypatch.setattr(passes, "inspect_file", lambda path: read.append(path) or inspect(path))
        report = audit([leaky], out=tmp_path)
        assert len(read) == 13
        assert report.sets[0].readable == 23
        assert report.leaks == audit([leaky]).leaks

    def test_loses_nothing_that_was_saved_when_it_is_killed(self, leaky, tmp_path, monkeypatch):
        code = (
            "import os, signal, sys; from pathlib import Path;"
            "from tumorlens.data.audit import cache, run; cache._WRITES_AT_ONCE = 2;"
            "kill = lambda what, done, total:"
            " done == 10 and os.kill(os.getpid(), signal.SIGKILL);"
            "run.audit([Path(sys.argv[1])], out=Path(sys.argv[2]), progress=kill)"
        )
        done = subprocess.run([sys.executable, "-c", code, leaky, tmp_path], check=False)
        assert done.returncode == -signal.SIGKILL
        read = []
        inspect = passes.inspect_file
        monkeypatch.setattr(passes, "inspect_file", lambda path: read.append(path) or inspect(path))
        assert audit([leaky], out=tmp_path).sets[0].readable == 23
        assert len(read) == 13

    def test_reads_a_changed_file_again(self, leaky, tmp_path, draw):
        before = audit([leaky], out=tmp_path).leaks[0].same
        draw(leaky / "Testing" / "glioma" / "copy.jpg", 77)
        assert audit([leaky], out=tmp_path).leaks[0].same == before - 1

    def test_a_damaged_memory_is_begun_again(self, leaky, tmp_path):
        (tmp_path / "facts.sqlite").write_bytes(b"not a database, but long enough to be one" * 9)
        assert audit([leaky], out=tmp_path).sets[0].readable == 23


def test_processes_find_what_one_finds(leaky, monkeypatch):
    monkeypatch.setattr(passes, "FILES_WORTH_A_PROCESS", 1)
    alone, together = audit([leaky]), audit([leaky], workers=2)
    unlike = {"created", "seconds"}
    assert together.model_dump(exclude=unlike) == alone.model_dump(exclude=unlike)


def test_a_folder_that_cannot_be_written_is_said_before_the_work(leaky, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be made"):
        audit([leaky], out=tmp_path / "file" / "out")


def test_names_are_no_formulas_in_a_spreadsheet(tmp_path, draw):
    draw(tmp_path / "=1+1" / "yes" / "a.png", 1)
    audit([tmp_path / "=1+1"], out=tmp_path / "out")
    (row,) = rows_of(tmp_path / "out" / "files.csv")
    assert row["name"] == "'=1+1/yes/a.png"
    assert json.loads((tmp_path / "out" / "audit.json").read_text())["sets"][0]["name"] == "=1+1"
