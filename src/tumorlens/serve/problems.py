"""Errors as problem+json (RFC 9457): what was wrong, with which input, and what to do."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import Request  # noqa: TC002  (FastAPI reads signatures when run)
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from tumorlens.errors import (
    AccountError,
    ScanError,
    ScanTooLarge,
    StoreError,
    TumorLensError,
    UnsupportedScan,
)
from tumorlens.serve.engine import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI
    from starlette.responses import Response

    ProblemPage = Callable[[Request, "ProblemError", str], Response | None]
    """From a request, its problem and its identifier to a page; None for who asked for none."""

MEDIA_TYPE = "application/problem+json"
# So long may a client wait that was told of a failure which passes by itself.
RETRY_SECONDS = 5
_LOG = logging.getLogger("tumorlens.serve")


class Problem(BaseModel):
    """An error (RFC 9457).

    Attributes:
        type: Names the kind of problem; stable, for programs.
        title: The kind of problem for a person.
        status: The HTTP status.
        detail: What was wrong this time, and what to do.
        request_id: Finds the request in the log.
        errors: Details for each input or field, where there are several.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    request_id: str = ""
    errors: list[dict[str, Any]] = Field(default_factory=list)


class ProblemError(Exception):
    """A problem that a route answers with.

    Args:
        status: The HTTP status.
        detail: What was wrong, and what to do.
        kind: Names the kind of problem, for programs.
        retry_after: After how many seconds the same request may do; None if it never will.
        errors: Details for each input or field.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        kind: str = "about:blank",
        retry_after: int | None = None,
        errors: list[dict[str, Any]] | None = None,
    ) -> None:
        self.status = status
        self.detail = detail
        self.kind = kind
        self.retry_after = retry_after
        self.errors = errors or []
        super().__init__(status, detail)


def response_of(problem: ProblemError, request_id: str) -> JSONResponse:
    """A problem as a response."""
    body = Problem(
        type=problem.kind,
        title=problem.status.phrase,
        status=problem.status.value,
        detail=problem.detail,
        request_id=request_id,
        errors=problem.errors,
    )
    return JSONResponse(
        body.model_dump(), problem.status, media_type=MEDIA_TYPE, headers=headers_of(problem)
    )


def headers_of(problem: ProblemError) -> dict[str, str]:
    """The headers that come with a problem, whatever form it has."""
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if problem.status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def problem_of(error: TumorLensError) -> ProblemError:
    """The problem that an error of TumorLens is for a client."""
    match error:
        case Refused():
            return ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{error.why}; try again in {error.retry_after} s",
                kind="urn:tumorlens:busy",
                retry_after=error.retry_after,
            )
        case ScanError():
            too_large = isinstance(error, ScanTooLarge)
            unsupported = isinstance(error, UnsupportedScan)
            status = (
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                if too_large
                else HTTPStatus.UNSUPPORTED_MEDIA_TYPE
                if unsupported
                else HTTPStatus.UNPROCESSABLE_ENTITY
            )
            return ProblemError(status, str(error), kind=f"urn:tumorlens:{type(error).__name__}")
        case StoreError():
            # The message may tell where the database is, which is the operator's business.
            return ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the history cannot be used at the moment; try again later",
                kind="urn:tumorlens:store",
                retry_after=RETRY_SECONDS,
            )
        case AccountError():
            return ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY, str(error), kind="urn:tumorlens:account"
            )
        case _:
            return ProblemError(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "the model could not answer; the log of the service says why",
                kind="urn:tumorlens:model",
            )


def install(app: FastAPI, *, page: ProblemPage) -> None:
    """Let every error of an app be answered as a problem.

    Args:
        app: The application.
        page: Shows a problem to who has asked for a page.
    """

    def told(request: Request, problem: ProblemError) -> Response:
        request_id = getattr(request.state, "request_id", "")
        return page(request, problem, request_id) or response_of(problem, request_id)

    @app.exception_handler(ProblemError)
    async def _problem(request: Request, error: ProblemError) -> Response:
        return told(request, error)

    @app.exception_handler(TumorLensError)
    async def _own(request: Request, error: TumorLensError) -> Response:
        problem = problem_of(error)
        if isinstance(error, StoreError) or problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _LOG.error("%s", error)
        return told(request, problem)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        detail = error.detail if error.detail != status.phrase else ""
        response = told(request, ProblemError(status, detail or _advice(status)))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [
            {"where": [str(part) for part in one["loc"]], "message": one["msg"]}
            for one in jsonable_encoder(error.errors(), exclude={"ctx", "input"})
        ]
        first = errors[0]
        detail = f"{'.'.join(first['where'])}: {first['message']}"
        return told(
            request,
            ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                detail,
                kind="urn:tumorlens:invalid-request",
                errors=errors,
            ),
        )


def _advice(status: HTTPStatus) -> str:
    if status is HTTPStatus.NOT_FOUND:
        return "there is nothing at this address; /api/v1/openapi.json lists what there is"
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return "this address does not take this method"
    return status.description
