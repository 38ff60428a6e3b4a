"""If these fail, a public set arrives damaged, incomplete, elsewhere, or not at all."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import stat
import subprocess
import types
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tumorlens.data.fetch import fetch
from tumorlens.data.index import index
from tumorlens.data.sources import SETS, PublicSet, RemoteFile, find
from tumorlens.errors import DatasetError, DownloadError

if TYPE_CHECKING:
    from pathlib import Path

FOLDS = [1, 2, 2, 5]


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def image_of(number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    return rng.integers(0, 900, (10, 12)).astype(np.int16)


@pytest.fixture
def published(server: Any, make: Any) -> dict[str, bytes]:
    """Cheng's set in small: two zips of two slices, and the folds."""
    slices = {
        f"{i}.mat": make.matlab_slice(
            image_of(i), mask=image_of(i) > 600, label=1 + i % 3, patient=f"p{i // 2}"
        )
        for i in range(1, 5)
    }
    files = {
        "a.zip": make.zipped({n: slices[n] for n in ("1.mat", "2.mat")}),
        "b.zip": make.zipped({f"inside/{n}": slices[n] for n in ("3.mat", "4.mat")}),
        "cvind.mat": make.matlab_folds(FOLDS),
    }
    server.files.update(files)
    return files


@pytest.fixture
def cheng(server: Any, published: dict[str, bytes]) -> PublicSet:
    return dataclasses.replace(
        SETS["cheng"],
        base=server.url,
        images=4,
        files=tuple(
            RemoteFile(name=name, address=name, size=len(data), md5=md5(data))
            for name, data in published.items()
        ),
    )


def kaggle(server: Any, name: str, data: bytes, images: int) -> PublicSet:
    server.files[f"{name}.zip"] = data
    file = RemoteFile(name=f"{name}.zip", address=f"{name}.zip")
    return dataclasses.replace(SETS[name], base=server.url, files=(file,), images=images)


@pytest.fixture
def four_class_zip(make: Any) -> bytes:
    return make.zipped(
        {
            "Training/glioma/a.png": make.png(10),
            "Training/notumor/b.png": make.png(20),
            "Testing/glioma/c.PNG": make.png(30),
            "Testing/notes.txt": b"no picture",
            "readme.md": b"read me",
        }
    )


