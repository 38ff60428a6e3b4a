"""If these fail, the command line answers wrongly, or ends with a code that misleads a script."""

from __future__ import annotations

import csv
import errno
import io
import json

import numpy as np
import pytest
from PIL import Image

from tumorlens.model.format import Thresholds
from tumorlens.report.overlays import OverlayFolder


@pytest.fixture
def predict(tumorlens, tiny_model_path):
    """Runs ``tumorlens predict`` with the tiny model."""
    return lambda *arguments: tumorlens("predict", "--model", tiny_model_path, *arguments)


@pytest.fixture
def black_png(tmp_path):
    """A picture with nothing in it."""
    path = tmp_path / "black.png"
    Image.fromarray(np.zeros((100, 100), np.uint8)).save(path)
    return path


def test_the_table_says_what_was_found(predict, lesion_png, healthy_png):
    run = predict(lesion_png, healthy_png)
    assert run.code == 0
    header, first, second = run.out.splitlines()
    assert header.split()[:2] == ["input", "answer"]
    assert "lesion.png" in first
    assert "tumor found" in first
    assert "meningioma" in first
    assert "no tumor found" in second
    assert "2 slices: 1 tumor found, 1 no tumor found" in run.err
    assert "Not a medical device" in run.err


def test_json_is_one_object_a_line_and_nothing_else(predict, lesion_png, healthy_png, tmp_path):
    gone = tmp_path / "gone.png"
    run = predict(lesion_png, gone, healthy_png, "--format", "json")
    records = [json.loads(line) for line in run.out.splitlines()]
    assert [record["record"] for record in records] == ["finding", "error", "finding"]
    assert records[0]["status"] == "tumor"
    assert records[1]["source"] == str(gone)
    assert run.code == 1
    assert f"UnreadableScan: {gone}" in run.err


def test_csv_has_a_row_for_each_outcome(predict, lesion_png, tmp_path):
    run = predict(lesion_png, tmp_path / "gone.png", "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(run.out)))
    assert [row["record"] for row in rows] == ["finding", "error"]
    assert float(rows[0]["p_meningioma"]) > 0.9


def test_overlays_are_written_where_they_were_asked_for(predict, lesion_png, tmp_path):
    folder = tmp_path / "pictures"
    run = predict(lesion_png, "--overlay", folder, "--opacity", "0.4")
    assert run.code == 0
    assert [path.name for path in folder.iterdir()] == ["lesion.overlay.png"]
    assert str(folder) in run.err.replace("\n", "")


def test_opacity_changes_the_overlay(predict, lesion_png, tmp_path):
    pictures = []
    for opacity in ("0", "1"):
        predict(lesion_png, "--overlay", tmp_path / opacity, "--opacity", opacity)
        pictures.append((tmp_path / opacity / "lesion.overlay.png").read_bytes())
    assert pictures[0] != pictures[1]


def test_the_drawing_is_called_a_drawing(predict):
    run = predict("--phantom")
    assert run.code == 0
    assert "drawn phantom" in run.out
    assert "a drawing, not a scan" in run.err


def test_a_model_that_rejects_the_drawing_has_shown_that_the_program_works(
    tumorlens, tiny_model, tmp_path
):
    thresholds = Thresholds(novelty_rejected=0.0)
    metadata = tiny_model().metadata.model_copy(update={"thresholds": thresholds})
    strict = tiny_model(metadata=metadata).save(tmp_path / "strict.onnx")
    run = tumorlens("predict", "--phantom", "--model", strict)
    assert run.code == 0
    assert "rejected" in run.out


def test_an_input_whose_slices_are_all_rejected_is_not_answered(predict, black_png, lesion_png):
    run = predict(black_png, lesion_png)
    assert run.code == 1
    assert "rejected" in run.out
    assert "tumor found" in run.out


def test_a_folder_without_images_is_named(predict, tmp_path):
    (tmp_path / "empty").mkdir()
    run = predict(tmp_path / "empty")
    assert run.code == 1
    assert "no images" in run.err


def test_limits_can_be_set(predict, lesion_png):
    assert predict(lesion_png, "--limit-pixels", "100").code == 1
    run = predict(lesion_png, "--limit-bytes", "10")
    assert run.code == 1
    assert "ScanTooLarge" in run.err
    assert "raise --limit-bytes" in run.err.lower()


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads_answers_alike(predict, lesion_png, healthy_png, threads):
    run = predict(*[lesion_png, healthy_png] * 5, "--threads", threads, "-f", "json")
    statuses = [json.loads(line)["status"] for line in run.out.splitlines()]
    assert statuses == ["tumor", "no_tumor"] * 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "at least one file"),
        (["--phantom", "a.png"], "not both"),
        (["a.png", "--nonsense"], "No such option"),
        (["a.png", "--format", "xml"], "xml"),
        (["a.png", "--opacity", "1.5"], "opacity"),
        (["a.png", "--threads", "0"], "threads"),
        (["a.png", "--plane", "oblique"], "oblique"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_wrong_use_ends_with_2_and_says_what_was_wrong(predict, arguments, words):
    run = predict(*arguments)
    assert run.code == 2
    assert words in run.err
    assert run.out == ""


def test_an_unknown_model_ends_with_2(tumorlens, lesion_png):
    run = tumorlens("predict", lesion_png, "--model", "nonsense")
    assert run.code == 2
    assert "no model is called 'nonsense'" in run.err


def test_without_any_model_it_says_so(tumorlens, lesion_png):
    run = tumorlens("predict", lesion_png)
    assert run.code == 2
    assert "no default model is installed" in run.err


def test_a_damaged_model_is_told_in_one_line(tumorlens, lesion_png, tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    run = tumorlens("predict", lesion_png, "--model", tmp_path / "bad.onnx")
    assert run.code == 1
    assert run.err.count("\n") == 1
    assert "bad.onnx" in run.err


def test_a_folder_that_cannot_take_overlays_is_told_before_anything_is_read(
    predict, lesion_png, tmp_path
):
    (tmp_path / "file").write_text("in the way")
    run = predict(lesion_png, "--overlay", tmp_path / "file")
    assert run.code == 2
    assert "overlays cannot be written" in run.err
    assert run.out == ""


def test_a_full_disk_loses_overlays_but_no_answer(predict, lesion_png, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(OverlayFolder, "_free_path", full)
    run = predict(*[lesion_png] * 3, "-f", "json", "--overlay", tmp_path / "out")
    assert run.code == 1
    assert len(run.out.splitlines()) == 3
    assert run.err.count("No space left on device") == 1
    assert "3 of 3 overlays are missing" in run.err
