"""If these fail, a killed process loses its trial, or a study mixes what cannot be compared."""

import os
import socket
import subprocess
import sys

import optuna
import pytest
from optuna.trial import TrialState

from tumorlens.errors import RecipeError
from tumorlens.train.tune.study import (
    MOST_ATTEMPTS,
    PROCESS,
    claim,
    open_study,
    revive,
    sign,
    try_again,
)


@pytest.fixture
def study():
    """A study in memory."""
    return optuna.create_study()


def begin(study, process):
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.report(0.5, 1)
    trial.set_user_attr(PROCESS, process)
    return trial


def states(study):
    return [trial.state for trial in study.get_trials()]


def dead_process():
    """The number of a process that has ended."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_trial_of_a_dead_process_is_tried_again_with_its_settings(study):
    lost = begin(study, f"{socket.gethostname()}:{dead_process()}")
    revive(study)
    assert states(study) == [TrialState.FAIL, TrialState.WAITING]
    again = study.ask()
    assert again.suggest_float("x", 0, 1) == lost.params["x"]
    assert sign(again) == lost.number
    assert study.get_trials()[1].intermediate_values == {1: 0.5}
    revive(study)
    assert states(study) == [TrialState.FAIL, TrialState.RUNNING]


def test_trials_that_others_carry_out_are_left_alone(study):
    begin(study, f"{socket.gethostname()}:{os.getpid()}")
    begin(study, "another-machine:1")
    begin(study, "")
    revive(study)
    assert states(study) == [TrialState.RUNNING] * 3


def test_a_trial_that_keeps_dying_is_given_up(study):
    """A setting that kills its process must not kill it for ever."""
    for _ in range(2 * MOST_ATTEMPTS):
        trial = study.ask()
        sign(trial)
        study.tell(trial, state=TrialState.FAIL)
        revive(study)
    attempts = [t for t in study.get_trials() if t.user_attrs.get("origin", t.number) == 0]
    assert len(attempts) == MOST_ATTEMPTS
    assert all(trial.state is TrialState.FAIL for trial in attempts)


def test_what_was_queued_and_never_begun_keeps_its_settings(study):
    study.enqueue_trial({"x": 0.25})
    trial = study.ask()
    study.tell(trial, state=TrialState.FAIL)
    try_again(study, study.get_trials()[0])
    assert study.ask().suggest_float("x", 0, 1) == 0.25


def test_a_study_of_something_else_is_refused(study):
    claim(study, {"recipe": "a"})
    claim(study, {"recipe": "a", "manifest": "m"})
    with pytest.raises(RecipeError, match="was begun with another manifest; choose another"):
        claim(study, {"recipe": "a", "manifest": "n"})


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "sqlite:////no/such/folder/study.db",
        "nosuch://user:secret@host/x",
        "postgresql+nodriver://user:secret@localhost:1/x",
    ],
)
def test_a_storage_that_cannot_be_opened_is_told_without_its_password(url, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(RecipeError, match="cannot be opened") as caught:
        open_study(url, "x", None)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_study_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    (tmp_path / "study.db").write_text("not a database, but a text of some length " * 20)
    with pytest.raises(RecipeError, match=r"study\.db cannot be opened"):
        open_study(f"sqlite:///{tmp_path / 'study.db'}", "x", None)


def test_each_start_suggests_something_new(tmp_path):
    """The same chance after a restart would spend the night on settings that are known."""
    url = f"sqlite:///{tmp_path / 'study.db'}"
    drawn = []
    for _ in range(3):
        study = open_study(url, "x", 1)
        study.optimize(lambda trial: drawn.append(trial.suggest_float("x", 0, 1)) or 0, n_trials=1)
    assert len(set(drawn)) == 3


def test_processes_that_begin_at_once_find_one_study(tmp_path):
    """Machines of a cluster all start in the same second, with no study there yet."""
    url = f"sqlite:///{tmp_path / 'study.db'}"
    code = f"from tumorlens.train.tune.study import open_study; open_study({url!r}, 's', None)"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(optuna.get_all_study_names(url)) == 1
