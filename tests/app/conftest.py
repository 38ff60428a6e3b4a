"""Pages of the app without a browser, answered by tiny models."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from tests.conftest import TinyModel, tiny_metadata
from tumorlens.app import models
from tumorlens.model import registry
from tumorlens.scan import draw_phantom

ROOT = Path(__file__).parents[2]
# Nothing here takes long; a busy machine is given time.
SECONDS = 120
PAGE = """
from tumorlens.app.frame import framed
from tumorlens.app.screens import {screen}

framed({screen}.show)
"""


def png(seed: int = 2, tumor: str | None = "meningioma", size: int = 128) -> bytes:
    """A drawn slice as PNG; another one for each seed."""
    return encoded(draw_phantom(seed, tumor=tumor, size=size).pixels)


def encoded(pixels: np.ndarray) -> bytes:
    """Pixels in [0, 1] as PNG."""
    stream = io.BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def volume(slices: int = 5, size: int = 64) -> bytes:
    """A NIfTI volume of drawn axial slices, a tumor in the one before the last."""
    nibabel = pytest.importorskip("nibabel")
    healthy = draw_phantom(2, size=size).pixels / 2  # else its skin would be the brightest there is
    lesion = draw_phantom(2, tumor="meningioma", size=size).pixels
    drawn = [lesion if z == slices - 2 else healthy for z in range(slices)]
    image = nibabel.Nifti1Image((np.stack(drawn, axis=-1) * 1000).astype(np.int16), np.eye(4))
    return gzip.compress(image.to_bytes())


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip archive of these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    """Two models are installed: tiny, the default, and marking, which gives a mask."""
    folder = tmp_path / "installed"
    folder.mkdir()
    path = TinyModel().save(folder / "tiny.onnx")
    entry = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (folder / registry.REGISTRY_FILE).write_text(
        json.dumps({"default": "tiny", "models": {"tiny": entry}})
    )
    own = tmp_path / "own"
    own.mkdir()
    TinyModel(mask=True, metadata=tiny_metadata(name="marking")).save(own / "marking.onnx")
    monkeypatch.setattr(registry, "BUNDLED", folder)
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(own))
    models.inspected.clear()
    yield own
    models.inspected.clear()


@pytest.fixture
def scans_page():
    """The app as Streamlit runs it: its first page."""
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS).run()


@pytest.fixture
def page():
    """Opens one of the other pages, in its frame."""

    def opened(screen: str) -> AppTest:
        return AppTest.from_string(PAGE.format(screen=screen), default_timeout=SECONDS).run()

    return opened


def given(app: AppTest, key: str, *files: tuple[str, bytes]) -> AppTest:
    """The app after some files were put into its uploader."""
    many = [(name, data, "application/octet-stream") for name, data in files]
    uploader = app.file_uploader(key=key)
    return uploader.set_value(many if uploader.accept_multiple_files else many[0]).run()


def words(app: AppTest) -> str:
    """All that stands on a page."""
    shown = [*app.html, *app.markdown, *app.caption, *app.title, *app.subheader, *app.header]
    return "\n".join(str(one.value) for one in shown)
