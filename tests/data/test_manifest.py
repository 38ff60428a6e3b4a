"""If these fail, the test fold is no longer independent of the training folds."""

import hashlib
from dataclasses import replace

import pytest

from tumorlens.data import manifest
from tumorlens.data.manifest import Entry, Protocol
from tumorlens.errors import DatasetError


@pytest.fixture
def entries(tmp_path):
    found = []
    for number in range(6):
        path = tmp_path / "mine" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes([number]))
        found.append(
            Entry(
                name=f"mine/{number}.png",
                sha256=hashlib.sha256(bytes([number])).hexdigest(),
                source="mine",
                label="tumor" if number % 2 else "no_tumor",
                group=f"mine/near{number // 2}",
                fold=number // 2 + 1,
            )
        )
    return found


def test_a_manifest_is_read_back_as_it_was_written(entries, tmp_path):
    digest = manifest.write(entries, tmp_path / "m.csv")
    assert manifest.load(tmp_path / "m.csv") == entries
    assert digest == hashlib.sha256((tmp_path / "m.csv").read_bytes()).hexdigest()


def test_a_manifest_whose_groups_cross_is_refused(entries, tmp_path):
    crossing = [*entries, replace(entries[0], name="mine/x.png", fold=3)]
    assert manifest.groups_on_two_sides(entries) == []
    manifest.write(crossing, tmp_path / "m.csv")
    with pytest.raises(DatasetError, match="mine/near0"):
        manifest.load(tmp_path / "m.csv")


def test_groups_may_cross_only_where_the_manifest_says_that_they_do(entries, tmp_path):
    crossing = [
        replace(entry, protocol=Protocol.AUTHORS, picture=f"mine/picture{number // 2}", fold=1)
        for number, entry in enumerate(entries)
    ]
    crossing[0] = replace(crossing[0], fold=2)
    manifest.write(crossing, tmp_path / "m.csv")
    assert manifest.load(tmp_path / "m.csv") == crossing
    assert manifest.protocol_of(crossing) is Protocol.AUTHORS
    assert (tmp_path / "m.csv").read_text().count(",authors,mine/picture") == 6
    # An image that claims to be grouped is held to it, whatever the others are.
    mixed = [replace(crossing[0], protocol=Protocol.GROUPED), replace(crossing[1], fold=3)]
    mixed.append(replace(mixed[0], name="mine/x.png", fold=1))
    manifest.write(mixed, tmp_path / "m.csv")
    with pytest.raises(DatasetError, match="--by authors"):
        manifest.load(tmp_path / "m.csv")


def test_a_grouped_manifest_has_the_lines_and_the_hash_that_it_always_had(entries):
    """Otherwise every published model would be told that its manifest is another one."""
    assert manifest.protocol_of(entries) is Protocol.GROUPED
    text = manifest.to_csv(entries[:1])
    digest = hashlib.sha256(bytes([0])).hexdigest()
    head = "name,sha256,source,label,group,fold"
    assert text == f"{head}\nmine/0.png,{digest},mine,no_tumor,mine/near0,1\n"


@pytest.mark.parametrize(
    "text",
    [
        "name,label\n1,2\n",
        "name,sha256\na,b\n",
        "name,sha256,source,label,group,fold,protocol\na,b,c,d,e,1,mine\n",
        "name,sha256,source,label,group,fold,leak\na,b,c,d,e,1,\n",
        "\xff\xfe",
        "",
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "m.csv").write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError, match="not a manifest"):
        manifest.load(tmp_path / "m.csv")


def test_a_changed_or_missing_file_is_noticed(entries, tmp_path):
    manifest.verify(entries, tmp_path)
    with pytest.raises(DatasetError, match="1 files differ"):
        manifest.verify([replace(entries[0], sha256="0" * 64)], tmp_path)
    with pytest.raises(DatasetError, match="1 files of the manifest are not there"):
        manifest.verify([replace(entries[0], name="mine/gone.png")], tmp_path)


def test_a_hash_tells_which_images_stood_on_a_side(entries):
    whole = manifest.hash_by_source(entries)
    assert manifest.hash_by_source(list(entries)) == whole
    assert manifest.hash_by_source(entries[1:]) != whole
    assert manifest.hash_by_source([replace(entries[0], fold=2), *entries[1:]]) != whole
