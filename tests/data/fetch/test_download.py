"""If these fail, an interrupted download is lost, or a damaged one is believed."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from typing import Any

import pytest

from tumorlens.data.fetch.download import TRIES, download_file
from tumorlens.errors import DownloadError, MissingExtra

DATA = bytes(range(256)) * 4000
MD5 = "md5:" + hashlib.md5(DATA, usedforsecurity=False).hexdigest()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "store" / "set.zip"


def lying(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def start_of(wanted: str) -> int:
    return int(wanted.removeprefix("bytes=").removesuffix("-"))


class TestWhole:
    def test_arrives_once_and_leaves_nothing_else(self, server: Any, target: Path) -> None:
        server.files["f"] = DATA
        for _ in range(2):
            download_file(server.url + "f", target, known_hash=MD5)
        assert target.read_bytes() == DATA
        assert lying(target.parent) == ["set.zip"]
        assert len(server.asked) == 1

    def test_tells_how_far_it_is(self, server: Any, target: Path) -> None:
        server.files["f"] = DATA
        seen: list[tuple[int, int | None]] = []
        download_file(
            server.url + "f", target, progress=lambda done, total: seen.append((done, total))
        )
        assert seen[-1] == (len(DATA), len(DATA))
        assert seen == sorted(seen)


class TestInterrupted:
    def test_goes_on_where_it_broke_off(self, server: Any, target: Path) -> None:
        server.files["f"] = DATA
        server.cuts = [100_000, 200_000]
        download_file(server.url + "f", target, known_hash=MD5)
        assert target.read_bytes() == DATA
        first, second, third = [wanted for _, wanted in server.asked]
        assert first is None
        assert 80_000 < start_of(second) <= 100_000
        assert 280_000 < start_of(third) <= 300_000

    def test_a_later_run_goes_on_too(self, server: Any, target: Path) -> None:
        server.files["f"] = DATA
        server.cuts = [100_000] * TRIES
        with pytest.raises(DownloadError, match="the same command again goes on"):
            download_file(server.url + "f", target)
        assert lying(target.parent) == ["set.zip.part", "set.zip.part.tag"]
        download_file(server.url + "f", target, known_hash=MD5)
        assert start_of(server.asked[-1][1]) > 80_000 * TRIES
        assert target.read_bytes() == DATA
        assert lying(target.parent) == ["set.zip"]

    def test_begins_anew_where_parts_are_not_served(self, server: Any, target: Path) -> None:
        server.files["f"] = DATA
        server.cuts, server.ranges = [5000], False
        download_file(server.url + "f", target, known_hash=MD5)
        assert target.read_bytes() == DATA

    def test_begins_anew_where_the_file_has_changed(self, server: Any, target: Path) -> None:
        server.files["f"] = b"x" * len(DATA)
        server.cuts = [5000] * TRIES
        with pytest.raises(DownloadError):
            download_file(server.url + "f", target)
        server.files["f"] = DATA
        download_file(server.url + "f", target)
        assert target.read_bytes() == DATA

    def test_without_a_version_no_part_is_trusted(self, server: Any, target: Path) -> None:
        server.files["f"] = DATA
        server.tags, server.cuts = False, [5000]
        download_file(server.url + "f", target)
        assert [wanted for _, wanted in server.asked] == [None, None]
        assert target.read_bytes() == DATA

    def test_stopped_at_the_last_byte(self, server: Any, target: Path) -> None:
        server.files["f"] = DATA
        server.cuts = [5000] * TRIES
        with pytest.raises(DownloadError):
            download_file(server.url + "f", target)
        target.with_name("set.zip.part").write_bytes(DATA)
        download_file(server.url + "f", target, known_hash=MD5)
        assert target.read_bytes() == DATA

    def test_a_part_longer_than_the_file_is_thrown_away(self, server: Any, target: Path) -> None:
        server.files["f"] = DATA
        server.cuts = [5000] * TRIES
        with pytest.raises(DownloadError):
            download_file(server.url + "f", target)
        target.with_name("set.zip.part").write_bytes(DATA + b"more")
        download_file(server.url + "f", target, known_hash=MD5)
        assert target.read_bytes() == DATA


class TestRefused:
    def test_a_busy_server_is_asked_again(self, server: Any, target: Path) -> None:
        server.files["f"] = DATA
        server.statuses = [503, 500, 429]
        download_file(server.url + "f", target)
        assert target.read_bytes() == DATA

    def test_a_broken_server_is_named(self, server: Any, target: Path) -> None:
        server.statuses = [500] * TRIES
        with pytest.raises(DownloadError, match=r"cannot serve it now \(HTTP 500\)"):
            download_file(server.url + "f", target)
        assert lying(target.parent) == []

    def test_what_is_gone_is_asked_for_once(self, server: Any, target: Path) -> None:
        with pytest.raises(DownloadError, match=r"HTTP 404.*--from") as caught:
            download_file(server.url + "gone", target)
        assert caught.value.status == 404
        assert len(server.asked) == 1

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_locked_door_is_told_apart(self, server: Any, target: Path, status: int) -> None:
        server.statuses = [status]
        with pytest.raises(DownloadError, match="who asks") as caught:
            download_file(server.url + "f", target)
        assert caught.value.status == status

    def test_no_network(self, server: Any, target: Path) -> None:
        with pytest.raises(DownloadError, match="is there a network"):
            download_file("http://127.0.0.1:9/f", target)

    def test_another_file_than_was_published(self, server: Any, target: Path) -> None:
        server.files["f"] = DATA[:-1] + b"?"
        with pytest.raises(DownloadError, match="not the file that was published"):
            download_file(server.url + "f", target, known_hash=MD5)
        assert lying(target.parent) == []

    def test_a_full_disk_keeps_what_has_arrived(
        self, server: Any, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.files["f"] = DATA
        room = iter([True, False])
        opening = Path.open

        class Full:
            def __init__(self, file: Any) -> None:
                self.file = file

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                self.file.close()

            def write(self, block: bytes) -> None:
                if not next(room):
                    raise OSError(errno.ENOSPC, "No space left on device")
                self.file.write(block)

        def open_full(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
            file = opening(path, mode, *rest, **more)
            return Full(file) if path.suffix == ".part" else file

        with monkeypatch.context() as patched:
            patched.setattr(Path, "open", open_full)
            with pytest.raises(DownloadError, match="the disk is full"):
                download_file(server.url + "f", target)
        download_file(server.url + "f", target, known_hash=MD5)
        assert target.read_bytes() == DATA
        assert server.asked[-1][1] == f"bytes={2**14}-"

    def test_a_folder_that_cannot_be_made(self, server: Any, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(DownloadError, match="--out"):
            download_file(server.url + "f", tmp_path / "file" / "set.zip")

    def test_without_pooch(self, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "pooch", None)
        with pytest.raises(MissingExtra, match=r"tumorlens\[data\]"):
            download_file("http://127.0.0.1:9/f", target)
