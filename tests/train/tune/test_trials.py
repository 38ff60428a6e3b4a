"""If these fail, tuning loses work, picks settings by the test fold, or gives none that train."""

import csv
import shutil
from dataclasses import replace

import pytest
import torch

from tests.train.tune.conftest import Listener, tune_tiny
from tumorlens.errors import RecipeError
from tumorlens.train.fit import Epoch, Fitted
from tumorlens.train.recipe import load_recipe
from tumorlens.train.run import train
from tumorlens.train.tune import trials
from tumorlens.train.tune.knobs import Knob


def rows(file):
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def curves(folder, number):
    """The epochs of a trial, without the time that they took."""
    lines = rows(folder / "trials" / f"{number:04}" / "curves.csv")
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def states(folder):
    return [row["state"] for row in rows(folder / "trials.csv")]


@pytest.fixture
def copied(tuned, tmp_path):
    """A tuned folder of one's own, and what came of it."""
    folder = tmp_path / "copied"
    shutil.copytree(tuned[0], folder)
    return folder, replace(tuned[1], file=folder / "best.toml")


def test_the_best_settings_are_a_recipe_that_gives_the_same_figure(tuned, drawn_root, tmp_path):
    folder, found = tuned
    best = min(rows(folder / "trials.csv"), key=lambda row: float(row["loss"]))
    assert int(best["trial"]) == found.number
    assert float(best["loss"]) == found.loss <= found.own_loss
    recipe = load_recipe(str(found.file))
    assert recipe.name == "cnn-4class-tuned"
    assert recipe.fit.learning_rate == found.best[Knob.LEARNING_RATE]
    assert recipe.reported is None
    run = train(
        recipe, drawn_root, tmp_path / "run",
        init=None, device=torch.device("cpu"), watcher=Listener(),
    )  # fmt: skip
    losses = [float(row["validation_loss"]) for row in rows(run.folder / "select" / "curves.csv")]
    assert min(losses) == pytest.approx(found.loss, rel=1e-6)


def test_the_test_fold_is_never_opened(tuned, drawn_root, tmp_path):
    """Settings that were chosen by it would make its figures worthless."""
    whole, sets, folder = tuned[0], tmp_path / "sets", tmp_path / "again"
    shutil.copytree(drawn_root, sets)
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("study.db", "trials*"))
    test_files = [row["name"] for row in rows(whole / "manifest.csv") if row["fold"] == "1"]
    for name in test_files[::2]:
        (sets / name).unlink()
    for name in test_files[1::2]:
        (sets / name).write_bytes(b"no picture")
    tune_tiny(sets, folder)
    assert len(test_files) == 8
    assert [curves(folder, n) for n in range(3)] == [curves(whole, n) for n in range(3)]


def test_the_same_command_again_does_not_begin_anew(copied, drawn_root):
    folder, first = copied
    listener = Listener()
    assert tune_tiny(drawn_root, folder, watcher=listener) == first
    assert not [text for text in listener.said if text.startswith("trial")]
    assert tune_tiny(drawn_root, folder, trials=5).ended == 5
    assert states(folder) == ["complete"] * 5


class Interrupting(Listener):
    """Presses Ctrl-C in the second epoch of trial 0."""

    def fitting(self, what):
        return _Interrupted() if what == "trial 0" else super().fitting(what)


class _Interrupted:
    def __enter__(self):
        def stop(step):
            if step.epoch == 2:
                raise KeyboardInterrupt

        return stop

    def __exit__(self, *details):
        return False


def test_an_interrupted_trial_goes_on_from_its_last_epoch(tuned, drawn_root, tmp_path):
    folder = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        tune_tiny(drawn_root, folder, watcher=Interrupting())
    file = folder / "trials" / "0000" / "curves.csv"
    first = rows(file)
    assert len(first) == 1
    assert tune_tiny(drawn_root, folder).ended == 3
    assert rows(file)[0] == first[0]
    assert curves(folder, 0) == curves(tuned[0], 0)
    assert states(folder) == ["fail", "complete", "complete", "complete"]


def test_checkpoints_of_another_study_are_not_taken_for_its_own(tuned, drawn_root, tmp_path):
    """Two studies may be kept in one folder, or a study be deleted and begun anew."""
    folder = tmp_path / "shared"
    with pytest.raises(KeyboardInterrupt):
        tune_tiny(drawn_root, folder, "fit.epochs=4", watcher=Interrupting(), name="first")
    assert (folder / "trials" / "0000" / "last.pt").is_file()
    tune_tiny(drawn_root, folder, name="second")
    assert curves(folder, 0) == curves(tuned[0], 0)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            RecipeError("the loss is no longer a number in epoch 1"),
            "the loss is no longer a number",
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "CUDA out of memory"),
    ],
)
def test_settings_that_fail_cost_one_trial_and_not_the_study(
    drawn_root, tmp_path, monkeypatch, error, why
):
    """A learning rate that diverges or a batch that is too large is an answer, no accident."""
    fits = []

    def fails_once(*arguments, **options):
        fits.append(options)
        if len(fits) == 2:
            raise error
        return fit(*arguments, **options)

    fit = trials.fit
    monkeypatch.setattr(trials, "fit", fails_once)
    listener = Listener()
    assert tune_tiny(drawn_root, tmp_path / "out", watcher=listener).ended == 3
    assert states(tmp_path / "out") == ["complete", "pruned", "complete"]
    assert why in rows(tmp_path / "out" / "trials.csv")[1]["why"]
    assert any(f"trial 1: stopped, {why}" in text for text in listener.said)


