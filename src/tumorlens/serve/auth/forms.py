"""What the pages of accounts share: their forms, who sends them, and where a login leads."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse

from tumorlens.serve.auth.cookies import SESSION_COOKIE, is_encrypted, set_cookie

if TYPE_CHECKING:
    from starlette.responses import Response

    from tumorlens.serve.auth.login import Visitor

SECONDS_AN_HOUR = 3600
# More fields than any form here has.
MOST_FIELDS = 100


async def form_of(request: Request) -> dict[str, list[str]]:
    """The fields of a form; the gate has taken its size and its token."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return parse_qs(body, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}


FormDep = Annotated[dict[str, list[str]], Depends(form_of)]


def field(form: dict[str, list[str]], name: str) -> str:
    """What one field holds; empty where it is missing."""
    return form.get(name, [""])[0]


def may_send_passwords(request: Request) -> bool:
    """Whether nobody between the browser and here reads along."""
    settings = request.app.state.service.settings
    return settings.insecure_http_login or is_encrypted(request) or _is_this_machine(request)


def safe_next(text: str) -> str:
    """An address of this service to go on to; its first page where it would lead elsewhere."""
    parts = urlsplit(text.replace("\\", "/"))
    is_own = text.startswith("/") and not text.startswith(("//", "/\\"))
    is_plain = text.isprintable() and not (parts.scheme or parts.netloc)
    return text if is_own and is_plain else "/"


def go(request: Request, path: str) -> RedirectResponse:
    """Send a browser on to a page of this service after a form."""
    root: str = request.scope.get("root_path", "")
    return RedirectResponse(root + path, 303, headers={"Cache-Control": "no-store"})


def with_session(response: Response, request: Request, visitor: Visitor) -> Response:
    """A response that gives a browser its session."""
    hours = request.app.state.service.settings.session_hours
    seconds = round(hours * SECONDS_AN_HOUR)
    set_cookie(response, request, SESSION_COOKIE, visitor.session, seconds=seconds)
    return response


def _is_this_machine(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
