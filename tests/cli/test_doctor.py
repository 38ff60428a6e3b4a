"""If these fail, a user with a broken installation is told that all is well, or the reverse."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata

import pytest

from tumorlens.cli import checks
from tumorlens.cli.checks import State
from tumorlens.model import registry


@pytest.fixture
def with_default(tmp_path, no_bundled_model, monkeypatch, tiny_model):
    """The tiny model stands in for the bundled one."""
    path = tiny_model().save(tmp_path / "tiny.onnx")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    models = {"tiny": {"file": "tiny.onnx", "sha256": digest}}
    (tmp_path / "registry.json").write_text(json.dumps({"default": "tiny", "models": models}))
    monkeypatch.setattr(registry, "BUNDLED", tmp_path)
    return path


def state_of(found, about: str) -> State:
    return next(check.state for check in found if check.about == about)


def test_a_sound_installation_answers(tumorlens, with_default):
    run = tumorlens("doctor")
    assert run.code == 0, run.out
    for words in (
        "onnxruntime",
        "CPU",
        "JPEG 2000",
        "RLE",
        "extra nifti",
        "model tiny",
        "is the published one",
        "answered (tumor)",
    ):
        assert words in run.out
    assert "answering works here" in run.err


def test_without_a_model_answering_is_broken(tumorlens):
    run = tumorlens("doctor")
    assert run.code == 1
    assert "broken: default model, a drawn slice" in run.err


def test_a_changed_model_is_found(with_default):
    with_default.write_bytes(with_default.read_bytes() + b"\x00")
    assert state_of(checks.models(), "model tiny") is State.BROKEN
    assert checks.self_test().state is State.BROKEN


def test_a_missing_library_is_broken_and_a_missing_extra_only_absent(monkeypatch):
    real = metadata.version

    def version(name):
        if name in ("pydicom", "nibabel"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(checks.metadata, "version", version)
    assert state_of(checks.libraries(), "pydicom") is State.BROKEN
    extra = next(check for check in checks.extras() if check.about == "extra nifti")
    assert extra.state is State.ABSENT
    assert 'pip install "tumorlens[nifti]"' in extra.detail


def test_every_transfer_syntax_of_the_base_install_is_decoded():
    assert {check.state for check in checks.decoders()} == {State.OK}
