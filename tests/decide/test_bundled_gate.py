"""If these fail, the bundled model gives an answer about a picture that is no brain MRI."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tumorlens import analyze, analyze_one
from tumorlens.decide.finding import Status
from tumorlens.model.registry import BUNDLED, REGISTRY_FILE, load_model
from tumorlens.scan import DrawnTumor, draw_phantom

pytestmark = pytest.mark.skipif(
    not (BUNDLED / REGISTRY_FILE).is_file(), reason="no model is bundled with this checkout"
)
SIDE = 256
MOST_UNCERTAIN = 0.1
"""Of pictures that are no brain MRI, at most this share may be no worse than uncertain."""


@pytest.fixture(scope="module")
def model():
    return load_model(threads=1)


def writing():
    page = Image.new("L", (SIDE, SIDE), 255)
    for top in range(8, SIDE, 14):
        ImageDraw.Draw(page).text((8, top), "A screenshot of a text is no scan.", fill=0)
    return np.asarray(page)


def disc(radius=90):
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return (np.hypot(rows, columns) < radius) * 150


PICTURES = {
    "black": np.zeros((SIDE, SIDE)),
    "white": np.full((SIDE, SIDE), 255),
    "noise": np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)),
    "a gradient": np.tile(np.arange(SIDE), (SIDE, 1)),
    "a disc": disc(),
    "a ring": disc(100) - disc(92),
    "writing": writing(),
    "white writing": 255 - writing(),
}


@pytest.mark.parametrize("name", PICTURES)
def test_what_shows_no_brain_is_rejected(model, name):
    finding = analyze_one(PICTURES[name] / 255, model=model)
    assert finding.status is Status.REJECTED, finding.reasons
    assert finding.reasons


@pytest.mark.parametrize("name", ["chelsea", "astronaut", "coins", "page", "shepp_logan_phantom"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_photos_and_phantoms_of_other_kinds_are_rejected(model, tmp_path, name, mode):
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    pixels = np.asarray(getattr(data, name)())
    if pixels.dtype != np.uint8:
        pixels = np.rint(255 * pixels).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "photo.png")
    (finding,) = analyze(tmp_path / "photo.png", model=model)
    assert finding.status is Status.REJECTED, finding.reasons


@pytest.mark.parametrize("size", [128, 160, 256, 512])
def test_drawn_heads_get_no_answer(model, size):
    kinds = [None, *DrawnTumor]
    for seed in range(20):
        pixels = draw_phantom(500 + seed, tumor=kinds[seed % len(kinds)], size=size).pixels
        finding = analyze_one(pixels, model=model)
        assert finding.status in (Status.REJECTED, Status.UNCERTAIN), finding.reasons


def test_scans_of_other_parts_get_no_answer(model):
    folder = Path(os.environ.get("TUMORLENS_DATA", "")) / "not_brain_mri"
    if "TUMORLENS_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("TUMORLENS_DATA names no folder with not_brain_mri")
    told = Counter(finding.status for finding in analyze(folder, model=model))
    assert set(told) <= {Status.REJECTED, Status.UNCERTAIN}
    assert told[Status.UNCERTAIN] <= MOST_UNCERTAIN * told.total()
