"""Listening: the application behind uvicorn, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

import uvicorn

from tumorlens.errors import SettingsError
from tumorlens.serve import logs
from tumorlens.serve.app import create_app
from tumorlens.serve.protocol import timed_protocol
from tumorlens.serve.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from tumorlens.serve.settings import Settings

BACKLOG = 2048
# Idle connections of browsers and clients are kept for their next request.
KEEP_ALIVE_SECONDS = 15
_LOG = logging.getLogger("tumorlens.serve")


def run(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Listen until the process is told to stop (SIGTERM, SIGINT), then finish what was taken.

    Args:
        settings: Its settings.
        ready: Called with the address of the first page once it can be opened.

    Raises:
        SettingsError: The settings are not safe, or the address cannot be listened on.
        StoreError: The history cannot be opened.
        ModelError: The model cannot be loaded.
    """
    logs.set_up(settings)
    settings.check_safe()
    listener = _listen(settings)
    # Before the server starts, so that what is wrong is told in one line.
    app = create_app(settings, service=Service(settings))
    config = uvicorn.Config(
        app,
        http=timed_protocol(settings.request_head_seconds),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(settings.shutdown_seconds),
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
    server = _Server(config, _address(settings, listener), ready)
    with listener:
        asyncio.run(server.serve(sockets=[listener]))


class _Server(uvicorn.Server):
    """Says where it listens."""

    def __init__(
        self, config: uvicorn.Config, address: str, ready: Callable[[str], None] | None
    ) -> None:
        super().__init__(config)
        self._address, self._ready = address, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _LOG.info("ready", extra={"fields": {"address": self._address}})
            if self._ready is not None:
                self._ready(self._address)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server(
            (settings.host, settings.port), family=family, backlog=BACKLOG, reuse_port=False
        )
    except OSError as error:
        msg = (
            f"{settings.host}:{settings.port} cannot be listened on: {error.strerror or error}. "
            "Name another --port or --host."
        )
        raise SettingsError(msg) from error


def _address(settings: Settings, listener: socket.socket) -> str:
    scheme = "http" if settings.tls_certificate is None else "https"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{listener.getsockname()[1]}{settings.root_path}/"
