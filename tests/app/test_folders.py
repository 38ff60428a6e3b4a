"""If these fail, a visitor of the app reads folders that are none of their business."""

from __future__ import annotations

import pytest

from tests.app.conftest import png, zipped
from tumorlens.app import folders
from tumorlens.errors import DatasetError, ScanError


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8501", "[::1]:8501", "::1", "LOCALHOST"])
def test_this_machine_is_known_by_all_its_names(host):
    assert folders.is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", None, "203.0.113.9", "192.168.0.7:8501", "localhost.evil.test"]
)
def test_no_other_name_is_taken_for_this_machine(host):
    assert not folders.is_loopback(host)


def test_a_visitor_behind_a_proxy_is_not_at_this_machine():
    assert folders.is_own_machine("127.0.0.1", {"Host": "localhost:8501"})
    assert not folders.is_own_machine(
        "127.0.0.1", {"Host": "localhost:8501", "X-Forwarded-For": "203.0.113.9"}
    )
    assert not folders.is_own_machine(None, {"Host": "localhost:8501"})
    assert not folders.is_own_machine("127.0.0.1", {"Host": "evil.test"})


def test_a_link_out_of_an_allowed_folder_is_followed_and_refused(tmp_path):
    inside, outside = tmp_path / "sets", tmp_path / "secret"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    assert folders.allowed(str(inside), roots=[inside]) == inside.resolve()
    for path in (inside / "link", inside / ".." / "secret", "/etc", "\0", "~nobody-here/x"):
        with pytest.raises(DatasetError, match="may not be audited here"):
            folders.allowed(str(path), roots=[inside.resolve()])


def test_a_folder_that_is_not_there_is_told_apart(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        folders.allowed(str(tmp_path / "gone"), roots=[tmp_path.resolve()])


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "C:\\x.png"])
def test_a_zip_never_writes_beside_its_folder(tmp_path, name):
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises((DatasetError, ScanError)):
        folders.unpack("set.zip", zipped({name: png()}), into)
    assert [path for path in tmp_path.rglob("*.png") if into not in path.parents] == []


def test_only_images_are_unpacked(tmp_path):
    members = {
        "set/a/1.png": png(),
        "set/images.csv": b"path\n/etc/passwd\n",
        "__MACOSX/1.png": b"",
    }
    into = tmp_path / "into"
    top = folders.unpack("../set.zip", zipped(members), into)
    assert top == into / "set"
    assert [path.name for path in into.rglob("*") if path.is_file()] == ["1.png"]
