"""If these fail, a user names a model and gets another one, or no hint why there is none."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from tumorlens.errors import ModelCorrupt, ModelNotFound
from tumorlens.model import registry
from tumorlens.model.registry import inspect_model, installed_models, load_model


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    """A folder in the place of the bundled models, with the model ``first`` in it."""
    folder = tmp_path / "installed"
    folder.mkdir()
    monkeypatch.setattr(registry, "BUNDLED", folder)
    monkeypatch.delenv(registry.FOLDERS_VARIABLE, raising=False)
    return folder


def publish(folder, path, name, *, sha256=None, default=True):
    digest = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    listed = {"models": {name: {"file": path.name, "sha256": digest}}}
    if default:
        listed["default"] = name
    (folder / "registry.json").write_text(json.dumps(listed))


@pytest.fixture
def first(bundled, tiny_model):
    path = tiny_model().save(bundled / "first.onnx")
    publish(bundled, path, "first")
    return path


def test_the_default_answers_where_none_is_named(first):
    assert load_model().path == first
    assert load_model("first").path == first


def test_a_file_is_named_by_its_path(first, tiny_model, tmp_path):
    other = tiny_model().save(tmp_path / "other.onnx")
    assert load_model(other).path == other
    assert load_model(str(other)).path == other


def test_a_relative_file_without_suffix_is_found(bundled, tiny_model, tmp_path, monkeypatch):
    tiny_model().save(tmp_path / "plain")
    monkeypatch.chdir(tmp_path)
    assert load_model("plain").metadata.name == "tiny"


def test_own_folders_add_models_and_leave_the_default(first, tiny_model, tmp_path, monkeypatch):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    own = tiny_model().save(folders[0] / "whatever.onnx")
    metadata = tiny_model().metadata.model_copy(update={"name": "second"})
    second = tiny_model(metadata=metadata).save(folders[1] / "x.onnx")
    publish(folders[1], second, "published")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, os.pathsep.join(map(str, folders)))
    assert [model.name for model in installed_models()] == ["first", "tiny", "published"]
    assert [model.is_default for model in installed_models()] == [True, False, False]
    assert load_model("tiny").path == own
    assert load_model("published").path == second


def test_an_unknown_name_gets_the_closest_one_and_the_list(first):
    with pytest.raises(ModelNotFound, match=r"'fist'.*Did you mean first\?.*Installed: first"):
        load_model("fist")


def test_without_models_the_message_says_so(bundled):
    assert installed_models() == ()
    with pytest.raises(ModelNotFound, match="no default model is installed"):
        load_model()
    with pytest.raises(ModelNotFound, match="No model is installed"):
        load_model("anything")


def test_two_models_of_one_name_are_told_apart_by_path(first, tiny_model, tmp_path, monkeypatch):
    metadata = tiny_model().metadata.model_copy(update={"name": "first"})
    own = tiny_model(metadata=metadata).save(tmp_path / "own.onnx")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    with pytest.raises(ModelNotFound, match="2 models are called 'first'") as raised:
        load_model("first")
    assert str(own) in str(raised.value)


def test_a_changed_file_is_refused_and_listed_as_such(bundled, tiny_model):
    path = tiny_model().save(bundled / "first.onnx")
    publish(bundled, path, "first", sha256="0" * 64)
    with pytest.raises(ModelCorrupt, match="SHA-256"):
        load_model("first")
    assert "SHA-256" in inspect_model(installed_models()[0]).problem


def test_a_broken_file_does_not_hide_the_others(first, tmp_path, monkeypatch):
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    inspections = {i.model.name: i for i in map(inspect_model, installed_models())}
    assert inspections["broken"].problem is not None
    assert inspections["first"].problem is None
    assert inspections["first"].metadata.name == "tiny"
    assert inspections["first"].sha256 == hashlib.sha256(first.read_bytes()).hexdigest()


def test_a_folder_that_does_not_exist_holds_no_models(first, monkeypatch):
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, "/does/not/exist")
    assert len(installed_models()) == 1


@pytest.mark.parametrize("text", ["", "[]", '{"models": {"a": {}}}', '{"models": 3}'])
def test_a_damaged_registry_is_named(bundled, text):
    (bundled / "registry.json").write_text(text)
    with pytest.raises(ModelCorrupt, match=r"registry\.json"):
        installed_models()
