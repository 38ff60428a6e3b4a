"""Sending scans: all answers at once, or one a line as they come."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from tumorlens.decide.finding import Finding
from tumorlens.decide.study import Study, stack_of, stacks, study_of
from tumorlens.errors import ScanError, TumorLensError
from tumorlens.model.decision import StudyRule
from tumorlens.report.json_lines import ErrorRecord, error_record
from tumorlens.scan import Plane
from tumorlens.serve.api.bodies import EXAMPLE, Batch, KeptFinding, Summary, kept_finding
from tumorlens.serve.api.parts import PREFIX, ServiceDep, UserDep, base_of, note, problems
from tumorlens.serve.audit import Action
from tumorlens.serve.engine import Refused
from tumorlens.serve.guardrails import request_id_of
from tumorlens.serve.intake import answer
from tumorlens.serve.keep import Kept, Sending, new_id
from tumorlens.serve.people import User
from tumorlens.serve.problems import Problem, problem_of
from tumorlens.serve.service import Service
from tumorlens.serve.upload import receive

router = APIRouter(prefix=PREFIX, tags=["analyse"])
NDJSON = "application/x-ndjson"
_LOG = logging.getLogger("tumorlens.serve")
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "JPEG, PNG, BMP, TIFF, WebP, DICOM, NIfTI, or zips of these.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                }
            }
        },
    }
}
_REFUSALS = problems(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
PlaneQuery = Annotated[Plane, Query(description="Which slices of a NIfTI volume are answered.")]


@router.post(
    "/findings",
    summary="Answer scans",
    response_model=Batch,
    responses=_REFUSALS,
    openapi_extra=_BODY,
)
async def analyse(
    request: Request, service: ServiceDep, user: UserDep, plane: PlaneQuery = Plane.AUTO
) -> Batch:
    """Answer every slice of one or many files, and give all answers together.

    A file that was answered before gives its earlier answer, with `repeated`. One bad file never
    loses the others: it is listed under `errors`. If no file can be answered, the request fails
    with the first file's problem.
    """
    findings: list[KeptFinding] = []
    errors: list[ScanError] = []
    async for outcome in _outcomes(request, service, user, plane):
        if isinstance(outcome, ScanError):
            errors.append(outcome)
        else:
            findings.append(kept_finding(outcome, base_of(request)))
    records = [error_record(error) for error in errors]
    if errors and not findings:
        problem = problem_of(errors[0])
        problem.errors = [record.model_dump() for record in records]
        raise problem
    batch: str = request.state.batch
    together = stacks(one.finding for one in findings)
    studies = [study_of(slices, service.study_rule) for slices in together]
    return Batch(batch=batch, findings=findings, studies=studies, errors=records)


@router.post(
    "/findings/stream",
    summary="Answer scans, one line each as they come",
    response_class=StreamingResponse,
    responses=_REFUSALS
    | {
        200: {
            "description": "One JSON object a line: `finding` or `error` for each slice or file, "
            "`study` after the last slice of a series or volume, and `summary` at the end. A "
            "stream without `summary` was cut off.",
            "content": {NDJSON: {"schema": {"type": "string"}, "example": json.dumps(EXAMPLE)}},
        }
    },
    openapi_extra=_BODY,
)
async def stream(
    request: Request, service: ServiceDep, user: UserDep, plane: PlaneQuery = Plane.AUTO
) -> StreamingResponse:
    """Answer every slice of one or many files, each as a line as soon as it is there.

    With a history, a finding is on the disk before its line is sent.
    """
    outcomes = _outcomes(request, service, user, plane)
    # What is refused as a whole is refused before the answer begins.
    first = await anext(outcomes, None)
    return StreamingResponse(
        _lines(request, first, outcomes, service.study_rule), media_type=NDJSON
    )


async def _lines(
    request: Request,
    first: Kept | ScanError | None,
    rest: AsyncIterator[Kept | ScanError],
    rule: StudyRule | None,
) -> AsyncIterator[str]:
    findings = errors = 0
    outcome, stack = first, _Stack(rule)
    try:
        async with aclosing(rest):  # type: ignore[type-var]
            while outcome is not None:
                record: KeptFinding | ErrorRecord
                if isinstance(outcome, ScanError):
                    errors, record = errors + 1, error_record(outcome)
                else:
                    findings, record = findings + 1, kept_finding(outcome, base_of(request))
                    for study in stack.ended_by(outcome.finding):
                        yield study.model_dump_json() + "\n"
                yield record.model_dump_json() + "\n"
                outcome = await anext(rest, None)
            for study in stack.ended_by(None):
                yield study.model_dump_json() + "\n"
    except TumorLensError as error:
        # The status has been sent: the line says what a status would have said.
        yield _failure(error, request) + "\n"
        return
    summary = Summary(batch=request.state.batch, findings=findings, errors=errors)
    yield summary.model_dump_json() + "\n"


class _Stack:
    """The slices of a series or volume, as they come one after another."""

    def __init__(self, rule: StudyRule | None) -> None:
        self._rule, self._slices = rule, list[Finding]()

    def ended_by(self, upcoming: Finding | None) -> Iterator[Study]:
        """The study that ended if `upcoming` is of another one, and begin that; None is the end."""
        stack = None if upcoming is None else stack_of(upcoming)
        if self._slices and stack != stack_of(self._slices[0]):
            for slices in stacks(self._slices):
                yield study_of(slices, self._rule)
            self._slices = []
        if upcoming is not None and stack is not None:
            self._slices.append(upcoming)


def _failure(error: TumorLensError, request: Request) -> str:
    if not isinstance(error, Refused):
        _LOG.error("%s", error)
    problem = problem_of(error)
    body = Problem(
        type=problem.kind,
        title=problem.status.phrase,
        status=problem.status.value,
        detail=problem.detail,
        request_id=request_id_of(request),
    )
    return json.dumps({"record": "problem"} | body.model_dump())


async def _outcomes(
    request: Request, service: Service, user: User, plane: Plane
) -> AsyncIterator[Kept | ScanError]:
    """Receive the files of a request, and answer them."""
    settings = service.settings
    sending = Sending(user.id, new_id(), plane.value, service.model.sha256)
    request.state.batch = sending.batch
    share = service.room.share()
    try:
        files = await receive(request, settings, share)
        # The audit log may wait for the disk, which the event loop must not.
        await run_in_threadpool(note, request, service, user, Action.ANALYSE, sending.batch)
        outcomes = answer(
            files,
            sending,
            service.engine,
            limits=settings.limits,
            share=settings.batch_share,
        )
        async with aclosing(outcomes):  # type: ignore[type-var]
            async for outcome in outcomes:
                _count(outcome, service)
                yield outcome
    except Refused:
        service.metrics.refused.labels("busy").inc()
        raise
    finally:
        share.free()


def _count(outcome: Kept | ScanError, service: Service) -> None:
    if isinstance(outcome, ScanError):
        service.metrics.errors.labels(type(outcome).__name__).inc()
        return
    finding = outcome.finding
    service.metrics.findings.labels(finding.status.value, str(outcome.repeated).lower()).inc()
    if not outcome.repeated:
        service.metrics.answer_seconds.observe(finding.elapsed_ms / 1000)
