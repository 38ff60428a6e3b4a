"""If these fail, a file that is damaged, foreign or of another version could answer."""

from __future__ import annotations

import hashlib
import json

import pytest

from tumorlens.errors import ModelCorrupt, ModelError, ModelIncompatible, ModelNotFound
from tumorlens.model.load import load_file


def changed(metadata, **changes) -> str:
    return json.dumps(json.loads(metadata.model_dump_json()) | changes)


def test_a_model_knows_its_file(tiny_model_path):
    model = load_file(tiny_model_path)
    data = tiny_model_path.read_bytes()
    assert model.sha256 == hashlib.sha256(data).hexdigest()
    assert model.size == len(data)
    assert model.metadata.name == "tiny"
    assert model.metadata.classes == ("no_tumor", "glioma", "meningioma", "pituitary")


def test_a_file_that_is_not_the_published_one_is_refused(tiny_model_path):
    with pytest.raises(ModelCorrupt, match="install it again"):
        load_file(tiny_model_path, sha256="0" * 64)


def test_the_published_file_is_loaded(tiny_model_path):
    published = hashlib.sha256(tiny_model_path.read_bytes()).hexdigest()
    assert load_file(tiny_model_path, sha256=published).sha256 == published


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(ModelNotFound, match="does not exist"):
        load_file(tmp_path / "no.onnx")
    with pytest.raises(ModelNotFound, match="folder"):
        load_file(tmp_path)


@pytest.mark.parametrize("data", [b"", b"hello, world", b"\xff\xd8\xff\xe0 a picture"])
def test_a_file_that_is_no_model_is_refused(tmp_path, data):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelCorrupt, match=r"model\.onnx"):
        load_file(path)


def test_an_onnx_file_of_others_is_refused(tiny_model, tmp_path):
    path = tiny_model(metadata=None).save(tmp_path / "other.onnx")
    with pytest.raises(ModelCorrupt, match="without TumorLens metadata"):
        load_file(path)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "no"])
def test_metadata_that_are_not_json_are_refused(tiny_model, tmp_path, text):
    with pytest.raises(ModelCorrupt, match="not JSON"):
        load_file(tiny_model(metadata=text).save(tmp_path / "m.onnx"))


def test_metadata_against_the_schema_are_refused_with_the_field(tiny_model, tmp_path):
    text = changed(tiny_model().metadata, classes=["only"], surprise=1)
    with pytest.raises(ModelCorrupt, match=r"classes.*surprise"):
        load_file(tiny_model(metadata=text).save(tmp_path / "m.onnx"))


def test_metadata_that_are_no_object_are_refused(tiny_model, tmp_path):
    with pytest.raises(ModelCorrupt, match="metadata is wrong"):
        load_file(tiny_model(metadata="[1]").save(tmp_path / "m.onnx"))


def test_a_later_schema_version_says_which_and_what_to_do(tiny_model, tmp_path):
    text = changed(tiny_model().metadata, schema_version=2, new_field="of the future")
    with pytest.raises(ModelIncompatible, match=r"version 2.*reads version 1.*export it again"):
        load_file(tiny_model(metadata=text).save(tmp_path / "m.onnx"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"renamed": {"novelty": "strange"}}, "novelty"),
        ({"renamed": {"probabilities": "scores"}}, "probabilities"),
        ({"gains": (0.0, 1.0)}, "heatmap|probabilities"),
        ({"channels": 3}, "image"),
        ({"batch": 1}, "batch"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_graph_that_is_not_as_its_metadata_says_is_refused(tiny_model, tmp_path, changes, words):
    with pytest.raises(ModelIncompatible, match=words):
        load_file(tiny_model(**changes).save(tmp_path / "m.onnx"))


def test_a_graph_that_cannot_be_run_is_refused(tiny_model, tmp_path):
    with pytest.raises(ModelIncompatible, match="NoSuchNode"):
        load_file(tiny_model(fault="NoSuchNode").save(tmp_path / "m.onnx"))


def test_onnx_runtime_says_nothing_of_its_own(tiny_model, tmp_path, capfd):
    with pytest.raises(ModelError):
        load_file(tiny_model(fault="NoSuchNode").save(tmp_path / "m.onnx"))
    assert capfd.readouterr() == ("", "")
