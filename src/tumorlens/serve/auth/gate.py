"""What every request passes where there are accounts: who asks, may they, and is it their own form.

Plain ASGI, so that it stands before any route, reads no upload, and no route can forget it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse

from tumorlens.serve.auth import allowed
from tumorlens.serve.auth.cookies import SESSION_COOKIE, read_cookie
from tumorlens.serve.paths import route_path
from tumorlens.serve.problems import ProblemError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tumorlens.serve.auth.accounts import Accounts
    from tumorlens.serve.auth.login import Visitor

CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
FORM = "application/x-www-form-urlencoded"
BEARER = "bearer"
# Forms here have a few short fields.
LARGEST_FORM_BYTES = 64 * 1024
BAD_TOKEN = "this token is not known, has ended, or was revoked"  # noqa: S105  (a sentence)
NO_LOGIN = "log in, or send a token: Authorization: Bearer tumorlens_…"
BEYOND_SCOPES = "this token does not allow it; see the scopes of tokens"
ADMINS_ONLY = "only an admin may do this"


class Gate:
    """Lets a request through whose sender has logged in, and may do it.

    A request that passes has ``state.user`` (None on a page for everyone), ``state.visitor`` and
    ``state.csrf_token``.

    Args:
        app: What it guards.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, send a browser to the login, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        path = route_path(scope)
        accounts: Accounts = scope["app"].state.service.accounts
        visitor = await run_in_threadpool(_visitor_of, request, accounts)
        request.state.visitor = visitor
        request.state.user = None if visitor is None else visitor.user
        request.state.csrf_token = "" if visitor is None else visitor.csrf_token
        if not allowed.is_public(path):
            elsewhere = _elsewhere(request, path, visitor)
            if elsewhere is not None:
                await elsewhere(scope, receive, send)
                return
            assert visitor is not None  # noqa: S101  (`_elsewhere` raises or answers)
            _check_allowed(request, path, visitor)
            receive = await _checked_form(request, receive, visitor, accounts)
        await self._app(scope, receive, send)


def _visitor_of(request: Request, accounts: Accounts) -> Visitor | None:
    """Who asks; a token goes before a cookie, since whoever sends one means it."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind:
        found = accounts.by_token(token.strip()) if kind.lower() == BEARER else None
        if found is None:
            raise _unknown(BAD_TOKEN)
        return found
    cookie = read_cookie(request, SESSION_COOKIE)
    return accounts.logins.visitor(cookie) if cookie else None


def _elsewhere(request: Request, path: str, visitor: Visitor | None) -> RedirectResponse | None:
    """Where a browser is sent that cannot have what it asks for yet.

    Raises:
        ProblemError: It is a program that asks.
    """
    is_page = not path.startswith(allowed.API) and path != "/metrics"
    if visitor is None:
        if not is_page:
            raise _unknown(NO_LOGIN)
        back = _address(request, path) if request.method in allowed.SAFE_METHODS else "/"
        return _redirect(request, f"{allowed.LOGIN_PATH}?next={quote(back, safe='')}")
    if visitor.must_change and not allowed.is_before_change(path):
        if not is_page:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "somebody else has set your password: log in on the web page and change it first",
                kind="urn:tumorlens:password-change",
            )
        return _redirect(request, allowed.ACCOUNT_PATH)
    return None


def _check_allowed(request: Request, path: str, visitor: Visitor) -> None:
    user = visitor.user
    if not visitor.session and not allowed.token_suffices(request.method, path, user.scopes):
        raise _forbidden(BEYOND_SCOPES)
    if allowed.is_for_admins(path) and not user.is_admin:
        raise _forbidden(ADMINS_ONLY)


async def _checked_form(
    request: Request, receive: Receive, visitor: Visitor, accounts: Accounts
) -> Receive:
    """Refuse what a page of somebody else makes this browser send (CSRF).

    Raises:
        ProblemError: It shows no token that this session was given.
    """
    if request.method in allowed.SAFE_METHODS or not visitor.session:
        return receive
    token = request.headers.get(CSRF_HEADER, "")
    if not token and request.headers.get("content-type", "").split(";")[0].strip() == FORM:
        body = await _small_body(request)
        token = parse_qs(body.decode("latin-1")).get(CSRF_FIELD, [""])[0]
        receive = _again(body, receive)
    if not accounts.logins.is_own_form(visitor, token):
        request.app.state.service.metrics.refused.labels("csrf").inc()
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            f"the request does not come from a page of this session: send {CSRF_HEADER} as "
            "GET /api/v1/account gives it, or load the page again",
            kind="urn:tumorlens:csrf",
        )
    return receive


async def _small_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_FORM_BYTES:
                raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the form is too large")
    except ClientDisconnect:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "the form was cut off") from None
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read once more, and then whatever comes."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _address(request: Request, path: str) -> str:
    return f"{path}?{request.url.query}" if request.url.query else path


def _redirect(request: Request, path: str) -> RedirectResponse:
    root: str = request.scope.get("root_path", "")
    response = RedirectResponse(root + path, HTTPStatus.SEE_OTHER)
    response.headers["Cache-Control"] = "no-store"
    return response


def _unknown(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNAUTHORIZED, detail, kind="urn:tumorlens:login")


def _forbidden(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.FORBIDDEN, detail, kind="urn:tumorlens:forbidden")
