"""If these fail, overlays overwrite each other or a user's file, or land outside their folder."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tumorlens.errors import TumorLensError
from tumorlens.report.overlays import OverlayFolder

PIXELS = np.linspace(0, 1, 6400, dtype=np.float32).reshape(80, 80)


@pytest.fixture
def write(make_finding, make_scan_info):
    """Writes the overlay of a slice of the given name; gives its path."""

    def one(folder: OverlayFolder, source: str, **changes):
        info = make_scan_info(source, width=80, height=80, **changes)
        return folder.write(PIXELS, make_finding(scan=info))

    return one


def test_an_overlay_is_a_picture_named_after_its_input(tmp_path, write):
    path = write(OverlayFolder(tmp_path / "new" / "folder"), "in/scan.one.jpg")
    assert path == tmp_path / "new" / "folder" / "scan.one.overlay.png"
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.mode == "RGB"
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("../../etc/passwd", "passwd.overlay.png"),
        ("a.zip::../../evil.png", "evil.overlay.png"),
        ("a.zip::C:\\evil.png", "evil.overlay.png"),
        ("..", "scan.overlay.png"),
        (".hidden", "hidden.overlay.png"),
        ("a\x00b\n.png", "a_b.overlay.png"),
        ("größe 脑.png", "größe_脑.overlay.png"),
        ("x" * 500, "x" * 50 + ".overlay.png"),
        ("", "scan.overlay.png"),
    ],
)
def test_no_name_leads_out_of_the_folder(tmp_path, write, source, name):
    path = write(OverlayFolder(tmp_path), source)
    assert path.parent == tmp_path
    assert path.name == name


def test_equal_names_and_slices_get_files_of_their_own(tmp_path, write):
    folder = OverlayFolder(tmp_path)
    names = [
        write(folder, source, **changes).name
        for source, changes in [
            ("a/scan.png", {}),
            ("b/scan.png", {}),
            ("c.zip::scan.jpg", {}),
            ("SCAN.png", {}),
            ("scan.dcm", {"frame": 0, "frame_count": 2}),
            ("scan.dcm", {"frame": 1, "frame_count": 2}),
        ]
    ]
    assert names == [
        "scan.overlay.png",
        "scan-2.overlay.png",
        "scan-3.overlay.png",
        "SCAN-4.overlay.png",
        "scan-0001.overlay.png",
        "scan-0002.overlay.png",
    ]
    assert len(list(tmp_path.iterdir())) == 6


def test_a_second_run_replaces_its_own_overlays_and_nothing_else(tmp_path, write):
    first = write(OverlayFolder(tmp_path), "scan.png")
    precious = tmp_path / "other.overlay.png"
    precious.write_bytes(b"a picture of the user's own")
    link = tmp_path / "link.overlay.png"
    link.symlink_to(tmp_path / "elsewhere")
    folder = OverlayFolder(tmp_path)
    assert write(folder, "scan.png") == first
    assert write(folder, "other.png").name == "other-2.overlay.png"
    assert write(folder, "link.png").name == "link-2.overlay.png"
    assert precious.read_bytes() == b"a picture of the user's own"
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TumorLensError, match=r"file.*Name another folder"):
        OverlayFolder(tmp_path / "file")


def test_a_folder_that_vanishes_is_named(tmp_path, write):
    folder = OverlayFolder(tmp_path / "gone")
    folder.folder.rmdir()
    with pytest.raises(TumorLensError, match="cannot be written"):
        write(folder, "scan.png")
