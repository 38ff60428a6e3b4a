"""What the routes share: who asks, the service, a finding by its identifier."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Path, Request

from tumorlens.serve.audit import Action, Entry
from tumorlens.serve.guardrails import request_id_of
from tumorlens.serve.keep import Kept
from tumorlens.serve.people import User, current_user
from tumorlens.serve.problems import MEDIA_TYPE, Problem, ProblemError
from tumorlens.serve.service import Service


# This and `current_user` are coroutines, although they wait for nothing: FastAPI sends what is none
# to a thread and back, for every request.
async def service_of(request: Request) -> Service:
    """The running service."""
    service: Service = request.app.state.service
    return service


PREFIX = "/api/v1"

ServiceDep = Annotated[Service, Depends(service_of)]
UserDep = Annotated[User, Depends(current_user)]
FindingId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{32}$",
        description="Identifier of a finding, as `POST /findings` gives it.",
        examples=["5f0c2b7d9a3e4c1db0a6f1e2d3c4b5a6"],
    ),
]


def finding_of(finding_id: FindingId, service: ServiceDep, user: UserDep) -> Kept:
    """The finding that an address names.

    Raises:
        ProblemError: There is none, it is gone, or it is another person's; all told alike.
    """
    kept = service.keeper.get(finding_id, user)
    if kept is None:
        raise not_found()
    return kept


KeptDep = Annotated[Kept, Depends(finding_of)]


def not_found() -> ProblemError:
    """There is no such finding, or none that is shown to who asks."""
    return ProblemError(
        HTTPStatus.NOT_FOUND,
        "no finding has this identifier; without a history findings are forgotten soon",
        kind="urn:tumorlens:no-finding",
    )


def note(request: Request, service: Service, user: User, action: Action, target: str) -> None:
    """Take down in the audit log what is done, before it is done or shown.

    Raises:
        StoreError: It cannot be taken down.
    """
    service.audit.record(
        Entry(
            user=user,
            action=action,
            target=target,
            request_id=request_id_of(request),
            client=request.client.host if request.client else "",
        )
    )


def base_of(request: Request) -> str:
    """Address of the interface as the client sees it, also behind a proxy."""
    return f"{request.scope.get('root_path', '')}{PREFIX}"


def problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The problems that a route can answer with, for the OpenAPI."""
    common = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.TOO_MANY_REQUESTS)
    return {
        status.value: {
            "description": status.phrase,
            "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
        }
        for status in sorted({*common, *statuses, HTTPStatus.SERVICE_UNAVAILABLE})
    }
