"""Where trials are kept: an Optuna study that any number of processes and machines can share."""

from __future__ import annotations

import os
import socket
import time
import warnings
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from tumorlens.errors import RecipeError
from tumorlens.model.run import first_line

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

HEARTBEAT_SECONDS, GRACE_SECONDS = 20, 120
"""How often a process says that its trial lives, and after how long without that it is dead."""

OPENINGS, SECONDS_BETWEEN_OPENINGS = 5, 0.4
"""How often a storage is opened before it is given up, and the first pause; each next is longer."""

MOST_ATTEMPTS = 5
"""A trial that has died so often is what kills its process: it is not tried again."""

FREE_TRIALS, FREE_EPOCHS = 5, 2
"""The first trials, and the first epochs of each, are never stopped for being worse than others."""

SEEDS_APART = 100_003
"""A prime between the chances of a recipe's seed and those of the next seed."""

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
"""Trials from which something was learnt."""

_WAITING = {"connect_args": {"timeout": 60}}
"""Seconds that a process waits while another one writes into the file."""

PROCESS, ORIGIN = "process", "origin"
"""Which process carries a trial out, and the number of the trial that it repeats."""


def open_study(url: str, name: str, seed: int | None) -> Study:
    """The study of a name, made where there is none yet.

    Args:
        url: As Optuna has it: ``sqlite:///file.db``, ``postgresql://…``, ``mysql://…``.
        name: Of the study.
        seed: Of the settings that are suggested; None where several processes must differ.

    Raises:
        RecipeError: The storage cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = _found_or_made(url, name)
    except (ImportError, OSError, ValueError, SQLAlchemyError, RuntimeError) as error:
        msg = f"the storage {_without_password(url)} cannot be opened: {first_line(error)}"
        raise RecipeError(msg) from None
    study.pruner = MedianPruner(n_startup_trials=FREE_TRIALS, n_warmup_steps=FREE_EPOCHS + 1)
    if seed is not None:
        # Another chance after each start: the same one would suggest the same settings again.
        seed = seed * SEEDS_APART + len(study.get_trials(deepcopy=False))
    study.sampler = TPESampler(seed=seed, constant_liar=True)
    return study


def _found_or_made(url: str, name: str) -> Study:
    """The study of a name; where another process is just making the same tables, a bit later."""
    for attempt in range(1, OPENINGS):
        try:
            return _opened(url, name)
        except DBAPIError:
            time.sleep(attempt * SECONDS_BETWEEN_OPENINGS)
    return _opened(url, name)


def _opened(url: str, name: str) -> Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of the heartbeat
        storage = RDBStorage(
            url,
            engine_kwargs=_WAITING if url.startswith("sqlite") else {},
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            heartbeat_stale_trial_callback=try_again,
        )
    return optuna.create_study(storage=storage, study_name=name, load_if_exists=True)


def claim(study: Study, marks: dict[str, Any]) -> None:
    """Write into a new study what it is about, or check that it is about the same.

    Args:
        study: New, or of an earlier start.
        marks: What must be equal in all processes, each by a name that a reader understands.

    Raises:
        RecipeError: It is about something else.
    """
    for what, value in marks.items():
        found = study.user_attrs.get(what, value)
        if found != value:
            msg = (
                f"the study {study.study_name} was begun with another {what}; choose another "
                "--study or --out, or give what it was begun with"
            )
            raise RecipeError(msg)
        if what not in study.user_attrs:
            study.set_user_attr(what, value)


def sign(trial: Trial) -> int:
    """Note which process carries a trial out; gives the number of the trial that it repeats."""
    trial.set_user_attr(PROCESS, f"{socket.gethostname()}:{os.getpid()}")
    return int(trial.user_attrs.get(ORIGIN, trial.number))


def revive(study: Study) -> None:
    """Queue again what was interrupted: trials of dead processes of this machine, and failed ones.

    Those of other machines are found by their missing heartbeat.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_dead(trial):
            study.tell(trial.number, state=TrialState.FAIL)
    latest = {_origin(trial): trial for trial in study.get_trials(deepcopy=False)}
    for trial in latest.values():
        if trial.state is TrialState.FAIL:
            try_again(study, trial)


def try_again(study: Study, trial: FrozenTrial) -> None:
    """Queue a trial that has failed, with the same settings, unless it did so too often."""
    origin = _origin(trial)
    attempts = [t for t in study.get_trials(deepcopy=False) if _origin(t) == origin]
    if len(attempts) >= MOST_ATTEMPTS:
        return
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={ORIGIN: origin},
            # of a trial that was queued, and died before it took them up
            system_attrs={"fixed_params": trial.system_attrs.get("fixed_params", {})},
            intermediate_values=trial.intermediate_values,
        )
    )


def _origin(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get(ORIGIN, trial.number))


def _is_dead(trial: FrozenTrial) -> bool:
    """Whether a trial was carried out by a process of this machine that exists no more."""
    host, _, number = str(trial.user_attrs.get(PROCESS, "")).rpartition(":")
    # On Windows signal 0 would end the process; there the heartbeat has to do.
    if host != socket.gethostname() or os.name == "nt":
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "that was named" if "@" in url else url
