"""For machines that watch the service: is it alive, does it take work."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from tumorlens._version import __version__
from tumorlens.serve.api.parts import PREFIX, ServiceDep, problems
from tumorlens.serve.problems import RETRY_SECONDS, ProblemError

router = APIRouter(prefix=PREFIX, tags=["watch"])


class Health(BaseModel):
    """That the process is alive.

    Attributes:
        status: Always ok.
        version: Of TumorLens.
    """

    status: Literal["ok"] = "ok"
    version: str = __version__


class Readiness(BaseModel):
    """That the service takes work.

    Attributes:
        status: Always ready; else the answer is a problem.
        model: Name of the model that answers.
        history: Whether findings are kept.
        waiting: How many files wait for the model.
    """

    status: Literal["ready"] = "ready"
    model: str
    history: bool
    waiting: int


@router.get("/health", summary="Whether the process is alive")
async def health() -> Health:
    """Answers while the process does; it looks at nothing else."""
    return Health()


@router.get("/ready", summary="Whether work is taken", responses=problems())
def ready(service: ServiceDep) -> Readiness:
    """Answers 200 while the model is loaded, the queue has room and the database answers."""
    service.check()
    if not service.engine.takes_more:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the queue is full, or the service is being stopped",
            kind="urn:tumorlens:busy",
            retry_after=RETRY_SECONDS,
        )
    return Readiness(
        model=service.model.metadata.name,
        history=service.settings.history,
        waiting=service.engine.waiting,
    )
