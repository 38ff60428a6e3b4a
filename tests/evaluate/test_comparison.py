"""If these fail, a model's figures stand alone, and a shortcut is published as skill."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tumorlens.data.manifest import Entry
from tumorlens.errors import DatasetError
from tumorlens.evaluate import controls
from tumorlens.evaluate.comparison import control_figures, warnings_of
from tumorlens.evaluate.evaluation import Confusion, ControlFigure, Evaluation, load_evaluation
from tumorlens.evaluate.holdout import beside_controls
from tumorlens.evaluate.sides import Sides
from tumorlens.evaluate.tables import control_table, to_markdown
from tumorlens.model.format import Metric

LABELS = ("glioma", "no_tumor", "meningioma", "tumor")


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch):
    """Drawn pictures need no large forest."""
    monkeypatch.setattr(controls, "TREES", 10)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("sets")


@pytest.fixture(scope="module")
def metadata(tiny_model):
    return tiny_model().metadata


def entry(root, number, label, fold, source="drawn"):
    """A picture of noise in the middle, and of its label in the frame."""
    pixels = np.full((64, 64), 20 * (LABELS.index(label) + 1), np.uint8)
    pixels[6:-6, 6:-6] = np.random.default_rng(number).integers(60, 200, (52, 52))
    name = f"{source}/{number}.png"
    path = root / name
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Entry(
        name=name, sha256=digest, source=source, label=label, group=f"{source}/{number}", fold=fold
    )


@pytest.fixture(scope="module")
def sides(root):
    return Sides(
        training=[entry(root, n, LABELS[n % 4], 2) for n in range(60)],
        held_out=[entry(root, 100 + n, LABELS[n % 4], 1) for n in range(24)],
        root=root,
    )


@pytest.fixture(scope="module")
def unseen(root):
    return [entry(root, n, LABELS[1 + 2 * (n % 2)], 1, source="elsewhere") for n in range(12)]


def metric(value, name="accuracy", on="fold 1 of drawn"):
    return Metric(name=name, value=value, on=on, count=24)


def evaluation(*metrics, **changes):
    confusion = Confusion(on="fold 1 of drawn", classes=("a", "b"), counts=((1, 2), (3, 4)))
    return Evaluation(
        model="tiny", model_sha256="0" * 64, fold=1, images=24, metrics=metrics,
        confusion=confusion, **changes,
    )  # fmt: skip


def test_controls_are_measured_in_the_models_figures_on_its_images(metadata, sides, unseen):
    found = control_figures(metadata, sides, unseen=unseen)
    values = {(f.control, f.metric.name, f.metric.on): f.metric for f in found}
    for name, on, count in (
        ("accuracy", "fold 1 of drawn", 18),  # six are tumors of unknown kind
        ("tumor kind accuracy", "fold 1 of drawn", 12),
        ("tumor AUROC", "fold 1 of drawn", 24),
        ("tumor AUROC", "elsewhere, never seen", 12),
    ):
        frame = values["frame only", name, on]
        assert (frame.value, frame.count) == (1.0, count)
        assert frame.low is not None
        chance = values["largest class", name, on].value
        assert chance == 0.5 if name == "tumor AUROC" else chance <= 0.5
        assert ("file metadata", name, on) in values
        assert ("copy-detector", name, on) in values
        assert ("shuffled labels", name, on) in values


def test_a_control_that_comes_close_is_put_into_words():
    figures = [
        ControlFigure(control="frame only", metric=metric(0.90)),
        ControlFigure(control="copy-detector", metric=metric(0.95)),
        ControlFigure(control="file metadata", metric=metric(0.85)),
        ControlFigure(control="frame only", metric=metric(0.99, on="another fold")),
        ControlFigure(control="frame only", metric=metric(0.99, name="tumor AUROC")),
    ]
    frame, copying = warnings_of([metric(0.94)], figures)
    assert frame == (
        "The outer frame of the picture alone reaches 0.900 in accuracy on fold 1 of drawn, "
        "where the model has 0.940: the figure may be a shortcut."
    )
    assert copying.endswith("where the model has 0.940: the model does no better than that.")


def test_a_figure_near_chance_is_called_that_and_no_shortcut():
    figures = [
        ControlFigure(control="frame only", metric=metric(0.52)),
        ControlFigure(control="largest class", metric=metric(0.5)),
    ]
    (sentence,) = warnings_of([metric(0.54)], figures)
    assert sentence.endswith("the figure is close to chance.")
    (better,) = warnings_of([metric(0.51)], figures[:1])
    assert better.endswith("the model does no better than that.")
    assert warnings_of([metric(0.58)], figures) == []


class TestBesideAnEvaluation:
    def test_controls_and_warnings_are_part_of_it(self, metadata, sides):
        seen = []
        result = beside_controls(
            evaluation(metric(0.9)), metadata, sides, progress=lambda *n: seen.append(n)
        )
        assert result.metrics == (metric(0.9),)
        assert any("outer frame" in sentence for sentence in result.warnings)
        assert seen[-1] == (84, 84)
        page = to_markdown(result)
        assert "| the model | copy-detector | frame only |" in page
        assert all(f"- {sentence}\n" in page for sentence in result.warnings)

    def test_without_the_training_images_it_says_why_there_are_none(
        self, metadata, tmp_path, sides
    ):
        elsewhere = replace(sides, root=tmp_path)
        result = beside_controls(evaluation(metric(0.9)), metadata, elsewhere)
        assert result.controls == ()
        (sentence,) = result.warnings
        assert "60 files of the manifest are not there" in sentence

    def test_a_changed_training_image_is_not_learnt_from(self, metadata, root, sides, tmp_path):
        for one in (*sides.training, *sides.held_out):
            path = tmp_path / one.name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes((root / one.name).read_bytes())
        Image.new("L", (64, 64)).save(tmp_path / sides.training[0].name)
        with pytest.raises(DatasetError, match="differ from the manifest"):
            control_figures(metadata, replace(sides, root=tmp_path))

    def test_it_is_kept_and_read_again(self, tmp_path):
        figure = ControlFigure(control="frame only", metric=metric(0.8))
        whole = evaluation(metric(0.9), controls=(figure,), warnings=("a sentence",))
        path = tmp_path / "evaluation.json"
        path.write_text(whole.model_dump_json())
        assert load_evaluation(path) == whole

    def test_one_of_an_earlier_version_has_none(self, tmp_path):
        path = tmp_path / "evaluation.json"
        path.write_text(evaluation(metric(0.9)).model_dump_json(exclude={"controls", "warnings"}))
        old = load_evaluation(path)
        assert (old.controls, old.warnings) == ((), ())
        assert "controls" not in to_markdown(old)


def test_the_table_has_a_row_for_each_figure_that_controls_were_held_against():
    figures = (
        ControlFigure(control="frame only", metric=metric(0.8)),
        ControlFigure(control="largest class", metric=metric(0.5)),
    )
    result = evaluation(metric(0.9), metric(0.7, name="macro F1"), controls=figures)
    head, rows = control_table(result)
    assert head == ("figure", "on", "the model", "frame only", "largest class")
    assert rows == [("accuracy", "fold 1 of drawn", "0.900", "0.800", "0.500")]
