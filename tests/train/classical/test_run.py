"""If these fail, the recipe cannot be carried out, or its model file says something else."""

import csv
import shutil

import numpy as np
import pytest
import torch

import tumorlens
from tumorlens.cli.display import Display
from tumorlens.data import manifest
from tumorlens.data.manifest import Entry
from tumorlens.decide.finding import Status
from tumorlens.errors import DatasetError, ModelCorrupt, RecipeError
from tumorlens.model.prepare import prepare
from tumorlens.model.registry import load_model
from tumorlens.scan import draw_phantom, read
from tumorlens.train.classical.pipeline import assemble, is_finished
from tumorlens.train.classical.run import only_of_known_kind
from tumorlens.train.dataset import LabelledImages
from tumorlens.train.export.convert import export
from tumorlens.train.recipe import load_recipe
from tumorlens.train.run import open_run

KINDS = ("no_tumor", "glioma", "meningioma", "pituitary")


class Notes(Display):
    """Keeps what is said."""

    def __init__(self):
        super().__init__()
        self.said = []

    def say(self, text):
        self.said.append(text)


@pytest.fixture(scope="module")
def model(classical_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "drawn.onnx"
    export(classical_run.folder, path)
    return load_model(path)


def test_the_classes_come_from_the_data_and_the_tumors_are_known(classical_run):
    assert set(classical_run.recipe.classes) == set(KINDS)
    assert classical_run.recipe.classes[0] == "no_tumor"
    assert set(classical_run.recipe.positive) == set(KINDS[1:])


def test_a_run_tells_what_was_tried_and_which_features_separate(classical_run):
    with (classical_run.folder / "trials.csv").open() as file:
        trials = list(csv.DictReader(file))
    assert len(trials) == 2
    assert all(0 <= float(trial["balanced_accuracy"]) <= 1 for trial in trials)
    with (classical_run.folder / "features.csv").open() as file:
        values = [float(row["f_value"]) for row in csv.DictReader(file)]
    assert values == sorted(values, reverse=True)
    assert is_finished(classical_run)


def test_drawn_tumors_are_told_from_drawn_heads(carry_out, drawn_root, tmp_path):
    run = carry_out(tmp_path / "run")
    test = [e for e in manifest.load(run.manifest) if e.fold == run.recipe.data.test_fold]
    scans = [next(read(drawn_root / entry.name)) for entry in test]
    images = np.stack([prepare(scan.pixels, run.recipe.input).tensor for scan in scans])
    with torch.inference_mode():
        probabilities, _, _ = assemble(run)(torch.from_numpy(images))
    found = probabilities.numpy().argmax(axis=1) != run.recipe.classes.index("no_tumor")
    assert np.mean(found == [entry.label != "no_tumor" for entry in test]) > 0.7


def test_the_model_file_answers_like_any_other(model):
    drawn = draw_phantom(7, tumor="meningioma", size=96).pixels
    (finding,) = tumorlens.analyze(drawn, model=model)
    assert finding.status in set(Status)
    assert sum(finding.probabilities.values()) == pytest.approx(1, abs=1e-4)


def test_the_model_file_answers_any_number_of_slices_as_the_run_does(model, classical_run):
    drawn = [draw_phantom(seed, tumor="glioma", size=64).pixels for seed in range(3)]
    images = np.stack(drawn)[:, None]
    pipeline = assemble(open_run(classical_run.folder))
    with torch.inference_mode():
        probabilities, heatmap, novelty = pipeline(torch.from_numpy(images))
    together = model.run(images)
    assert np.allclose(together.probabilities, probabilities.numpy(), atol=1e-4)
    assert np.allclose(together.heatmap, heatmap.numpy(), atol=1e-2)
    assert np.allclose(together.novelty, novelty.numpy(), rtol=1e-3)
    alone = model.run(images[1:2])
    assert np.allclose(alone.probabilities[0], together.probabilities[1], atol=1e-5)


def test_the_mean_of_a_heatmap_is_the_logit_of_its_class(model):
    outputs = model.run(draw_phantom(1, tumor="pituitary", size=64).pixels[None, None])
    logits = outputs.heatmap.mean(axis=(2, 3))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.allclose(powers / powers.sum(axis=1, keepdims=True), outputs.probabilities, atol=1e-3)


def test_the_model_file_names_no_path_of_this_machine(model, classical_run):
    content = model.path.read_bytes()
    assert b"site-packages" not in content
    assert str(classical_run.folder).encode() not in content
    assert model.metadata.recipe["classical"]["classifier"] == "svm"


@pytest.mark.parametrize("classifier", ["knn", "tree"])
def test_other_classifiers_are_a_setting_away(carry_out, tmp_path, classifier):
    run = carry_out(tmp_path / "run", f"classical.classifier={classifier}")
    assert (run.folder / "trials.csv").read_text().splitlines()[1].startswith(classifier)
    pipeline = assemble(run)
    image = torch.from_numpy(draw_phantom(0, size=64).pixels)[None, None]
    with torch.inference_mode():
        probabilities, heatmap, _ = pipeline(image)
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-5)
    assert torch.isfinite(heatmap).all()


