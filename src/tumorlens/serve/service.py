"""All parts of one running service, started and stopped together."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.errors import StoreError
from tumorlens.model.load import available_cores
from tumorlens.model.registry import load_model
from tumorlens.serve.audit import NoAudit
from tumorlens.serve.engine import Engine
from tumorlens.serve.keep import Keeper
from tumorlens.serve.metrics import Metrics
from tumorlens.serve.rate import RateLimit
from tumorlens.serve.upload import Room

if TYPE_CHECKING:
    from tumorlens.model.decision import StudyRule
    from tumorlens.model.run import Model
    from tumorlens.serve.audit import AuditLog
    from tumorlens.serve.auth.accounts import Accounts
    from tumorlens.serve.settings import Settings
    from tumorlens.serve.store import Store

# Findings are kept for days: an hour more or less is nothing, and it is cheap to look.
PURGE_SECONDS = 3600.0
_LOG = logging.getLogger("tumorlens.serve")


class Service:
    """What the routes work with, in ``app.state.service``.

    Attributes:
        settings: Its settings.
        store: The history; None where nothing is kept.
        keeper: Finds answered slices again.
        engine: Answers files.
        accounts: Who may log in; None where nobody has to.
        audit: Takes down who did what.
        metrics: Its figures.
        rate: How often one client may ask.
        room: Memory for uploads.

    Args:
        settings: Its settings.
        metrics: Where it counts.
        model: What answers; the one that the settings name if None.

    Raises:
        StoreError: The history cannot be opened.
        SettingsError: The secret of the accounts cannot be had.
        ModelError: The model cannot be loaded.
    """

    def __init__(
        self, settings: Settings, *, metrics: Metrics | None = None, model: Model | None = None
    ) -> None:
        self.settings = settings
        self.metrics = metrics or Metrics()
        self.store: Store | None = _open_store(settings)
        self.keeper = Keeper(settings, self.store if settings.history else None)
        self.accounts = _open_accounts(settings, self.store)
        self.audit: AuditLog = NoAudit() if self.accounts is None else self.accounts.audit
        self.rate = RateLimit(settings.rate_per_second, settings.rate_burst)
        self.room = Room(settings.max_uploading_bytes)
        loaded = model or load_model(settings.model, threads=settings.model_threads)
        _warm_up(loaded)
        self.engine = Engine(
            loaded,
            self.keeper,
            limits=settings.limits,
            workers=settings.workers or available_cores(),
            queue_size=settings.queue_size,
        )
        self.metrics.watch(self.engine, self.keeper, self.room)
        self._stopped = threading.Event()
        self._purger = threading.Thread(target=self._purge, name="purge", daemon=True)
        self._purger.start()

    @property
    def model(self) -> Model:
        """What answers."""
        return self.engine.model

    @property
    def study_rule(self) -> StudyRule | None:
        """How its answers for slices become one for a series; None where the model has no rule."""
        return self.model.metadata.decision.study

    def check(self) -> None:
        """Whether it can answer now.

        Raises:
            StoreError: The database does not answer.
        """
        if self.store is not None:
            self.store.database.check()

    def stop(self) -> None:
        """Finish what was taken, and close everything."""
        self._stopped.set()
        self.engine.close(self.settings.shutdown_seconds)
        self._purger.join()
        self.keeper.recent.clear()
        if self.store is not None:
            self.store.close()

    def _purge(self) -> None:
        while self.store is not None:
            try:
                count = self.store.purge()
                if self.accounts is not None:
                    self.accounts.logins.purge()
                if count:
                    _LOG.info("findings purged", extra={"fields": {"count": count}})
            except StoreError as error:
                _LOG.error("%s", error)
            if self._stopped.wait(PURGE_SECONDS):
                return


def _open_store(settings: Settings) -> Store | None:
    if not settings.needs_store:
        return None
    from tumorlens.serve.store import Store

    return Store(settings.store_url)


def _open_accounts(settings: Settings, store: Store | None) -> Accounts | None:
    if not settings.accounts or store is None:
        return None
    from tumorlens.serve.auth.accounts import Accounts
    from tumorlens.serve.auth.secret import load_secret

    accounts = Accounts(settings, store.database, load_secret(settings))
    if not accounts.all():
        _LOG.warning("nobody can log in yet: tumorlens users add NAME --role admin makes an admin")
    return accounts


def _warm_up(model: Model) -> None:
    """Run the network once, so that the first reader does not wait for it to get ready."""
    spec = model.metadata.input
    model.run(np.zeros((1, spec.channels, spec.height, spec.width), np.float32))
