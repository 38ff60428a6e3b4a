"""Reports of findings: JSON, CSV and PDF, one or many."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from tumorlens.report.csv_rows import csv_header, csv_row
from tumorlens.report.folder import stem_of
from tumorlens.report.json_lines import json_line
from tumorlens.serve.api.findings import QueryDep
from tumorlens.serve.api.parts import (
    PREFIX,
    KeptDep,
    ServiceDep,
    UserDep,
    not_found,
    note,
    problems,
)
from tumorlens.serve.audit import Action
from tumorlens.serve.keep import Kept
from tumorlens.serve.people import User
from tumorlens.serve.service import Service

router = APIRouter(prefix=PREFIX, tags=["reports"])
CSV, JSON, PDF = "text/csv; charset=utf-8", "application/json", "application/pdf"
# A page each: more are a book that nobody prints, and would take long to draw.
MOST_PDF_PAGES = 100
# Rows of the history that are fetched at a time.
ROWS_AT_ONCE = 500
Ids = Annotated[
    list[str] | None,
    Query(max_length=MOST_PDF_PAGES, description="Identifiers of findings, in this order."),
]


def _responses(media_type: str) -> dict[int | str, dict[str, Any]]:
    ok: dict[int | str, dict[str, Any]] = {
        200: {"description": "The report.", "content": {media_type.split(";", maxsplit=1)[0]: {}}}
    }
    return problems(HTTPStatus.NOT_FOUND) | ok


@router.get(
    "/findings/{finding_id}/report.json", summary="As JSON", response_class=Response,
    responses=_responses(JSON),
)  # fmt: skip
def report_json(request: Request, kept: KeptDep, service: ServiceDep, user: UserDep) -> Response:
    """The finding as `tumorlens predict --format json` writes it."""
    note(request, service, user, Action.REPORT, kept.id)
    return _file(json_line(kept.finding).encode(), JSON, f"{_stem(kept)}.json")


@router.get(
    "/findings/{finding_id}/report.csv", summary="As CSV", response_class=Response,
    responses=_responses(CSV),
)  # fmt: skip
def report_csv(request: Request, kept: KeptDep, service: ServiceDep, user: UserDep) -> Response:
    """The finding as a table of one row, for a spreadsheet."""
    note(request, service, user, Action.REPORT, kept.id)
    classes = list(kept.finding.probabilities) or service.model.metadata.classes
    text = csv_header(classes) + csv_row(kept.finding, classes)
    return _file(text.encode(), CSV, f"{_stem(kept)}.csv")


@router.get(
    "/findings/{finding_id}/report.pdf", summary="As PDF", response_class=Response,
    responses=_responses(PDF),
)  # fmt: skip
def report_pdf(request: Request, kept: KeptDep, service: ServiceDep, user: UserDep) -> Response:
    """The finding as a page to print: slice, overlay, answer, model, data, limits, notice."""
    note(request, service, user, Action.REPORT, kept.id)
    return _file(_pdf([kept], service), PDF, f"{_stem(kept)}.pdf")


@router.get(
    "/reports/findings.pdf", summary="Several findings as PDF", response_class=Response,
    responses=_responses(PDF),
)  # fmt: skip
def reports_pdf(request: Request, service: ServiceDep, user: UserDep, id: Ids = None) -> Response:  # noqa: A002  (the name in the address)
    """A page a finding, in the order of the identifiers."""
    kept = [_kept(one, service, user) for one in id or ()]
    if not kept:
        raise not_found()
    for one in kept:
        note(request, service, user, Action.REPORT, one.id)
    return _file(_pdf(kept, service), PDF, "findings.pdf")


@router.get(
    "/reports/findings.csv", summary="Many findings as CSV", response_class=Response,
    responses=_responses(CSV),
)  # fmt: skip
def reports_csv(
    request: Request, service: ServiceDep, user: UserDep, wanted: QueryDep, id: Ids = None  # noqa: A002
) -> Response:  # fmt: skip
    """A row a finding: those of the given identifiers, else all of the history that are asked for.

    `offset` and `limit` mean nothing here.
    """
    note(request, service, user, Action.REPORT, "")
    kept = [_kept(one, service, user) for one in id] if id else _all(service, wanted)
    classes = service.model.metadata.classes
    lines = [csv_header(classes), *(csv_row(one.finding, classes) for one in kept)]
    return _file("".join(lines).encode(), CSV, "findings.csv")


def _all(service: Service, wanted: QueryDep) -> list[Kept]:
    found: list[Kept] = []
    while True:
        part = replace(wanted, offset=len(found), limit=ROWS_AT_ONCE)
        page = service.keeper.find(part)
        found += page.items
        if len(page.items) < ROWS_AT_ONCE:
            return found


def _kept(finding_id: str, service: Service, user: User) -> Kept:
    kept = service.keeper.get(finding_id, user)
    if kept is None:
        raise not_found()
    return kept


def _pdf(kept: list[Kept], service: Service) -> bytes:
    from tumorlens.report.pdf import Sheet, pdf_report

    sheets = [Sheet(one.finding, one.picture.pixels, one.created) for one in kept]
    return pdf_report(sheets, model=service.model.metadata)


def _stem(kept: Kept) -> str:
    return stem_of(kept.finding.scan)


def _file(data: bytes, media_type: str, name: str) -> Response:
    """A file to download; its name has letters, digits, dots and dashes, and ASCII alone here."""
    plain = name.encode("ascii", "ignore").decode() or "report"
    return Response(
        data,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{plain}"'},
    )