def test_a_finished_run_is_not_carried_out_again(carry_out, tmp_path):
    folder, notes = tmp_path / "run", Notes()
    before = carry_out(folder, "classical.features=['shape']").classifier.stat().st_mtime_ns
    again = carry_out(folder, "classical.features=['shape']", watcher=notes)
    assert again.classifier.stat().st_mtime_ns == before
    assert any("finished" in text for text in notes.said)
    with pytest.raises(RecipeError, match="other settings"):
        carry_out(folder, "classical.features=['lbp']")


def test_what_cannot_be_is_told_before_any_work(carry_out, tmp_path):
    with pytest.raises(RecipeError, match="no network to put weights into"):
        carry_out(tmp_path / "run", init=tmp_path / "weights.h5")
    with pytest.raises(RecipeError, match="multiples of 8"):
        carry_out(tmp_path / "run", "input.height=100")
    assert not (tmp_path / "run").exists()
    with pytest.raises(DatasetError, match="validation folds hold no image"):
        carry_out(tmp_path / "run", "data.validation_fold=9")


@pytest.mark.parametrize("setting", ["classifier=forest", "features=[]", "distances=[1, 1]"])
def test_a_setting_that_is_none_is_refused(setting):
    with pytest.raises(RecipeError, match=setting.partition("=")[0]):
        load_recipe("classical-svm", [f"classical.{setting}"])


@pytest.mark.parametrize("name", ["classifier.onnx", "classical.npz", "novelty.npz"])
def test_a_damaged_or_unfinished_run_is_named(classical_run, tmp_path, name):
    shutil.copytree(classical_run.folder, tmp_path / "run")
    file = tmp_path / "run" / name
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ModelCorrupt, match=f"{name}: it is damaged"):
        assemble(open_run(tmp_path / "run"))
    file.unlink()
    with pytest.raises(RecipeError, match=f"not finished \\({name} is missing"):
        assemble(open_run(tmp_path / "run"))


def test_images_of_unknown_kind_teach_nothing():
    entries = tuple(
        Entry(name=f"{i}.png", sha256="", source="s", label=label, group=str(i), fold=3)
        for i, label in enumerate(["glioma", "tumor", "no_tumor"])
    )
    allowed = torch.tensor([[False, True, False], [False, True, True], [True, False, False]])
    images = LabelledImages(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), allowed, entries)
    notes = Notes()
    kept = only_of_known_kind(images, notes)
    assert [entry.label for entry in kept.entries] == ["glioma", "no_tumor"]
    assert len(kept.pixels) == len(kept.allowed) == 2
    assert notes.said[0].startswith("1 images of a tumor of unknown kind")
