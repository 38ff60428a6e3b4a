"""What a page received and gives back: as a table, or to be answered as one series."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from tumorlens.decide.finding import Finding
from tumorlens.decide.study import Study, study_of
from tumorlens.errors import ScanError, ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.report.csv_rows import csv_header, csv_row
from tumorlens.report.json_lines import ErrorRecord
from tumorlens.serve.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from tumorlens.model.run import Model

_Sent = TypeVar("_Sent")
# About 20,000 slices.
MAX_BYTES = 32 * 1024 * 1024
_LINES: TypeAdapter[list[Finding | ErrorRecord]] = TypeAdapter(
    list[Annotated[Finding | ErrorRecord, Field(discriminator="record")]]
)
_ERRORS = {one.__name__: one for one in (UnreadableScan, UnsupportedScan, ScanTooLarge)}

_FINDINGS: TypeAdapter[list[Finding]] = TypeAdapter(list[Finding])


async def table_csv(request: Request, classes: Sequence[str]) -> str:
    """The table of the findings and errors in the body of a request, a JSON list.

    Without a history nothing here remembers a large batch, but the page does.

    Raises:
        ProblemError: The body is too large, or holds something else.
    """
    lines = await _sent(request, _LINES, "findings and errors")
    return csv_header(classes) + "".join(csv_row(_outcome(one), classes) for one in lines)


async def study_in(request: Request, model: Model) -> Study:
    """The answer for a series, from the findings of its slices in the body of a request.

    Args:
        request: From the page.
        model: What answers now; its rule for series counts where it is what answered.

    Raises:
        ProblemError: The body is too large, or holds something else than findings of one model.
    """
    findings = await _sent(request, _FINDINGS, "findings")
    is_its = bool(findings) and findings[0].model.sha256 == model.sha256
    try:
        return study_of(findings, model.metadata.decision.study if is_its else None)
    except ValueError as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error


async def _sent(request: Request, kind: TypeAdapter[_Sent], of_what: str) -> _Sent:
    """The JSON list in the body of a request."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "that is too much at once")
    try:
        return kind.validate_json(bytes(body))
    except ValidationError as error:
        detail = f"send a JSON list of {of_what}, as the stream gave them"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from error


def _outcome(record: Finding | ErrorRecord) -> Finding | ScanError:
    if isinstance(record, Finding):
        return record
    return _ERRORS.get(record.error, ScanError)(record.source, record.reason, record.advice)
