"""The whole way: pictures with masks, a recipe, a killed run, a model file that marks lesions."""

import csv
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from tumorlens import load_model
from tumorlens.data.split import split
from tumorlens.errors import DatasetError, RecipeError
from tumorlens.model.prepare import prepare
from tumorlens.scan import draw_phantom, read
from tumorlens.train.dense.draw import Drawer
from tumorlens.train.dense.images import load_marked
from tumorlens.train.dense.network import LesionNetwork
from tumorlens.train.export.convert import export
from tumorlens.train.recipe import load_recipe
from tumorlens.train.run import Silent, train

IMAGES = 8
KINDS = (None, "glioma", "meningioma", "pituitary", "tumor")
SMALL = (
    "input.height=64",
    "input.width=64",
    "data.sources=['drawn']",
    "fit.precision=fp32",
    "fit.refit=false",
    "fit.epochs=2",
    "fit.batch=8",
    "dense.frozen_stages=0",
    "dense.draws.images=24",
    "dense.small_first.epochs=1",
    "dense.small_first.scale=0.5",
)


def draw(folder, *, masks=True):
    """Pictures with folds: some with a mask, some free of tumors, some of which only that is known
    that they show one."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rows = []
    for number, kind in enumerate(KINDS):
        for i in range(IMAGES):
            seed = 100 * number + i
            drawn = None if kind is None else ("glioma" if kind == "tumor" else kind)
            pixels = draw_phantom(seed, tumor=drawn, size=96).pixels
            name, mask = f"{seed:03}.png", ""
            Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / "images" / name)
            if masks and kind not in (None, "tumor"):
                mask = f"masks/{name}"
                spot = np.zeros((96, 96), np.uint8)
                spot[30:45, 30 + i : 45 + i] = 255
                Image.fromarray(spot).save(folder / mask)
            label = kind or "no_tumor"
            rows.append(
                {"image": f"images/{name}", "mask": mask, "label": label, "fold": i % 4 + 1}
            )
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["image", "mask", "label", "fold"])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("marked")
    draw(folder / "drawn")
    return folder


def run(root, folder, *settings):
    return train(
        load_recipe("tumorlens-v1", (*SMALL, *settings)),
        root,
        folder,
        init=None,
        device=torch.device("cpu"),
        watcher=Silent(),
    )


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    return run(root, tmp_path_factory.mktemp("run"))


def test_the_model_file_marks_lesions(finished, root, tmp_path):
    export(finished.folder, tmp_path / "m.onnx")
    model = load_model(tmp_path / "m.onnx")
    pixels = next(read(root / "drawn/images/100.png")).pixels
    raw = model.run(prepare(pixels, model.metadata.input).tensor[None])
    assert raw.mask.shape == (1, 1, 32, 32)
    assert raw.heatmap.shape == (1, 4, 32, 32)
    assert raw.probabilities.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(raw.heatmap[:, 0], -raw.heatmap[:, 1], atol=1e-5)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(finished, root, tmp_path):
    settings = [part for setting in SMALL for part in ("--set", setting)]
    command = [
        sys.executable, "-m", "tumorlens", "train", "tumorlens-v1",
        "--data", str(root), "--out", str(tmp_path / "run"), "--device", "cpu", *settings,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "run/select/last.pt").is_file():
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = run(root, tmp_path / "run")
    wanted = torch.load(finished.weights, weights_only=True)
    found = torch.load(resumed.weights, weights_only=True)
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_outlines_learn_once_from_all_folds_but_the_test_fold(root, tmp_path):
    chosen = load_recipe(
        "tumorlens-outlines",
        [*(s for s in SMALL if "small_first" not in s), "dense.encoder=whole", "fit.refit=true"],
    )
    found = train(
        chosen, root, tmp_path / "run", init=None, device=torch.device("cpu"), watcher=Silent()
    )
    assert not (found.folder / "select").exists()
    exported = export(found.folder, tmp_path / "m.onnx")
    assert exported.metadata.mask == chosen.dense.rules
    assert exported.metadata.classes == ("no_tumor", "tumor")
    pixels = next(read(root / "drawn/images/100.png")).pixels
    raw = load_model(tmp_path / "m.onnx").run(prepare(pixels, exported.metadata.input).tensor[None])
    assert raw.mask.shape == (1, 1, 32, 32)
    assert raw.probabilities.shape == (1, 2)


def test_stages_that_stay_as_they_are_need_weights_to_begin_with(root, tmp_path):
    with pytest.raises(RecipeError, match=r"--init, or --set dense\.frozen_stages=0"):
        run(root, tmp_path / "run", "dense.frozen_stages=2")
    assert not (tmp_path / "run").exists()


def test_the_first_epochs_see_smaller_pictures_and_the_others_whole_ones(
    root, tmp_path, monkeypatch
):
    seen = []
    forward = LesionNetwork.forward
    monkeypatch.setattr(
        LesionNetwork,
        "forward",
        lambda self, x: (self.training and seen.append(x.shape[-1])) or forward(self, x),
    )
    run(root, tmp_path / "run")
    assert seen == [32] * 3 + [64] * 3


def test_a_smaller_mask_lies_where_the_lesion_is(root):
    entries = split([root / "drawn"], seed=1).entries
    data = load_marked(root, entries, load_recipe("tumorlens-v1", SMALL))
    small = data.resized(0.5)
    assert small.masks.shape == small.images.pixels.shape == (len(data), 1, 32, 32)
    whole = functional.avg_pool2d(data.masks.float(), 2)
    assert (small.masks.float() - whole).abs().mean() < 2
    assert small.marked.equal(data.marked)


def test_a_refit_learns_from_the_validation_fold_too(finished, root, tmp_path):
    refitted = run(root, tmp_path / "run", "fit.refit=true", "fit.epochs=1")
    assert (refitted.folder / "refit/curves.csv").is_file()


def test_a_set_without_masks_is_refused_with_the_way_out(tmp_path):
    draw(tmp_path / "drawn", masks=False)
    with pytest.raises(DatasetError, match="none of the images has a mask"):
        run(tmp_path, tmp_path / "run")


def test_the_test_fold_is_never_opened(root, tmp_path):
    # an image that was looked at in training proves nothing
    import shutil

    shutil.copytree(root, tmp_path / "sets")
    with (root / "drawn/index.csv").open() as file:
        held_out = [row["image"] for row in csv.DictReader(file) if row["fold"] == "1"]
    done = run(tmp_path / "sets", tmp_path / "run", "fit.epochs=1")
    again = tmp_path / "again"
    again.mkdir()
    for name in ("recipe.json", "manifest.csv"):
        shutil.copy(done.folder / name, again / name)
    for name in held_out:
        (tmp_path / "sets/drawn" / name).write_bytes(b"not an image")
    repeated = run(tmp_path / "sets", again, "fit.epochs=1")
    wanted = torch.load(done.weights, weights_only=True)
    found = torch.load(repeated.weights, weights_only=True)
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_the_last_epochs_change_pictures_less_and_fall_to_rest_from_a_rate_of_their_own(
    root, tmp_path, monkeypatch
):
    given = []
    batches = Drawer.batches
    monkeypatch.setattr(
        Drawer,
        "batches",
        lambda self, count, size, ranges, chance: (
            given.append(ranges) or batches(self, count, size, ranges, chance)
        ),
    )
    mild = ("fit.epochs=4", "dense.mild_last.epochs=2", "dense.mild_last.scale=0.5")
    done = run(root, tmp_path / "run", *mild, "dense.mild_last.rate=0.25", "augment.gamma=0.8")
    assert [ranges.gamma for ranges in given] == [0.8, 0.8, 0.4, 0.4]
    with (done.folder / "select/curves.csv").open() as file:
        rates = [float(line["learning_rate"]) for line in csv.DictReader(file)]
    highest = done.recipe.fit.learning_rate
    assert rates[1] < 0.3 * highest  # nearly at rest at the end of its part
    assert 0.15 * highest < rates[2] <= 0.25 * highest
    assert rates[3] < 0.03 * highest


def test_the_learning_rate_rests_before_mild_epochs_see_larger_pictures_and_begins_again(
    root, tmp_path
):
    mild = ("fit.epochs=5", "dense.mild_last.epochs=4", "dense.mild_last.rate=0.5")
    done = run(root, tmp_path / "run", *mild, "dense.small_first.epochs=3")
    with (done.folder / "select/curves.csv").open() as file:
        rates = [float(line["learning_rate"]) for line in csv.DictReader(file)]
    highest = done.recipe.fit.learning_rate
    assert 0.3 * highest < rates[1] <= 0.5 * highest
    assert rates[2] < 0.04 * highest
    assert 0.3 * highest < rates[3] <= 0.5 * highest
    assert rates[4] < 0.04 * highest
