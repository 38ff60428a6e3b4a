"""Finding the images in what a person names: nothing missed, nothing hidden by a bad neighbour."""

import os
import zipfile
from pathlib import Path

import pytest

from tumorlens.errors import ScanError, ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.scan import Limits, Source, discover, read

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def png(make):
    return make.encoded(make.drawn_bytes(64), "PNG")


def names(found, below):
    return [
        (type(one).__name__, one.source) if isinstance(one, ScanError) else shortened(one, below)
        for one in found
    ]


def shortened(source, below):
    return str(source.name).removeprefix(f"{below}/")


class TestFiles:
    def test_names_are_as_the_user_wrote_them(self, png, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("a.png").write_bytes(png)
        (source,) = discover(["./a.png"])
        assert source.name == "./a.png"
        assert source.read_bytes() == png

    @pytest.mark.parametrize("name", ["gg (1).jpg", "image[1].jpg", "what?.png", "ü*.png"])
    def test_names_with_signs_of_patterns_are_files_first(self, png, tmp_path, name):
        (tmp_path / name).write_bytes(png)
        (tmp_path / "image1.jpg").write_bytes(png)
        (source,) = discover([tmp_path / name])
        assert source.name == str(tmp_path / name)
        assert len(list(read(source))) == 1

    def test_a_name_cannot_command_the_terminal(self, png, make, tmp_path):
        (tmp_path / "a\x1b[2J\nb.png").write_bytes(png)
        (tmp_path / "z.zip").write_bytes(make.zipped({"\x1b]0;c\x07.png": png}))
        found = list(discover([tmp_path]))
        assert len(found) == 2
        assert not any(letter in one.name for one in found for letter in "\x1b\x07\n")
        assert [len(list(read(source))) for source in found] == [1, 1]

    def test_a_name_that_is_no_utf8_can_be_printed(self, png, tmp_path):
        path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
        Path(path).write_bytes(png)
        (source,) = discover([tmp_path])
        source.name.encode("utf-8")
        assert len(list(read(source))) == 1

    @pytest.mark.parametrize(
        "name", ["missing.png", "missing/x.png", "a\0b", "x" * 5000, "", "no*.png"]
    )
    def test_a_missing_file_is_a_value_and_not_an_exception(self, tmp_path, name):
        (error,) = discover([f"{tmp_path}/{name}" if name else name])
        assert isinstance(error, UnreadableScan)

    def test_bad_neighbours_hide_nothing(self, png, tmp_path):
        (tmp_path / "good.png").write_bytes(png)
        (tmp_path / "broken.zip").write_bytes(b"PK\3\4rubbish")
        (tmp_path / "empty").mkdir()
        inputs = ["missing", "broken.zip", "empty", "good.png", "missing.zip"]
        found = list(discover(tmp_path / name for name in inputs))
        kinds = [type(one).__name__ for one in found]
        assert sorted(kinds) == ["Source", *["UnreadableScan"] * 4]

    def test_sources_pass_through(self, png):
        source = Source.from_bytes("upload.png", png)
        assert list(discover([source])) == [source]

    def test_a_file_that_vanishes_is_named(self, png, tmp_path):
        path = tmp_path / "soon-gone.png"
        path.write_bytes(png)
        (source,) = discover([path])
        path.unlink()
        with pytest.raises(UnreadableScan, match="no such file"):
            list(read(source))

    @pytest.mark.skipif(IS_ROOT, reason="root may read everything")
    def test_a_file_that_may_not_be_read_is_named(self, png, tmp_path):
        path = tmp_path / "secret.png"
        path.write_bytes(png)
        path.chmod(0)
        (error,) = discover([path])
        assert "permission" in error.reason

    def test_no_permission_while_reading_is_named(self, png, tmp_path, monkeypatch):
        path = tmp_path / "secret.png"
        path.write_bytes(png)
        (source,) = discover([path])

        def refuse(*args, **kwargs):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(UnreadableScan, match="no permission"):
            source.read_bytes()

    def test_a_pipe_does_not_block(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(UnsupportedScan, match="not a regular file"):
            list(read(tmp_path / "pipe.png"))
        assert isinstance(next(discover([tmp_path / "pipe.png"])), UnsupportedScan)

    def test_reading_a_folder_says_so(self, tmp_path):
        with pytest.raises(UnsupportedScan, match="it is a folder"):
            list(read(tmp_path))

    def test_a_file_over_the_limit_is_not_read(self, png, tmp_path):
        (tmp_path / "a.png").write_bytes(png)
        limits = Limits(max_file_bytes=len(png) - 1)
        with pytest.raises(ScanTooLarge, match="max_file_bytes"):
            list(read(tmp_path / "a.png", limits=limits))

    def test_sources_can_be_read_from_several_threads(self, png, make, tmp_path):
        from concurrent.futures import ThreadPoolExecutor

        members = {
            f"{index}.png": make.encoded(make.drawn_bytes(64, index), "PNG") for index in range(24)
        }
        (tmp_path / "many.zip").write_bytes(make.zipped(members))
        found = list(discover([tmp_path / "many.zip"]))
        with ThreadPoolExecutor(8) as pool:
            given = list(pool.map(lambda source: source.read_bytes(), found * 5))
        assert given == list(members.values()) * 5


class TestFolders:
    def test_images_are_found_below_in_natural_order(self, png, tmp_path):
        for name in ("s10.png", "s9.png", "S1.png", "sub/b.png", "sub/deep/c", "a2/x.png"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(png)
        assert names(discover([tmp_path]), tmp_path) == [
            "S1.png", "s9.png", "s10.png", "a2/x.png", "sub/b.png", "sub/deep/c",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "name",
        [".hidden.png", "Thumbs.db", ".DS_Store", "DICOMDIR", "index.csv", "notes.txt", "m.h5",
         "__MACOSX/._a.png", ".git/x.png", "report.docx", "archive.tar.gz"],
    )  # fmt: skip
    def test_bookkeeping_is_not_reported_as_broken_scans(self, png, make, tmp_path, name):
        (tmp_path / "a.png").write_bytes(png)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"PK\3\4" if name == "report.docx" else b"a,b\n1,2\n")
        assert names(discover([tmp_path]), tmp_path) == ["a.png"]

    def test_what_is_gzipped_is_not_taken_for_a_volume(self, png, tmp_path):
        import gzip

        (tmp_path / "a.png").write_bytes(png)
        (tmp_path / "table.csv.gz").write_bytes(gzip.compress(b"a,b"))
        (tmp_path / "lost").write_bytes(gzip.compress(b"a,b"))
        assert names(discover([tmp_path]), tmp_path) == ["a.png"]

    def test_a_damaged_image_is_not_silently_left_out(self, png, tmp_path):
        (tmp_path / "a.jpg").write_bytes(b"not a picture")
        (tmp_path / "b.png").write_bytes(b"")
        found = list(discover([tmp_path]))
        assert [Path(one.name).name for one in found] == ["a.jpg", "b.png"]
        for source in found:
            with pytest.raises(UnreadableScan):
                list(read(source))

    def test_a_folder_without_images_is_named(self, tmp_path):
        (tmp_path / "notes.txt").write_text("nothing here")
        (error,) = discover([tmp_path])
        assert isinstance(error, UnreadableScan)
        assert "no images in this folder" in error.reason

    def test_links_in_a_circle_end(self, png, tmp_path):
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "a.png").write_bytes(png)
        (tmp_path / "sub" / "up").symlink_to(tmp_path)
        (tmp_path / "self").symlink_to(tmp_path / "self")
        (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
        assert names(discover([tmp_path]), tmp_path) == [
            ("UnreadableScan", f"{tmp_path}/gone.png"),
            "sub/a.png",
        ]

    def test_a_folder_that_cannot_be_listed_is_named(self, png, tmp_path, monkeypatch):
        (tmp_path / "a.png").write_bytes(png)
        (tmp_path / "locked").mkdir()
        real = os.scandir

        def refuse(path):
            if str(path).endswith("locked"):
                raise PermissionError(13, "Permission denied")
            return real(path)

        monkeypatch.setattr(os, "scandir", refuse)
        found = list(discover([tmp_path]))
        assert [type(one).__name__ for one in found] == ["Source", "UnreadableScan"]

    def test_pictures_are_not_read_to_be_found(self, png, tmp_path, monkeypatch):
        for index in range(5):
            (tmp_path / f"{index}.png").write_bytes(png + bytes(100_000))
        monkeypatch.setattr(Source, "read_bytes", lambda *args: pytest.fail("read whole"))
        assert len(list(discover([tmp_path]))) == 5

    def test_the_first_picture_comes_before_the_last_is_looked_at(self, png, tmp_path):
        for index in range(3):
            (tmp_path / f"{index}.png").write_bytes(png)
        found = discover([tmp_path])
        next(found)
        (tmp_path / "2.png").write_bytes(b"changed")
        assert len(list(found)) == 2


class TestPatterns:
    def test_a_pattern_is_expanded_in_natural_order(self, png, tmp_path):
        for name in ("s10.png", "s9.png", "t.png"):
            (tmp_path / name).write_bytes(png)
        assert names(discover([f"{tmp_path}/s*.png"]), tmp_path) == ["s9.png", "s10.png"]

    def test_a_pattern_over_folders(self, png, tmp_path):
        for name in ("a/1.png", "b/c/2.png"):
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_bytes(png)
        found = names(discover([f"{tmp_path}/**/*.png"]), tmp_path)
        assert found == ["a/1.png", "b/c/2.png"]


class TestZips:
    def test_members_are_named_after_the_archive(self, png, make, tmp_path):
        data = make.zipped({"b/10.png": png, "b/9.png": png, "notes.txt": b"x", ".hid.png": png})
        (tmp_path / "study.zip").write_bytes(data)
        found = list(discover([tmp_path]))
        assert names(found, tmp_path) == ["study.zip::b/9.png", "study.zip::b/10.png"]
        (scan,) = read(found[0])
        assert scan.source == f"{tmp_path}/study.zip::b/9.png"

    def test_an_uploaded_archive(self, png, make):
        data = make.zipped({"a.png": png}, zipfile.ZIP_STORED)
        (source,) = discover([Source.from_bytes("up.zip", data)])
        assert (source.name, source.read_bytes()) == ("up.zip::a.png", png)

    def test_members_outlive_the_search(self, png, make, tmp_path):
        (tmp_path / "s.zip").write_bytes(make.zipped({"a.png": png}))
        source = next(discover([tmp_path / "s.zip"]))
        import gc

        gc.collect()
        assert source.read_bytes() == png

    def test_an_encrypted_archive_is_named_once(self, png, make):
        data = bytearray(make.zipped({"a.png": png, "b.png": png}))
        for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
            at = data.find(signature)
            while at >= 0:
                data[at + offset] |= 1
                at = data.find(signature, at + 1)
        (error,) = discover([Source.from_bytes("locked.zip", bytes(data))])
        assert isinstance(error, UnsupportedScan)
        assert "encrypted" in error.reason

    def test_one_encrypted_member_hides_no_other(self, png, make):
        data = bytearray(make.zipped({"a.png": png, "b.png": png}))
        data[data.find(b"PK\1\2") + 8] |= 1
        found = list(discover([Source.from_bytes("mixed.zip", bytes(data))]))
        with pytest.raises(UnsupportedScan, match="encrypted"):
            found[0].read_bytes()
        assert found[1].read_bytes() == png

    def test_a_member_without_a_name_hides_no_other(self, png, make):
        data = make.zipped({"a.png": png, "b.png": png}).replace(b"a.png", b"\0.png")
        found = list(discover([Source.from_bytes("x.zip", data)]))
        assert [one.name for one in found] == ["x.zip::b.png"]

    def test_a_zip_in_a_zip_is_named(self, png, make):
        inner = make.zipped({"a.png": png})
        data = make.zipped({"inner.zip": inner, "b.png": png, "sly.png": inner})
        first, second, third = discover([Source.from_bytes("outer.zip", data)])
        assert first.name == "outer.zip::b.png"
        assert isinstance(second, UnsupportedScan)
        assert "inside a zip" in second.reason
        with pytest.raises(UnsupportedScan, match="zip archive"):
            list(read(third))

    def test_a_bomb_is_refused_before_it_is_inflated(self, make):
        data = make.zipped({"bomb.png": bytes(64 * 1024 * 1024)})
        (source,) = discover([Source.from_bytes("bomb.zip", data)])
        with pytest.raises(ScanTooLarge, match="zip bomb"):
            source.read_bytes()

    def test_a_member_that_is_longer_than_it_says_is_damaged(self, make):
        data = bytearray(make.zipped({"a.png": bytes(100_000)}))
        at = data.find(b"PK\1\2") + 24
        data[at : at + 4] = (100).to_bytes(4, "little")
        (source,) = discover([Source.from_bytes("lies.zip", bytes(data))])
        with pytest.raises(UnreadableScan):
            source.read_bytes()

    def test_too_many_members(self, make, png):
        data = make.zipped({f"{index}.png": b"x" for index in range(30)})
        limits = Limits(max_zip_members=20)
        (error,) = discover([Source.from_bytes("many.zip", data)], limits=limits)
        assert isinstance(error, ScanTooLarge)
        assert "more than 20 files" in error.reason

    def test_too_many_bytes_in_all(self, make, png):
        data = make.zipped({f"{index}.png": png for index in range(3)})
        limits = Limits(max_total_bytes=2 * len(png))
        (error,) = discover([Source.from_bytes("much.zip", data)], limits=limits)
        assert isinstance(error, ScanTooLarge)

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_methods_that_ask_for_any_amount_of_memory_are_named(self, make, png, method):
        (source,) = discover([Source.from_bytes("x.zip", make.zipped({"a.png": png}, method))])
        with pytest.raises(UnsupportedScan, match=f"zip method {method}"):
            source.read_bytes()

    def test_an_archive_without_images(self, make):
        (error,) = discover([Source.from_bytes("x.zip", make.zipped({"notes.txt": b"x"}))])
        assert "no images in this zip" in error.reason

    @pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
    def test_truncated_archives(self, make, png, share):
        data = make.zipped({"a.png": png, "b.png": png})
        (error,) = discover([Source.from_bytes("cut.zip", data[: int(len(data) * share)])])
        assert isinstance(error, UnreadableScan)
