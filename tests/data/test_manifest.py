"""If these fail, the test fold is no longer independent of the training folds."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.data.test_duplicates import head
from tumorlens.data import manifest
from tumorlens.errors import DatasetError


def save(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.ascontiguousarray(pixels) * 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A yes/no set of 20 heads, each with a mirrored copy, and a file that is no picture."""
    root = tmp_path_factory.mktemp("sets")
    for seed in range(20):
        folder = root / "mine" / ("yes" if seed % 2 else "no")
        save(head(seed), folder / f"{seed:02}.png")
        save(head(seed)[:, ::-1], folder / f"{seed:02}-mirrored.png")
    (root / "mine" / "no" / "broken.png").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="module")
def entries(root):
    return manifest.build(root, ["mine"])


def test_one_file_is_kept_of_each_distinct_picture(entries):
    assert len(entries) == 20
    assert all(e.name.startswith("mine/") and len(e.sha256) == 64 for e in entries)


def test_no_group_crosses_and_every_fold_has_both_labels(entries):
    assert manifest.groups_on_two_sides(entries) == []
    for fold in range(1, 6):
        assert {e.label for e in entries if e.fold == fold} == {"tumor", "no_tumor"}


def test_the_same_seed_gives_the_same_manifest(root, entries):
    assert manifest.build(root, ["mine"]) == entries


def test_a_manifest_is_read_back_as_it_was_written(entries, tmp_path):
    manifest.write(entries, tmp_path / "m.csv")
    assert manifest.load(tmp_path / "m.csv") == entries


def test_a_manifest_whose_groups_cross_is_refused(entries, tmp_path):
    first = entries[0]
    crossing = [*entries, replace(first, name="mine/x.png", fold=first.fold % 5 + 1)]
    manifest.write(crossing, tmp_path / "m.csv")
    with pytest.raises(DatasetError, match="more than one fold"):
        manifest.load(tmp_path / "m.csv")


@pytest.mark.parametrize("text", ["name,label\n1,2\n", "name,sha256\na,b\n", "\xff\xfe"])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "m.csv").write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError, match="not a manifest"):
        manifest.load(tmp_path / "m.csv")


def test_a_changed_or_missing_file_is_noticed(entries, root):
    with pytest.raises(DatasetError, match="1 files differ"):
        manifest.verify([replace(entries[0], sha256="0" * 64)], root)
    with pytest.raises(DatasetError, match="1 files of the manifest are not there"):
        manifest.verify([replace(entries[0], name="mine/gone.png")], root)


def test_too_few_independent_images_are_refused(tmp_path):
    for seed in range(3):
        save(head(seed), tmp_path / "few" / "no" / f"{seed}.png")
    with pytest.raises(DatasetError, match="only 3 independent groups"):
        manifest.build(tmp_path, ["few"])
