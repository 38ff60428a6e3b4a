"""If these fail, who drops scans on the page gets no answer, a wrong one, or one bad file's."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import streamlit as st

from tests.app.conftest import encoded, given, png, volume, words, zipped
from tests.conftest import TinyModel, tiny_metadata
from tumorlens.app import models, saying
from tumorlens.app.screens import scans
from tumorlens.decide.finding import NOTICE
from tumorlens.model import registry

LESION, HEALTHY = png(), png(3, tumor=None)


def captions(app):
    """What is written below the pictures."""
    return [caption for one in app.image for caption in one.captions]


class TestOneScan:
    def test_the_page_opens_with_the_notice_and_asks_for_scans(self, scans_page):
        assert not scans_page.exception
        assert [one.value for one in scans_page.title] == ["TumorLens"]
        assert NOTICE in words(scans_page)
        assert scans_page.file_uploader[0].accept_multiple_files

    def test_an_upload_is_answered_in_words_with_its_probability(self, scans_page):
        app = given(scans_page, "files", ("scan.png", LESION))
        said = words(app)
        assert not app.exception
        assert "Tumor found: meningioma" in said
        assert "Tumor probability" in said
        assert "Kind of tumor: meningioma" in said
        assert saying.CONSULT in said
        assert NOTICE in said

    def test_a_head_without_a_finding_is_never_called_normal(self, scans_page):
        said = words(given(scans_page, "files", ("scan.png", HEALTHY)))
        assert "No tumor found in this image" in said
        assert "normal" not in said.lower()

    def test_the_evidence_is_shown_as_strongly_as_the_slider_says(self, scans_page):
        app = given(scans_page, "files", ("scan.png", LESION))
        assert captions(app) == ["The slice as it was read", "Evidence for meningioma"]
        slice_, evidence = (one.value for one in app.image)
        app = app.slider(key="opacity").set_value(10).run()
        # The address of a picture is made of its content.
        assert [one.value == slice_ for one in app.image] == [True, False]
        assert app.image[1].value != evidence

    def test_a_rejected_picture_has_reasons_and_no_probabilities(self, scans_page):
        said = words(given(scans_page, "files", ("blank.png", encoded(np.zeros((128, 128))))))
        assert "Rejected" in said
        assert "Because" in said
        assert 'class="tl-bars"' not in said

    def test_the_drawn_head_shows_how_the_page_works(self, scans_page):
        app = scans_page.button[0].click().run()
        assert "Tumor found" in words(app)
        app = next(one for one in app.button if one.label.startswith("Remove")).click().run()
        assert "Tumor found" not in words(app)

    def test_a_name_that_is_html_is_shown_as_letters(self, scans_page):
        hostile = "<img src=x onerror=alert(1)>.png"
        said = words(given(scans_page, "files", (hostile, LESION)))
        assert "<img src=x" not in said
        assert "&lt;img src=x" in said

    def test_no_answer_without_a_model(self, scans_page):
        app = given(scans_page, "files", ("scan.png", LESION))
        app = app.multiselect(key="models").set_value([]).run()
        assert [one.value for one in app.info] == ["Choose a model to get an answer."]


class TestSeveral:
    @pytest.fixture
    def batch(self, scans_page):
        """Two heads, one of them twice under one name, and a file that cannot be read."""
        return given(
            scans_page,
            "files",
            ("a.png", LESION),
            ("a.png", HEALTHY),
            ("broken.png", b"\x89PNG\r\n\x1a\n nothing"),
        )

    def test_a_bad_file_is_named_once_and_loses_no_other(self, batch):
        said = words(batch)
        assert not batch.exception
        assert said.count("One input could not be answered") == 1
        assert "broken.png: " in said
        assert list(batch.dataframe[0].value["answer"]) == ["tumor found", "no tumor found"]

    def test_files_of_one_name_are_told_apart(self, batch):
        assert list(batch.dataframe[0].value["file"]) == ["1. a.png", "2. a.png (2)"]

    def test_each_can_be_looked_at(self, batch):
        assert "Tumor found: meningioma" in words(batch)
        app = batch.selectbox[0].select_index(1).run()
        assert "No tumor found in this image" in words(app)

    def test_the_downloads_have_a_line_for_every_input(self, batch, monkeypatch):
        handed_out = {}
        monkeypatch.setattr(
            st, "download_button", lambda label, data, **_: handed_out.update({label: data})
        )
        batch.run()
        rows = list(csv.DictReader(io.StringIO(handed_out["Answers as CSV"])))
        assert [row["input"] for row in rows] == ["a.png", "a.png (2)", "broken.png"]
        records = [json.loads(line) for line in handed_out["Answers as JSON lines"].splitlines()]
        assert [one["record"] for one in records] == ["finding", "finding", "error"]
        assert handed_out["This answer as a picture"]().startswith(b"\x89PNG")

    def test_a_zip_counts_as_its_members(self, scans_page):
        data = zipped({"x/a.png": LESION, "x/b.png": HEALTHY})
        app = given(scans_page, "files", ("study.zip", data))
        assert len(app.dataframe[0].value) == 2

    def test_only_bad_files_leave_a_message_and_nothing_else(self, scans_page):
        app = given(scans_page, "files", ("notes.txt", b"no picture"))
        assert "One input could not be answered" in words(app)
        assert not app.dataframe
        assert not app.download_button


class TestVolume:
    @pytest.fixture
    def app(self, scans_page):
        return given(scans_page, "files", ("head.nii.gz", volume()))

    def test_the_whole_is_answered_first(self, app):
        said = words(app)
        assert "Tumor found in 1 of 5 slices" in said
        assert saying.POOLED in said

    def test_the_slider_starts_where_the_evidence_is(self, app):
        (slider,) = [one for one in app.slider if one.label.startswith("Slice")]
        assert (slider.value, slider.max) == (4, 5)
        app = slider.set_value(1).run()
        assert "No tumor found in this image" in words(app)


class TestComparing:
    @pytest.fixture
    def both(self, scans_page):
        app = given(scans_page, "files", ("a.png", LESION), ("b.png", HEALTHY))
        return app.multiselect(key="models").set_value(["tiny 1.2", "marking 1.2"]).run()

    def test_both_answer_and_it_is_said_whether_they_agree(self, both):
        said = words(both)
        assert not both.exception
        assert said.count("Tumor found: meningioma") == 2
        assert "that is no second opinion" in said
        assert list(both.dataframe[0].value["agreement"]) == ["the same", "the same"]

    def test_a_mask_is_outlined_where_a_model_gives_one(self, both):
        assert both.toggle(key="outlines").value
        assert captions(both) == [
            "The slice as it was read",
            "tiny 1.2: Evidence for meningioma",
            "marking 1.2: Evidence for meningioma, outlined what is marked",
        ]

    def test_models_that_differ_leave_it_to_a_person(self, scans_page, installed):
        blind = TinyModel(gains=(0.0,) * 4, metadata=tiny_metadata(name="blind"))
        blind.save(installed / "blind.onnx")
        models.inspected.clear()
        app = given(scans_page, "files", ("a.png", LESION))
        app = app.multiselect(key="models").set_value(["tiny 1.2", "blind 1.2"]).run()
        assert "The models differ in their answer: let a person read this scan." in words(app)


class TestModels:
    def test_a_damaged_model_file_is_named_and_loses_no_other(self, installed, scans_page):
        (installed / "torn.onnx").write_bytes(b"not a model")
        models.inspected.clear()
        app = given(scans_page, "files", ("scan.png", LESION))
        assert "torn cannot be used" in words(app)
        assert "Tumor found" in words(app)

    def test_without_any_model_there_is_one_message(self, installed, scans_page, monkeypatch):
        monkeypatch.setattr(registry, "BUNDLED", installed / "empty")
        monkeypatch.delenv(registry.FOLDERS_VARIABLE)
        models.inspected.clear()
        app = scans_page.run()
        assert not app.exception
        assert "no model is installed" in words(app)

    def test_a_fault_of_ours_is_one_message_and_no_traceback(self, scans_page, monkeypatch):
        def fails(*_):
            raise ZeroDivisionError

        monkeypatch.setattr(scans, "answer", fails)
        app = given(scans_page, "files", ("scan.png", LESION))
        assert not app.exception
        assert "Something unforeseen went wrong (ZeroDivisionError)" in words(app)
        assert NOTICE in words(app)
