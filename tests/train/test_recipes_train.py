"""If these fail, one of the systems that people know cannot be trained."""

import shutil

import numpy as np
import pytest
import torch

from tumorlens.cli.display import Display
from tumorlens.errors import RecipeError
from tumorlens.train.recipe import load_recipe, recipe_names
from tumorlens.train.run import open_run, train

SMALL = (
    "input.height=32", "input.width=32", "data.sources=['drawn']", "fit.precision=fp32",
    "fit.epochs=1", "fit.batch=8", "fit.views=1", "network.dense=[]",
)  # fmt: skip

NETWORKS = [name for name in recipe_names() if load_recipe(name).network is not None]


def carry_out(recipe, root, folder, init):
    return train(recipe, root, folder, init=init, device=torch.device("cpu"), watcher=Display())


@pytest.mark.parametrize("name", NETWORKS)
def test_every_recipe_trains(name, drawn_root, binary_root, chance_weights, tmp_path, capsys):
    recipe = load_recipe(name, SMALL)
    root = binary_root if "binary" in name else drawn_root
    init = None if recipe.network.trainable == "all" else chance_weights(recipe)
    run = carry_out(recipe, root, tmp_path / "run", init)
    said = capsys.readouterr().err
    assert "trainable and" in said
    assert "frozen parameters" in said
    assert len(run.recipe.classes) == (2 if "binary" in name else 4)
    assert open_run(run.folder).recipe == run.recipe
    for file in (run.weights, run.calibration, run.novelty, run.network):
        assert file.is_file(), file
    for file in ("curves.csv", "curves.png"):
        assert (run.folder / "select" / file).is_file(), file
    assert list((run.folder / "select" / "tensorboard").glob("events*"))
    assert not run.features.exists()
    with np.load(run.novelty) as arrays:
        assert np.isfinite(arrays["centres"]).all()


@pytest.fixture
def frozen_run(binary_root, chance_weights, tmp_path):
    recipe = load_recipe("mobilenet-binary", SMALL)
    return carry_out(recipe, binary_root, tmp_path / "run", chance_weights(recipe))


def test_a_finished_run_is_not_carried_out_again(frozen_run, binary_root, chance_weights, capsys):
    recipe = load_recipe("mobilenet-binary", SMALL)
    before = frozen_run.weights.stat().st_mtime_ns
    carry_out(recipe, binary_root, frozen_run.folder, chance_weights(recipe))
    assert "this run is finished" in capsys.readouterr().err
    assert frozen_run.weights.stat().st_mtime_ns == before


def test_going_on_from_other_weights_is_refused(frozen_run, binary_root, chance_weights, tmp_path):
    recipe = load_recipe("mobilenet-binary", SMALL)
    frozen_run.weights.unlink()
    other = shutil.copy(chance_weights(recipe), tmp_path / "other.h5")
    with other.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(RecipeError, match=r"began from mobilenet-binary\.h5"):
        carry_out(recipe, binary_root, frozen_run.folder, other)


def test_a_frozen_network_without_weights_is_refused_before_anything(binary_root, tmp_path):
    with pytest.raises(RecipeError, match="stay as chance made it; name its weights with --init"):
        carry_out(load_recipe("vgg16-4class", SMALL), binary_root, tmp_path / "run", None)
    assert not (tmp_path / "run").exists()


def test_an_input_that_is_too_small_is_refused_before_anything(binary_root, tmp_path):
    stages = "[" + "{filters=2}," * 7 + "]"
    recipe = load_recipe("cnn-binary", [*SMALL, f"network.stages={stages}"])
    with pytest.raises(RecipeError, match="too small"):
        carry_out(recipe, binary_root, tmp_path / "run", None)
    assert not (tmp_path / "run").exists()


def test_a_run_says_what_it_began_from(frozen_run):
    assert '"weights": "mobilenet-binary.h5"' in frozen_run.start.read_text()


def test_changes_are_drawn_without_training(binary_root, tmp_path, capsys):
    from tumorlens.train.run import draw_changes

    recipe = load_recipe("cnn-binary", SMALL)
    draw_changes(recipe, binary_root, tmp_path / "run", tmp_path / "x.png", watcher=Display())
    assert (tmp_path / "x.png").read_bytes()[:4] == b"\x89PNG"
    assert not open_run(tmp_path / "run").has_learnt


def test_the_log_for_tensorboard_is_left_out_where_it_is_not_installed(
    binary_root, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    run = carry_out(load_recipe("cnn-binary", SMALL), binary_root, tmp_path / "run", None)
    assert capsys.readouterr().err.count("pip install tensorboard") == 2  # a line a fit
    assert run.weights.is_file()
