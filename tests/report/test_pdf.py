"""If these fail, a report that is printed lacks its picture, its answer or its notice."""

from datetime import UTC, datetime

import numpy as np
import pypdfium2
import pytest

from tumorlens import analyze_one
from tumorlens.decide.finding import NOTICE, Reason
from tumorlens.model.registry import load_model
from tumorlens.report.pdf import Sheet, pdf_report
from tumorlens.scan import Source, draw_phantom

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
A4_POINTS = (595, 842)


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("pdf") / "tiny.onnx"
    return load_model(tiny_model(mask=True).save(path), threads=1)


def sheet(model, name: str = "scan.png", *, tumor: str | None = "meningioma") -> Sheet:
    from io import BytesIO

    from PIL import Image

    pixels = draw_phantom(2, tumor=tumor, size=160).pixels
    stream = BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(stream, "PNG")
    finding = analyze_one(Source.from_bytes(name, stream.getvalue()), model=model)
    return Sheet(finding, pixels, NOW)


def opened(data: bytes):
    document = pypdfium2.PdfDocument(data)
    texts = [" ".join(page.get_textpage().get_text_range().split()) for page in document]
    return document, texts


def test_a_finding_is_one_page_with_answer_model_limits_and_notice(model):
    document, (text,) = opened(pdf_report([sheet(model)], model=model.metadata))
    assert tuple(map(round, document[0].get_size())) == A4_POINTS
    for words in ("scan.png", "Tumor", "tiny 1.2", "2026-03-01"):
        assert words.casefold() in text.casefold(), words
    assert NOTICE.casefold() in text.casefold()
    assert "normal" not in text.casefold()


def test_what_the_bundled_model_tells_fits_on_the_page_whatever_the_answer(model):
    """A line or two on a sheet of its own is what a reader's printer would give."""
    known = load_model().metadata
    told = sheet(model)
    doubts = [Reason(code="unsure", text="the likeliest answer is not sure enough")] * 4
    for reasons in ([], doubts):
        finding = told.finding.model_copy(update={"reasons": reasons})
        document, _ = opened(pdf_report([Sheet(finding, told.pixels, NOW)], model=known))
        assert len(document) == 1


def test_figures_on_sets_that_were_never_seen_are_told_before_flattering_ones(model):
    known = load_model().metadata
    told = sheet(model)
    _, (text,) = opened(pdf_report([told], model=known))
    unseen = {metric.on for metric in known.metrics if "never seen" in metric.on}
    assert unseen
    assert all(on in text for on in unseen)


def test_the_slice_and_its_overlay_are_on_it(model):
    """Drawn: grey where the slice is, and in colour where the evidence is."""
    document, _ = opened(pdf_report([sheet(model)], model=model.metadata))
    drawn = document[0].render(scale=1).to_numpy().astype(int)[..., :3]
    is_dark = drawn.max(axis=-1) < 60
    is_coloured = drawn.max(axis=-1) - drawn.min(axis=-1) > 80
    assert is_dark.mean() > 0.05
    assert is_coloured.sum() > 50


def test_each_finding_has_a_page_and_any_name_can_be_read(model):
    names = ["मस्तिष्क.png", "脑部扫描.png", "Größe & <b>.png", "x" * 200 + ".png"]
    sheets = [sheet(model, name, tumor=None) for name in names]
    document, texts = opened(pdf_report(sheets, model=model.metadata))
    assert len(document) == len(names)
    assert "Größe & <b>.png" in texts[2]
    assert "脑部扫描" in texts[1]
