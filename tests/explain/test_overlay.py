"""If these fail, a reader cannot see the slice, where the evidence lies, or read the answer."""

from __future__ import annotations

import numpy as np
import pytest

from tumorlens.decide.finding import (
    Finding,
    Measurements,
    ModelInfo,
    Reason,
    ScanInfo,
    Status,
)
from tumorlens.explain import overlay as module
from tumorlens.explain.colour import blend
from tumorlens.explain.overlay import evidence_panel, overlay, plain_overlay
from tumorlens.model.format import InputSpec
from tumorlens.model.prepare import PlacedMap, place

SPEC = InputSpec(height=64, width=64)


def slice_of(shape: tuple[int, int]) -> np.ndarray:
    """A slice that fades from dark to light."""
    return np.linspace(0.1, 0.9, shape[0] * shape[1], dtype=np.float32).reshape(shape)


def finding(pixels: np.ndarray, *, status: Status = Status.TUMOR, **changes) -> Finding:
    height, width = pixels.shape
    cells = np.zeros((8, 8), np.float32)
    cells[2, 5] = 1
    fields = {
        "status": status,
        "label": "glioma" if status is Status.TUMOR else None,
        "tumor_probability": 0.97,
        "model": ModelInfo(name="tiny", version="1", sha256="a"),
        "scan": ScanInfo(source="a.png", sha256="b", format="png", width=width, height=height),
        "elapsed_ms": 1.0,
        "heatmap_class": "glioma",
        "evidence_map": PlacedMap(cells, place(pixels, SPEC)),
    }
    return Finding(**(fields | changes))


def holds(picture: np.ndarray, part: np.ndarray) -> bool:
    """Whether `part` lies in `picture` as it is, anywhere."""
    first = np.argwhere((picture == part[0, 0]).all(axis=2))
    height, width = part.shape[:2]
    return any(
        np.array_equal(picture[row : row + height, column : column + width], part)
        for row, column in first
    )


def test_the_slice_stands_beside_the_slice_with_its_evidence():
    pixels = slice_of((400, 500))
    answer = finding(pixels)
    picture = overlay(pixels, answer)
    assert picture.dtype == np.uint8
    assert holds(picture, blend(pixels, np.zeros_like(pixels), 1))
    assert holds(picture, plain_overlay(pixels, answer))


def test_opacity_is_the_readers_choice():
    pixels = slice_of((100, 100))
    answer = finding(pixels)
    grey = plain_overlay(pixels, answer, opacity=0)
    assert (grey == grey[..., :1]).all()
    weak, strong = (
        np.abs(plain_overlay(pixels, answer, opacity=value).astype(int) - grey).max()
        for value in (0.3, 0.9)
    )
    assert 0 < weak < strong


def test_the_plain_overlay_has_the_size_of_the_slice_and_colours_the_right_place():
    pixels = slice_of((120, 90))
    picture = plain_overlay(pixels, finding(pixels))
    assert picture.shape == (120, 90, 3)
    row, column = np.argwhere(np.ptp(picture.astype(int), axis=2) > 40).mean(axis=0)
    assert (row, column) == pytest.approx((2.5 / 8 * 120, 5.5 / 8 * 90), abs=4)


def test_the_panel_alone_is_the_one_beside_the_slice():
    for shape in ((400, 500), (50, 40)):
        pixels = slice_of(shape)
        answer = finding(pixels)
        panel = evidence_panel(pixels, answer, opacity=0.4)
        assert max(panel.shape) >= module.SMALLEST_PANEL
        assert holds(overlay(pixels, answer, opacity=0.4), panel)


def test_a_rejected_slice_is_shown_without_evidence():
    pixels = slice_of((200, 200))
    answer = finding(pixels, status=Status.REJECTED, evidence_map=None, heatmap_class=None)
    assert (plain_overlay(pixels, answer)[..., 0] == plain_overlay(pixels, answer)[..., 2]).all()
    assert overlay(pixels, answer).shape[1] >= module.SMALLEST_WIDTH


LONG = "w" * 400
REASONS = tuple(Reason(code=str(i), text=f"{LONG} and much more besides") for i in range(6))


@pytest.mark.parametrize(
    "shape", [(64, 64), (320, 320), (4000, 4000), (30, 2000), (2000, 30), (1, 1)], ids=str
)
def test_no_word_is_cut_off_at_any_size_of_the_slice(shape, monkeypatch):
    pixels = slice_of(shape)
    scan = ScanInfo(source=LONG, sha256="b", format="png", width=shape[1], height=shape[0])
    size = Measurements(area_pixels=123456, area_mm2=123456.7)
    answer = finding(pixels, reasons=REASONS, scan=scan, measurements=size, label=LONG)
    spilt = []
    draw = module.ImageDraw.ImageDraw.text

    def watched(self, place, text, **options):
        left, top, right, bottom = self.textbbox(
            place, text, font=options["font"], anchor=options.get("anchor")
        )
        width, height = self.im.size
        if left < 0 or top < 0 or right > width or bottom > height:
            spilt.append(text)
        draw(self, place, text, **options)

    monkeypatch.setattr(module.ImageDraw.ImageDraw, "text", watched)
    picture = overlay(pixels, answer)
    assert spilt == []
    assert picture.shape[1] >= module.SMALLEST_WIDTH
    assert max(picture.shape) < 6000


def test_the_picture_says_the_answer_and_what_it_is_not_for(monkeypatch):
    said = []
    draw = module.ImageDraw.ImageDraw.text

    def watched(self, place, text, **options):
        said.append(text)
        draw(self, place, text, **options)

    monkeypatch.setattr(module.ImageDraw.ImageDraw, "text", watched)
    pixels = slice_of((300, 300))
    overlay(pixels, finding(pixels, reasons=(Reason(code="x", text="it is dim"),)))
    text = " ".join(said)
    for words in (
        "Tumor found: glioma",
        "97.0 %",
        "It is dim.",
        "Evidence for glioma",
        "no evidence",
        "strong evidence",
        "Not a medical device",
        "a.png",
    ):
        assert words in text


def test_a_name_with_letters_that_the_font_lacks_is_drawn_all_the_same():
    pixels = slice_of((100, 100))
    scan = ScanInfo(source="脑/\ufffd\n\x1b.png", sha256="b", format="png", width=100, height=100)
    assert overlay(pixels, finding(pixels, scan=scan)).any()