def test_where_all_settings_fail_the_user_is_told(drawn_root, tmp_path, monkeypatch):
    def fails(*arguments, **options):
        raise error

    error = RecipeError("the loss is no longer a number in epoch 1")
    monkeypatch.setattr(trials, "fit", fails)
    with pytest.raises(RecipeError, match="no trial has come to its end; try more of them"):
        tune_tiny(drawn_root, tmp_path / "out", trials=2)


def test_trials_that_fall_behind_are_stopped(drawn_root, tmp_path, monkeypatch):
    """Every epoch of a hopeless trial is one that a better one could have had."""
    epochs = []

    def made_up(*arguments, on_epoch, **options):
        number = len(epochs)
        epochs.append(0)
        for epoch in range(1, 7):
            epochs[number] = epoch
            loss = 1.0 / epoch if number < 5 else 2.0
            line = Epoch(
                epoch=epoch, learning_rate=0.1, train_loss=loss, validation_loss=loss,
                validation_accuracy=0.5, seconds=0.1,
            )  # fmt: skip
            on_epoch(line)
        return Fitted((line,), 1)

    monkeypatch.setattr(trials, "fit", made_up)
    listener = Listener()
    tune_tiny(drawn_root, tmp_path / "out", trials=7, watcher=listener)
    assert epochs == [6, 6, 6, 6, 6, 3, 3]
    assert states(tmp_path / "out")[5:] == ["pruned", "pruned"]
    assert "trial 6: stopped, worse than the others were by then" in listener.said


def test_checkpoints_of_trials_that_ended_are_not_kept(tuned):
    """A hundred trials of a network would fill a disk."""
    assert not list(tuned[0].rglob("*.pt"))
    assert len(list(tuned[0].rglob("curves.csv"))) == 3


def test_what_mattered_is_told_once_there_are_enough_trials(tuned, drawn_root, tmp_path):
    assert tuned[1].importances == {}
    knobs = (Knob.LEARNING_RATE, Knob.DROPOUT)
    enough = tune_tiny(drawn_root, tmp_path, "fit.epochs=1", knobs=knobs, trials=8)
    assert set(enough.importances) == set(knobs)
    assert sum(enough.importances.values()) == pytest.approx(1)
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_of_another_recipe_is_refused_and_left_as_it_was(copied, drawn_root):
    folder, _ = copied
    before = {file: file.read_bytes() for file in folder.glob("*.[jct]*")}
    with pytest.raises(RecipeError, match="cnn-4class was begun with another recipe"):
        tune_tiny(drawn_root, folder, "fit.epochs=2")
    with pytest.raises(RecipeError, match="begun with another choice of what is tuned"):
        tune_tiny(drawn_root, folder, knobs=(Knob.DROPOUT,))
    assert {file: file.read_bytes() for file in folder.glob("*.[jct]*")} == before


def test_a_recipe_without_a_network_is_refused(drawn_root, tmp_path):
    recipe = load_recipe("classical-svm", ["data.sources=['drawn']"])
    with pytest.raises(RecipeError, match="cannot be tuned, as it has no"):
        trials.tune(
            recipe, drawn_root, tmp_path / "out", trials.Plan(trials=1),
            init=None, device=torch.device("cpu"), watcher=Listener(),
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "setting", "expected"),
    [
        ("mobilenetv2-binary", "seed=1", "name its weights with --init"),
        ("cnn-binary", "fit.precision=fp16", "fp16 needs a CUDA device"),
    ],
)
def test_what_is_wrong_with_the_recipe_is_told_before_the_first_trial(
    drawn_root, tmp_path, name, setting, expected
):
    with pytest.raises(RecipeError, match=expected):
        trials.tune(
            load_recipe(name, [setting]), drawn_root, tmp_path / "out", trials.Plan(trials=1),
            init=None, device=torch.device("cpu"), watcher=Listener(),
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_features_of_a_frozen_extractor_are_shared_and_then_removed(
    binary_root, tmp_path, monkeypatch, chance_weights
):
    """Without sharing, each trial would pay for the extractor again, which is nearly all."""
    were_there = []

    def watched(run, *arguments):
        were_there.append(run.features.exists())
        return examples_of(run, *arguments)

    examples_of = trials.examples_of
    monkeypatch.setattr(trials, "examples_of", watched)
    recipe = load_recipe(
        "mobilenetv2-binary",
        ["data.sources=['drawn']", "input.height=32", "input.width=32", "fit.epochs=2",
         "fit.views=1"],
    )  # fmt: skip
    tuned = trials.tune(
        recipe, binary_root, tmp_path,
        trials.Plan(trials=3, knobs=(Knob.LEARNING_RATE, Knob.DROPOUT)),
        init=chance_weights(recipe), device=torch.device("cpu"), watcher=Listener(),
    )  # fmt: skip
    assert tuned.ended == 3
    assert were_there == [False, True, True]
    assert not (tmp_path / "features").exists()
