"""A problem as a page, for a reader who came with a browser; programs read it as JSON."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from tumorlens.serve.api.parts import PREFIX
from tumorlens.serve.paths import route_path
from tumorlens.serve.problems import headers_of
from tumorlens.serve.web.pages import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from tumorlens.serve.problems import ProblemError

HTML = "text/html"


def problem_page(request: Request, problem: ProblemError, request_id: str) -> Response | None:
    """What a reader is shown in place of a page; None for who has not asked for one.

    Args:
        request: What asked.
        problem: Why it has no answer.
        request_id: Under which the log has it.
    """
    # Scripts of the page and other programs ask for anything; a browser that opens an address
    # names HTML.
    if route_path(request.scope).startswith(f"{PREFIX}/"):
        return None
    if HTML not in request.headers.get("accept", ""):
        return None
    values = {
        "kind": _kind(problem.status),
        "detail": "" if problem.status is HTTPStatus.NOT_FOUND else problem.detail,
        "request_id": request_id,
    }
    response = page(request, "refusal.html", values, status=problem.status.value)
    response.headers.update(headers_of(problem))
    return response


def _kind(status: HTTPStatus) -> str:
    match status:
        case HTTPStatus.NOT_FOUND:
            return "missing"
        case HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.TOO_MANY_REQUESTS:
            return "busy"
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return "broken"
        case _:
            return "refused"
