"""The table of a batch: what a page received, written as the command line writes CSV."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, TypeAdapter, ValidationError

from tumorlens.decide.finding import Finding
from tumorlens.errors import ScanError, ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.report.csv_rows import csv_header, csv_row
from tumorlens.report.json_lines import ErrorRecord
from tumorlens.serve.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

# About 20,000 slices.
MAX_BYTES = 32 * 1024 * 1024
_LINES: TypeAdapter[list[Finding | ErrorRecord]] = TypeAdapter(
    list[Annotated[Finding | ErrorRecord, Field(discriminator="record")]]
)
_ERRORS = {one.__name__: one for one in (UnreadableScan, UnsupportedScan, ScanTooLarge)}


async def table_csv(request: Request, classes: Sequence[str]) -> str:
    """The table of the findings and errors in the body of a request, a JSON list.

    Without a history nothing here remembers a large batch, but the page does.

    Raises:
        ProblemError: The body is too large, or holds something else.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the table is too large")
    try:
        lines = _LINES.validate_json(bytes(body))
    except ValidationError as error:
        detail = "send a JSON list of findings and errors, as the stream gave them"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from error
    return csv_header(classes) + "".join(csv_row(_outcome(one), classes) for one in lines)


def _outcome(record: Finding | ErrorRecord) -> Finding | ScanError:
    if isinstance(record, Finding):
        return record
    return _ERRORS.get(record.error, ScanError)(record.source, record.reason, record.advice)
