"""If these fail, the tables, charts or the page of an evaluation lack what it found."""

import csv
import re

import numpy as np
import pytest
from PIL import Image

from tests.conftest import tiny_metadata
from tests.evaluate.conftest import CLASSES
from tests.evaluate.test_holdout import LABELS, TRUTH, Answerer
from tumorlens.errors import TumorLensError
from tumorlens.evaluate.evaluation import ControlFigure, load_evaluation
from tumorlens.evaluate.gallery import draw, mistakes
from tumorlens.evaluate.holdout import evaluate
from tumorlens.evaluate.outputs import FILES, save
from tumorlens.evaluate.page import PAGE_FILE, render, write_page
from tumorlens.model.load import load_file
from tumorlens.scan import draw_phantom

CHARTS = ("confusion.png", "roc.png", "precision_recall.png", "reliability.png")
HOSTILE = "<script>document.title='owned'</script>"


@pytest.fixture
def measured(named, guesses):
    entries, probabilities = named(LABELS), guesses(TRUTH)
    result = evaluate(Answerer(), entries, probabilities)
    control = ControlFigure(control="frame only", metric=result.metrics[0])
    result = result.model_copy(
        update={"controls": (control,), "warnings": ("Beware.",), "notes": (HOSTILE,)}
    )
    return result, entries, probabilities


@pytest.fixture
def folder(measured, tmp_path):
    save(measured[0], tiny_metadata(), *measured[1:], tmp_path / "out")
    return tmp_path / "out"


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_file_is_there_and_every_chart_is_a_picture(folder, measured):
    assert {path.name for path in folder.iterdir()} == {*FILES, *CHARTS}
    assert load_evaluation(folder / "evaluation.json") == measured[0]
    for name in CHARTS:
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 400
            assert np.asarray(picture.convert("L")).std() > 5


def test_the_table_of_figures_has_those_of_the_model_and_of_the_controls(folder, measured):
    lines = rows(folder / "metrics.csv")
    mine = {(r["figure"], r["on"]): float(r["value"]) for r in lines if r["who"] == "model"}
    for metric in (*measured[0].metrics, *measured[0].parts[0].figures):
        assert mine[metric.name, metric.on] == pytest.approx(metric.value)
    assert len(mine) == sum(r["who"] == "model" for r in lines)
    assert [r["figure"] for r in lines if r["who"] == "frame only"] == ["accuracy"]


def test_the_confusion_as_a_table_has_counts_and_shares(folder, measured):
    lines = [r for r in rows(folder / "confusion.csv") if r["true"] in CLASSES[1:]]
    assert sum(int(r["images"]) for r in lines if r["chosen"] in CLASSES) == 30
    for name in CLASSES[1:]:
        shares = [float(r["share of the true class"]) for r in lines if r["true"] == name]
        assert sum(shares) == pytest.approx(1, abs=1e-4)


def test_the_answers_can_be_measured_again_from_their_table(folder, measured):
    from tumorlens.evaluate.answers import load_answers

    again = load_answers(folder / "predictions.csv")
    np.testing.assert_allclose(again.to(measured[1]), measured[2], atol=1e-6)
    chosen = [line["chosen"] for line in rows(folder / "predictions.csv")]
    assert chosen == [CLASSES[number] for number in measured[2].argmax(axis=1)]


def test_the_curves_run_from_corner_to_corner(folder):
    lines = rows(folder / "curves.csv")
    for name in (*CLASSES, "any tumor"):
        curve = [r for r in lines if r["curve"] == "roc" and r["of"] == name]
        ends = [(float(r["x"]), float(r["y"])) for r in (curve[0], curve[-1])]
        assert ends == [(0, 0), (1, 1)]
    images = [int(r["images"]) for r in lines if r["curve"] == "reliability"]
    assert sum(images) == 2 * 40  # of the chosen class, and of tumor against none


def test_a_folder_that_cannot_be_made_is_told(measured, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TumorLensError, match="name another folder"):
        save(measured[0], tiny_metadata(), *measured[1:], tmp_path / "file" / "out")


class TestMistakes:
    def test_the_surest_come_first(self, measured):
        _, entries, probabilities = measured
        found = mistakes(tiny_metadata(), entries, probabilities)
        assert len(found) == sum(probabilities.argmax(axis=1) != TRUTH)
        sure = [one.probability for one in found]
        assert sure == sorted(sure, reverse=True)
        assert all(one.chosen != one.label for one in found)

    def test_a_missed_tumor_of_unknown_kind_is_one(self, named):
        entries = named(["tumor", "tumor", "metastasis"])
        given = np.array([[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0], [0.9, 0.1, 0, 0]])
        (one,) = mistakes(tiny_metadata(), entries, given)
        assert (one.row, one.chosen, one.probability) == (0, "no_tumor", 0.9)

    def test_they_are_drawn_with_the_evidence(self, named, tiny_model_path, tmp_path):
        (tmp_path / "drawn").mkdir()
        pixels = draw_phantom(2, tumor="meningioma", size=128).pixels
        Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(tmp_path / "drawn/0.png")
        entries = named(["no_tumor", "no_tumor"])  # the second file is not there
        wrong = mistakes(tiny_metadata(), entries, np.tile([0.1, 0.1, 0.7, 0.1], (2, 1)))
        there, gone = draw(wrong, load_file(tiny_model_path), tmp_path)
        assert there.slice.startswith("data:image/jpeg;base64,")
        assert there.overlay != there.slice
        assert (gone.slice, gone.overlay) == (None, None)
        assert draw(wrong, Answerer(), tmp_path)[0].overlay is None


class TestPage:
    def test_it_shows_every_figure_and_needs_nothing_else(self, measured, tmp_path):
        result, entries, probabilities = measured
        wrong = mistakes(tiny_metadata(), entries, probabilities)
        path = write_page(result, draw(wrong, Answerer(), tmp_path), len(wrong), tmp_path)
        assert path.name == PAGE_FILE
        page = path.read_text()
        for metric in (*result.metrics, *result.parts[0].figures):
            assert f"{metric.value:.3f}" in page
        assert not re.search(r'(src|href)="(?!data:|#)', page)
        assert f"{len(wrong)} wrong answers in all" in page

    def test_nothing_in_a_set_becomes_part_of_the_page(self, measured):
        page = render(measured[0], [], 3)
        assert HOSTILE not in page
        assert "&lt;script&gt;" in page
        assert "<script" not in page

    def test_leaking_sides_are_told_first(self, measured):
        from tumorlens.data.manifest import Protocol

        leaking = measured[0].model_copy(update={"protocol": Protocol.AUTHORS})
        assert "not kept apart" in render(leaking, [], 0)
        assert "not kept apart" not in render(measured[0], [], 0)

    def test_every_chart_has_words_for_those_who_cannot_see_it(self, measured):
        page = render(measured[0], [], 0)
        charts = re.findall(r'<svg viewBox="-16[^>]*>', page)
        assert len(charts) == 3
        assert all(re.search(r'aria-label="[^"]*0\.\d{3}', chart) for chart in charts)