def lying(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


class TestCheng:
    def test_is_laid_out_as_it_is_read(self, cheng: PublicSet, tmp_path: Path) -> None:
        done = fetch(cheng, tmp_path)
        assert (done.folder, done.images, done.remark) == (tmp_path / "cheng", 4, "")
        samples = index(done.folder)
        assert [s.label for s in samples] == ["glioma", "pituitary", "meningioma", "glioma"]
        assert [s.fold for s in samples] == FOLDS
        assert [s.patient for s in samples] == ["p0", "p1", "p1", "p2"]
        with (done.folder / "index.csv").open() as file:
            assert next(csv.reader(file)) == ["index", "image", "mask", "label", "fold", "patient"]

    def test_pictures_and_masks_lie_as_in_matlab(self, cheng: PublicSet, tmp_path: Path) -> None:
        first = index(fetch(cheng, tmp_path).folder)[0]
        image, mask = (np.asarray(Image.open(path)) for path in (first.path, first.mask))
        source = image_of(1).astype(float)
        low, high = source.min(), source.max()
        assert np.array_equal(image, np.rint((source - low) * 255 / (high - low)))
        assert np.array_equal(mask, np.where(source > 600, 255, 0))

    def test_leaves_nothing_of_the_download(self, cheng: PublicSet, tmp_path: Path) -> None:
        fetch(cheng, tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"cheng", "checksums.json"}

    def test_an_interrupted_set_goes_on(
        self, cheng: PublicSet, server: Any, published: Any, tmp_path: Path
    ) -> None:
        del server.files["b.zip"]
        with pytest.raises(DownloadError, match="HTTP 404"):
            fetch(cheng, tmp_path)
        assert not (tmp_path / "cheng").exists()
        server.files.update(published)
        server.asked.clear()
        assert fetch(cheng, tmp_path).images == 4
        assert [path for path, _ in server.asked] == ["/b.zip", "/cvind.mat"]

    def test_a_damaged_download_is_refused(
        self, cheng: PublicSet, server: Any, tmp_path: Path
    ) -> None:
        server.files["b.zip"] = server.files["b.zip"][:-1] + b"!"
        with pytest.raises(DownloadError, match="not the file that was published"):
            fetch(cheng, tmp_path)
        assert not (tmp_path / "cheng").exists()

    @pytest.mark.parametrize("shape", ["folder", "unpacked", "zip_of_zips"])
    def test_from_what_a_person_downloaded(
        self, cheng: PublicSet, server: Any, published: Any, make: Any, tmp_path: Path, shape: str
    ) -> None:
        given = tmp_path / "Downloads"
        given.mkdir()
        for name, data in published.items():
            (given / name).write_bytes(data)
        if shape == "unpacked":
            for name in ("a.zip", "b.zip"):
                with zipfile.ZipFile(given / name) as archive:
                    archive.extractall(given)
                (given / name).unlink()
        if shape == "zip_of_zips":
            given = tmp_path / "1512427.zip"
            given.write_bytes(make.zipped(published))
        assert fetch(cheng, tmp_path / "sets", given=given).images == 4
        assert server.asked == []
        assert lying(tmp_path / "Downloads") >= {"cvind.mat"}

    def test_a_damaged_zip_within_a_zip(
        self, cheng: PublicSet, published: Any, make: Any, tmp_path: Path
    ) -> None:
        given = tmp_path / "all.zip"
        given.write_bytes(make.zipped(published | {"b.zip": published["a.zip"]}))
        with pytest.raises(DownloadError, match="its publisher says"):
            fetch(cheng, tmp_path / "sets", given=given)

    def test_missing_slices_and_folds_are_counted(
        self, cheng: PublicSet, published: Any, make: Any, tmp_path: Path
    ) -> None:
        given = tmp_path / "part.zip"
        for left_out, words in (("b.zip", "2 of 4 slices are missing"), ("cvind.mat", "folds")):
            given.write_bytes(
                make.zipped({n: data for n, data in published.items() if n != left_out})
            )
            with pytest.raises(DatasetError, match=words):
                fetch(cheng, tmp_path / "sets", given=given)
        assert not (tmp_path / "sets" / "cheng").exists()


class TestFolders:
    def test_training_and_testing(self, server: Any, four_class_zip: bytes, tmp_path: Path) -> None:
        done = fetch(kaggle(server, "nickparvar", four_class_zip, 3), tmp_path)
        assert {(s.split, s.label) for s in index(done.folder)} == {
            ("train", "glioma"),
            ("train", "no_tumor"),
            ("test", "glioma"),
        }
        assert lying(done.folder) == {
            "Training/glioma/a.png",
            "Training/notumor/b.png",
            "Testing/glioma/c.PNG",
            "SOURCE.txt",
            "SHA256SUMS",
        }

    def test_the_top_folders_are_taken_where_they_stand_twice(
        self, server: Any, make: Any, tmp_path: Path
    ) -> None:
        data = make.zipped(
            {
                f"{root}{folder}/{number}.png": make.png(number)
                for number, (root, folder) in enumerate(
                    [("", "Yes"), ("", "no"), ("again/", "yes"), ("again/", "no"), ("", "pred")]
                )
            }
        )
        done = fetch(kaggle(server, "navoneel", data, 2), tmp_path)
        assert {"yes/0.png", "no/1.png"} == {n for n in lying(done.folder) if n.endswith("png")}

    def test_another_version_is_said(
        self, server: Any, four_class_zip: bytes, tmp_path: Path
    ) -> None:
        done = fetch(kaggle(server, "nickparvar", four_class_zip, 7023), tmp_path)
        assert "7023 were expected" in done.remark

    def test_another_file_is_refused(self, server: Any, make: Any, tmp_path: Path) -> None:
        for data, words in (
            (make.zipped({"cats/a.png": make.png()}), "does not hold the folders yes and no"),
            (b"<html>log in</html>", "not a whole zip"),
        ):
            with pytest.raises(DatasetError, match=words):
                fetch(kaggle(server, "navoneel", data, 2), tmp_path)
            assert not (tmp_path / "navoneel").exists()
        data = make.zipped({"yes/a.png": make.png(), "no/b.png": make.png()})
        assert fetch(kaggle(server, "navoneel", data, 2), tmp_path).images == 2

    def test_a_zip_cut_short(self, server: Any, four_class_zip: bytes, tmp_path: Path) -> None:
        given = tmp_path / "cut.zip"
        given.write_bytes(four_class_zip[: len(four_class_zip) // 2])
        with pytest.raises(DatasetError, match=r"cut\.zip: not a whole zip"):
            fetch(SETS["nickparvar"], tmp_path / "sets", given=given)

    def test_a_zip_with_a_damaged_picture(
        self, make: Any, four_class_zip: bytes, tmp_path: Path
    ) -> None:
        given = tmp_path / "bad.zip"
        at = four_class_zip.index(b"a.png") + 12
        given.write_bytes(four_class_zip[:at] + b"\x55\xaa\x55" + four_class_zip[at + 3 :])
        with pytest.raises(DatasetError, match=r"bad\.zip: not a whole zip"):
            fetch(SETS["nickparvar"], tmp_path / "sets", given=given)
        assert not (tmp_path / "sets" / "nickparvar").exists()

    @pytest.mark.parametrize("name", ["../yes/x.png", "/yes/x.png", "a\\..\\x.png", "C:/yes/x.png"])
    def test_a_path_that_leads_out(self, make: Any, tmp_path: Path, name: str) -> None:
        given = tmp_path / "deep" / "slip.zip"
        given.parent.mkdir()
        given.write_bytes(
            make.zipped({"yes/a.png": make.png(), "no/b.png": make.png(), name: b"out"})
        )
        before = lying(tmp_path)
        with pytest.raises(DatasetError, match="leads out of it; nothing was unpacked"):
            fetch(SETS["br35h"], tmp_path / "deep" / "sets", given=given)
        assert lying(tmp_path) == before

    def test_a_link_in_a_zip(self, make: Any, tmp_path: Path) -> None:
        given = tmp_path / "link.zip"
        link = zipfile.ZipInfo("yes/a.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(given, "w") as archive:
            archive.writestr(link, "/etc/passwd")
        with pytest.raises(DatasetError, match="leads out of it"):
            fetch(SETS["br35h"], tmp_path / "sets", given=given)

    def test_a_bomb(self, tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tumorlens.data.fetch.unpack.LARGEST_UNPACKED", 1000)
        given = tmp_path / "bomb.zip"
        given.write_bytes(make.zipped({"yes/a.png": bytes(2000), "no/b.png": b""}))
        with pytest.raises(DatasetError, match="would unpack to more"):
            fetch(SETS["br35h"], tmp_path / "sets", given=given)


class TestChecksums:
    def test_the_first_download_is_kept_in_mind(
        self, server: Any, four_class_zip: bytes, make: Any, tmp_path: Path
    ) -> None:
        wanted = kaggle(server, "nickparvar", four_class_zip, 3)
        folder = fetch(wanted, tmp_path).folder
        entry = json.loads((tmp_path / "checksums.json").read_text())["sets"]["nickparvar"]
        assert entry["nickparvar.zip"]["sha256"] == hashlib.sha256(four_class_zip).hexdigest()
        assert entry["nickparvar.zip"]["checked_against"] == "first use"
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()
        server.files["nickparvar.zip"] = make.zipped({"Training/a/b.png": make.png()})
        with pytest.raises(DownloadError, match=r"was .* when it was first fetched"):
            fetch(wanted, tmp_path)

    def test_those_of_the_publisher_are_named(self, cheng: PublicSet, tmp_path: Path) -> None:
        fetch(cheng, tmp_path)
        entries = json.loads((tmp_path / "checksums.json").read_text())["sets"]["cheng"]
        assert {e["checked_against"] for e in entries.values()} == {"md5 of the publisher"}

    def test_one_that_the_caller_knows(
        self, server: Any, four_class_zip: bytes, tmp_path: Path
    ) -> None:
        wanted = kaggle(server, "nickparvar", four_class_zip, 3)
        with pytest.raises(DownloadError, match="that was asked for"):
            fetch(wanted, tmp_path, sha256="0" * 64)
        right = hashlib.sha256(four_class_zip).hexdigest()
        assert fetch(wanted, tmp_path, sha256=right.upper()).images == 3

    def test_of_several_files_none_can_be_given(self, cheng: PublicSet, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="leave --sha256 out"):
            fetch(cheng, tmp_path, sha256="0" * 64)

    def test_a_second_fetch_checks_what_is_there(
        self, cheng: PublicSet, server: Any, tmp_path: Path
    ) -> None:
        folder = fetch(cheng, tmp_path).folder
        server.asked.clear()
        again = fetch(cheng, tmp_path)
        assert (again.was_there, again.images, server.asked) == (True, 4, [])
        (folder / "masks" / "0002.png").write_bytes(b"changed")
        with pytest.raises(DatasetError, match=r"1 files are gone or changed.*masks/0002\.png"):
            fetch(cheng, tmp_path)

    def test_sha256sum_understands_the_list(self, cheng: PublicSet, tmp_path: Path) -> None:
        folder = fetch(cheng, tmp_path).folder
        done = subprocess.run(
            ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=False
        )
        assert done.returncode == 0

    def test_a_ledger_that_is_none(self, cheng: PublicSet, tmp_path: Path) -> None:
        for text in ("[]", "{", '{"schema_version": 9, "sets": {}}'):
            (tmp_path / "checksums.json").write_text(text)
            with pytest.raises(DatasetError, match="begin anew"):
                fetch(cheng, tmp_path)


class TestRefused:
    def test_a_folder_that_is_somebody_elses(self, cheng: PublicSet, tmp_path: Path) -> None:
        (tmp_path / "cheng").mkdir()
        (tmp_path / "cheng" / "mine.txt").write_text("mine")
        with pytest.raises(DatasetError, match="name another --out"):
            fetch(cheng, tmp_path)
        assert lying(tmp_path) == {"cheng/mine.txt"}

    def test_too_little_room(
        self, cheng: PublicSet, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("shutil.disk_usage", lambda _: types.SimpleNamespace(free=900_000_000))
        with pytest.raises(DownloadError, match=r"900 MB are free.*needs about 1\.5 GB"):
            fetch(cheng, tmp_path / "new" / "sets")
        assert server.asked == []
        assert lying(tmp_path) == set()

    def test_what_was_given_is_not_there(self, cheng: PublicSet, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"gone\.zip: no such file"):
            fetch(cheng, tmp_path, given=tmp_path / "gone.zip")

    def test_kaggle_wants_credentials(
        self, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        server.statuses = [403]
        with pytest.raises(DownloadError) as caught:
            fetch(kaggle(server, "br35h", b"", 2), tmp_path)
        for words in ("HTTP 403", "--from FILE.zip", "pip install kagglehub", "settings/api"):
            assert words in str(caught.value)
        assert lying(tmp_path) == set()

    def test_kagglehub_is_asked_where_it_is_installed(
        self, server: Any, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache = tmp_path / "cache"
        for name in ("Training/glioma/a.png", "Testing/glioma/b.png"):
            (cache / name).parent.mkdir(parents=True)
            (cache / name).write_bytes(make.png())
        handles: list[str] = []
        hub = types.SimpleNamespace(
            dataset_download=lambda handle: handles.append(handle) or str(cache)
        )
        monkeypatch.setitem(__import__("sys").modules, "kagglehub", hub)
        monkeypatch.setattr("importlib.util.find_spec", lambda _: hub)
        server.statuses = [401]
        assert fetch(kaggle(server, "nickparvar", b"", 2), tmp_path / "sets").images == 2
        assert handles == ["masoudnickparvar/brain-tumor-mri-dataset/versions/1"]
        assert (cache / "Training/glioma/a.png").is_file()


class TestTable:
    def test_a_near_name_is_offered(self) -> None:
        with pytest.raises(DatasetError, match="did you mean nickparvar"):
            find("nickpavar")
        assert find(" Cheng ").name == "cheng"

    @pytest.mark.parametrize("one", SETS.values(), ids=list(SETS))
    def test_every_set_says_what_is_accepted_with_it(self, one: PublicSet) -> None:
        assert one.licence
        assert one.citation
        assert one.base.startswith("https://")
        assert one.page.startswith("https://")
        assert one.base.endswith("/")

    def test_the_sizes_of_cheng_add_up(self) -> None:
        one = SETS["cheng"]
        assert sum(file.size or 0 for file in one.files) == 879_499_062
        assert abs(one.download_bytes - 879_499_062) < 1_000_000
