"""The pages and their addresses."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from tumorlens.serve.api.parts import ServiceDep, UserDep, note
from tumorlens.serve.audit import Action
from tumorlens.serve.keep import Kept
from tumorlens.serve.web import history as history_page
from tumorlens.serve.web.language import COOKIE, COOKIE_SECONDS, LANGUAGES, catalogue
from tumorlens.serve.web.pages import FOREVER, page
from tumorlens.serve.web.table import study_in, table_csv
from tumorlens.serve.web.view import answer, study_view, words_of

router = APIRouter(include_in_schema=False)
SIDES = 2
SECONDS_A_MINUTE = 60
_IDENTIFIER = re.compile("[0-9a-f]{32}")
_BY_CODE = {one.code: one for one in LANGUAGES}


def _asked(finding_id: str, service: ServiceDep, user: UserDep) -> Kept | None:
    return service.keeper.get(finding_id, user) if _IDENTIFIER.fullmatch(finding_id) else None


AskedDep = Annotated[Kept | None, Depends(_asked)]


@router.get("/")
def analyse(request: Request, service: ServiceDep) -> Response:
    """Where scans are sent, and their answers are read."""
    settings = service.settings
    values = {
        "history_days": settings.history_days,
        "minutes": round(settings.cache_seconds / SECONDS_A_MINUTE),
    }
    return page(request, "analyze.html", values)


@router.get("/findings/{finding_id}")
def finding(request: Request, kept: AskedDep, service: ServiceDep, user: UserDep) -> Response:
    """One finding, to come back to."""
    if kept is None:
        return page(request, "missing.html", status=HTTPStatus.NOT_FOUND)
    note(request, service, user, Action.SEE, kept.id)
    shown = answer(kept, words_of(request), service.model.metadata, user.id)
    return page(request, "finding.html", {"answer": shown})


@router.get("/findings/{finding_id}/answer")
def finding_answer(
    request: Request, kept: AskedDep, service: ServiceDep, user: UserDep
) -> Response:
    """The words and details of a finding, for a page that shows its picture."""
    if kept is None:
        return page(request, "_gone.html", status=HTTPStatus.NOT_FOUND)
    note(request, service, user, Action.SEE, kept.id)
    shown = answer(kept, words_of(request), service.model.metadata, user.id)
    return page(request, "_answer.html", {"answer": shown})


@router.get("/history")
def history(request: Request, service: ServiceDep, user: UserDep) -> Response:
    """The findings that are kept, to search and to choose from."""
    if service.settings.history:
        note(request, service, user, Action.LIST, "")
    return page(request, "history.html", history_page.listing(request, service, user))


@router.get("/compare")
def compare(
    request: Request,
    service: ServiceDep,
    user: UserDep,
    finding_ids: Annotated[list[str] | None, Query(alias="id")] = None,
) -> Response:
    """Two findings beside each other."""
    found = [_asked(one, service, user) for one in (finding_ids or [])[:SIDES]]
    kept = [one for one in found if one is not None]
    if len(kept) < SIDES:
        return page(request, "missing.html", status=HTTPStatus.NOT_FOUND)
    for one in kept:
        note(request, service, user, Action.SEE, one.id)
    words = words_of(request)
    left, right = (answer(one, words, service.model.metadata, user.id) for one in kept)
    there, here = dict(left.facts), dict(right.facts)
    facts = [(name, there.get(name), here.get(name)) for name in there | here]
    return page(request, "compare.html", {"answers": (left, right), "facts": facts})


@router.get("/about")
def about(request: Request, service: ServiceDep) -> Response:
    """The model that answers: what it knows, what was measured, how to read it."""
    model, words = service.model.metadata, words_of(request)
    values = {
        "model": model,
        "sha256": service.model.sha256,
        "kinds": [words.kind(name, model.display) for name in model.classes],
        "gives_mask": service.model.gives_mask,
        "tumor_from": words.share(model.thresholds.tumor),
        "none_to": words.share(model.thresholds.no_tumor),
        "number": words.number,
    }
    return page(request, "about.html", values)


@router.get("/export/reviewed.zip")
def reviewed(request: Request, service: ServiceDep, user: UserDep) -> Response:
    """Pictures and the labels that readers gave, as a set for ``tumorlens data split``."""
    from tumorlens.serve.web.reviewed import reviewed_set

    note(request, service, user, Action.REPORT, "")
    return StreamingResponse(
        reviewed_set(service.keeper, user),
        media_type="application/zip",
        headers={
            "Content-Disposition": 'attachment; filename="reviewed.zip"',
            "Cache-Control": "no-store",
        },
    )


@router.post("/table.csv")
async def table(request: Request, service: ServiceDep) -> Response:
    """The lines of a stream, as the page received them, as a table for a spreadsheet."""
    text = await table_csv(request, service.model.metadata.classes)
    return Response(
        text,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="findings.csv"'},
    )


@router.post("/study")
async def study(request: Request, service: ServiceDep) -> Response:
    """The answer for a series or volume, in words, from the findings that the page received.

    A series comes in several requests, and without a history nothing here remembers all of it.
    """
    shown = study_view(await study_in(request, service.model), words_of(request))
    return page(request, "_study.html", {"study": shown})


@router.get("/messages/{digest}/{code}.js")
def messages(code: str) -> Response:
    """A script with the words that scripts of the page say; another `digest` for other words."""
    known = _BY_CODE.get(code)
    said = {} if known is None else catalogue(known)
    return Response(
        f"globalThis.tumorlensMessages = {json.dumps(said)};",
        media_type="text/javascript",
        headers={"Cache-Control": FOREVER},
    )


@router.get("/language/{code}")
def choose_language(request: Request, code: str, back: str = "/") -> Response:
    """Keep the reader's choice of a language, and go back to the page they came from."""
    base: str = request.scope.get("root_path", "")
    response = RedirectResponse(base + local_path(back), HTTPStatus.SEE_OTHER)
    if code in _BY_CODE:
        response.set_cookie(
            COOKIE, code, COOKIE_SECONDS, path=base or "/", samesite="lax", httponly=True,
            secure=request.url.scheme == "https",
        )  # fmt: skip
    return response


def local_path(path: str) -> str:
    """A path of this service; its first page for an address that leads elsewhere."""
    # Browsers take two slashes, and a backslash for a slash, as the start of another host.
    is_local = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_local and path.isprintable() else "/"
