"""If these fail, some way in gives another answer than the others, or one bad input loses the
rest."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tumorlens.analysis as module
from tumorlens.analysis import analyze, analyze_one, answer_found, find
from tumorlens.decide.finding import Finding, Status
from tumorlens.errors import (
    MissingExtra,
    ModelNotFound,
    ScanError,
    ScanTooLarge,
    UnreadableScan,
    UnsupportedScan,
)
from tumorlens.model.load import load_file
from tumorlens.model.run import Model
from tumorlens.scan import FileFormat, Limits, Scan, Source, draw_phantom

LESION = draw_phantom(2, tumor="meningioma", size=256)
HEALTHY = draw_phantom(2, size=256)


@pytest.fixture(scope="module")
def model(tiny_model_path) -> Model:
    return load_file(tiny_model_path, threads=1)


@pytest.fixture
def picture(tmp_path):
    """Writes a drawn slice as a PNG; gives its path."""

    def write(name: str, pixels: np.ndarray = LESION.pixels) -> Path:
        path = tmp_path / name
        Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(path)
        return path

    return write


def scan_of(pixels: np.ndarray, **changes) -> Scan:
    fields = {"source": "a scan", "sha256": "c" * 64, "format": FileFormat.ARRAY}
    return Scan(pixels=pixels, **(fields | changes))


def test_a_lesion_is_found_where_it_is(model):
    finding = analyze_one(LESION.pixels, model=model)
    assert (finding.status, finding.label) == (Status.TUMOR, "meningioma")
    assert finding.heatmap_class == "meningioma"
    assert finding.heatmap.shape == LESION.pixels.shape
    assert finding.heatmap.dtype == np.float32
    assert finding.heatmap.max() == pytest.approx(1, abs=0.01)
    assert LESION.mask[np.unravel_index(finding.heatmap.argmax(), LESION.mask.shape)]
    assert finding.elapsed_ms > 0


def test_where_there_is_none_none_is_found(model):
    finding = analyze_one(HEALTHY.pixels, model=model)
    assert finding.status is Status.NO_TUMOR
    assert finding.label is None
    assert finding.heatmap.max() == 0


def test_a_mask_is_measured_in_mm2_where_the_spacing_is_known(tiny_model, tmp_path):
    model = load_file(tiny_model(mask=True).save(tmp_path / "m.onnx"))
    known = analyze_one(scan_of(LESION.pixels, spacing=(0.5, 0.8)), model=model)
    unknown = analyze_one(scan_of(LESION.pixels), model=model)
    drawn = int(LESION.mask.sum())
    assert known.measurements.area_pixels == pytest.approx(drawn, rel=0.35)
    assert known.measurements.area_mm2 == pytest.approx(known.measurements.area_pixels * 0.4)
    assert unknown.measurements.area_mm2 is None
    overlap = (known.mask > 0.5) & LESION.mask
    assert overlap.sum() > 0.6 * drawn


def test_every_way_in_gives_the_same_answer(model, picture):
    path = picture("a.png")
    pixels = np.asarray(Image.open(path))
    ways = [
        str(path),
        path,
        Source.from_path(path),
        Source.from_bytes("upload", path.read_bytes()),
        scan_of((pixels / 255).astype(np.float32)),
        pixels,
        pixels / 255,
    ]
    findings = list(analyze(ways, model=model, workers=2))
    assert len(findings) == len(ways)
    assert len({finding.tumor_probability for finding in findings}) == 1
    assert findings[0].scan.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    for way in ways:
        (finding,) = analyze(way, model=model)
        assert finding.tumor_probability == findings[0].tumor_probability


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_bad_inputs_are_values_in_their_place(model, picture, tmp_path, workers):
    empty, text = tmp_path / "empty.png", tmp_path / "text.jpg"
    empty.write_bytes(b"")
    text.write_text("not a picture")
    inputs = [
        picture("1.png"),
        empty,
        np.full((80, 80), np.nan),
        tmp_path / "gone.png",
        picture("2.png", HEALTHY.pixels),
        text,
        HEALTHY.pixels,
    ]
    outcomes = list(analyze(inputs, model=model, workers=workers))
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Finding",
        "UnreadableScan",
        "UnreadableScan",
        "UnreadableScan",
        "Finding",
        "UnreadableScan",
        "Finding",
    ]
    assert outcomes[1].source == str(empty)
    assert outcomes[3].source == str(tmp_path / "gone.png")


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        (KeyError("odd"), UnreadableScan, "KeyError.*Please report this"),
        (RecursionError("deep"), UnreadableScan, "RecursionError"),
        (MemoryError(), ScanTooLarge, "not enough memory"),
        (MissingExtra("nifti", "Reading NIfTI"), UnsupportedScan, r"pip install .*\[nifti\]"),
    ],
)
def test_what_no_reader_foresaw_loses_one_input_only(
    model, picture, monkeypatch, raised, kind, words
):
    real = module.read

    def read(source, **options):
        if "bad" in source.name:
            raise raised
        return real(source, **options)

    monkeypatch.setattr(module, "read", read)
    names = ("1.png", "bad.png", "2.png")
    first, bad, last = analyze([picture(name) for name in names], model=model, workers=2)
    assert isinstance(first, Finding)
    assert isinstance(last, Finding)
    assert type(bad) is kind
    assert bad.source.endswith("bad.png")
    with pytest.raises(kind, match=words):
        raise bad


def test_a_folder_is_answered_alike_by_any_number_of_workers(model, picture, tmp_path):
    for index in range(12):
        picture(f"{index}.png", draw_phantom(index, tumor="glioma", size=96).pixels)
    by_one, by_four = (
        [
            finding.model_dump(exclude={"elapsed_ms"})
            for finding in analyze(tmp_path, model=model, workers=workers)
        ]
        for workers in (1, 4)
    )
    assert by_one == by_four
    names = [Path(finding["scan"]["source"]).name for finding in by_one]
    assert names == [f"{index}.png" for index in range(12)]


def test_inputs_are_taken_only_as_they_are_answered(model):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield HEALTHY.pixels

    outcomes = analyze(endless(), model=model, workers=2)
    for _ in range(20):
        next(outcomes)
    assert taken < 20 + 2 * 2 * 5
    outcomes.close()


def test_a_list_of_findings_does_not_hold_the_slices(model):
    (finding,) = analyze(draw_phantom(1, size=512).pixels, model=model)
    held = finding.evidence_map.values
    assert held.size < 2000
    assert held.base is None or held.base.size < 10_000


def test_limits_and_errors_of_one_input_are_raised_by_analyze_one(model, picture, tmp_path):
    with pytest.raises(ScanTooLarge):
        analyze_one(picture("a.png"), model=model, limits=Limits(max_pixels=100))
    with pytest.raises(UnreadableScan, match="gone"):
        analyze_one(tmp_path / "gone.png", model=model)
    picture("b.png")
    with pytest.raises(UnsupportedScan, match="several slices"):
        analyze_one(tmp_path, model=model)


def test_a_slice_that_the_gate_rejects_never_reaches_the_network(model):
    asleep = Model(model.metadata, model.sha256, model.path, model.size, session=None)
    finding = analyze_one(np.zeros((100, 100), np.float32), model=asleep)
    assert finding.status is Status.REJECTED
    assert finding.heatmap is None
    assert finding.mask is None
    assert finding.measurements is None


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 80, 80)), "shape"),
        (np.zeros(80), "shape"),
        (np.zeros((0, 80)), "shape"),
        (np.zeros((80, 80), np.complex64), "complex64"),
        (np.array([["a"]]), "type"),
        (np.full((80, 80), np.inf), "not numbers"),
    ],
    ids=str,
)
def test_an_array_that_is_no_slice_is_a_scan_error(model, array, words):
    (outcome,) = analyze(array, model=model)
    assert isinstance(outcome, ScanError)
    assert words in str(outcome)


def test_an_unknown_model_is_told_before_any_input_is_read():
    def never():
        raise AssertionError
        yield

    with pytest.raises(ModelNotFound, match="no-such-model"):
        analyze(never(), model="no-such-model")


def test_each_finding_comes_with_its_slice_for_those_who_draw_it(model, picture):
    answers = list(answer_found(find([picture("a.png"), "gone.png"]), model=model))
    assert answers[0].scan.pixels.shape == (256, 256)
    assert answers[0].outcome.scan.width == 256
    assert answers[1].scan is None


@pytest.mark.parametrize(
    "wrong",
    [b"bytes", 3, None, [None], [["a.png"]], io.BytesIO(b"a"), bytearray(b"a")],
    ids=lambda wrong: type(wrong).__name__,
)
def test_what_is_no_input_is_told_with_what_is_one(model, wrong):
    with pytest.raises(TypeError, match="an input is a path, a Source, a Scan or an array"):
        list(analyze(wrong, model=model))


@pytest.mark.parametrize("name", ["", "a*\0.png"])
def test_a_name_that_no_file_can_have_is_a_scan_error(model, name):
    (error,) = analyze(name, model=model)
    assert isinstance(error, UnreadableScan)
    assert "no file can have this name" in str(error)


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"workers": -1}, {"plane": "oblique"}])
def test_options_that_cannot_be_are_refused(model, wrong):
    with pytest.raises(ValueError, match=r"workers|Plane"):
        analyze(LESION.pixels, model=model, **wrong)


def test_analyze_one_names_the_folder_and_not_a_file_in_it(model, picture, tmp_path):
    picture("a.png")
    picture("b.png")
    with pytest.raises(UnsupportedScan, match=r"several slices") as caught:
        analyze_one(tmp_path, model=model)
    assert caught.value.source == str(tmp_path)
