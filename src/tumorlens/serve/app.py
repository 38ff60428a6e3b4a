"""The application: routes and guardrails around one service."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI, Response

from tumorlens._version import __version__
from tumorlens.decide.finding import NOTICE
from tumorlens.serve import api, problems, web
from tumorlens.serve.guardrails import Guardrails
from tumorlens.serve.metrics import Metrics
from tumorlens.serve.service import Service
from tumorlens.serve.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tumorlens.model.run import Model

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DESCRIPTION = f"""Answers brain MRI: is there a tumor, which kind, how sure, and why.

**{NOTICE}**

Errors are `application/problem+json` (RFC 9457). A file that is sent again gives its first answer.
"""


def create_app(
    settings: Settings | None = None,
    *,
    model: Model | None = None,
    service: Service | None = None,
) -> FastAPI:
    """Make the application; the model is loaded and the history opened when it starts.

    Args:
        settings: Its settings; those of the environment if None.
        model: What answers; the one that the settings name if None.
        service: What is started already; it is stopped with the application. One of its own if
            None.

    Raises:
        SettingsError: The settings are wrong, or would not be safe.
    """
    settings = settings or load_settings()
    settings.check_safe()
    metrics = service.metrics if service is not None else Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        running = service
        if running is None:
            running = await asyncio.to_thread(Service, settings, metrics=metrics, model=model)
        app.state.service = running
        try:
            yield
        finally:
            await asyncio.to_thread(running.stop)

    app = FastAPI(
        title="TumorLens",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=f"{api.PREFIX}/openapi.json",
        # Their pages load scripts from elsewhere, which nothing here does.
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app, page=web.problem_page)
    for router in api.routers():
        app.include_router(router)
    _add_metrics(app, metrics)
    web.mount(app)
    if settings.accounts:
        from tumorlens.serve import auth

        auth.mount(app)
    app.add_middleware(Guardrails, settings=settings, metrics=metrics, page=web.problem_page)
    return app


def _add_metrics(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/metrics", include_in_schema=False)
    def _metrics() -> Response:
        return Response(metrics.text(), media_type=METRICS_TYPE)
