"""What every request passes: identifier, host and origin checks, rate, headers, log and figures.

Plain ASGI, so that streamed answers stay streams.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request

from tumorlens.errors import TumorLensError
from tumorlens.serve.body import small_body
from tumorlens.serve.logs import FIELDS, REQUEST_ID
from tumorlens.serve.paths import route_path
from tumorlens.serve.problems import ProblemError, problem_of, response_of
from tumorlens.serve.settings import LOOPBACK_NAMES

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tumorlens.serve.metrics import Metrics
    from tumorlens.serve.problems import ProblemPage
    from tumorlens.serve.settings import Settings

# Nothing is loaded from, sent to or framed by any other address.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Nothing is told to others. Without any, a browser sends its own forms with "Origin: null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# A year, as browsers want it before they believe it.
HSTS = "max-age=31536000"
REQUEST_ID_HEADER = "X-Request-ID"
API_PREFIX = "/api/"
# Asked often by machines that watch the service; they are neither limited nor logged as news.
WATCHED = ("/api/v1/health", "/api/v1/ready", "/metrics")
# These have limits of their own, as they receive.
UPLOADS = ("/api/v1/findings", "/api/v1/findings/stream")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
KNOWN_METHODS = SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}
UNKNOWN_ROUTE = "(none)"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOG = logging.getLogger("tumorlens.serve")


@dataclass(slots=True)
class _Seen:
    status: int = 0


class Guardrails:
    """The outermost layer of the service.

    Args:
        app: What it guards.
        settings: Hosts that requests may be for, and limits.
        metrics: Where it counts.
        page: Shows a problem to who has asked for a page.
    """

    def __init__(
        self, app: ASGIApp, *, settings: Settings, metrics: Metrics, page: ProblemPage
    ) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._page = page
        self._hosts = frozenset(host.lower() for host in settings.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._settings.root_path:
            scope["root_path"] = self._settings.root_path
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        token = REQUEST_ID.set(request_id)
        start, seen = time.perf_counter(), _Seen()
        # Other services of this machine have these names as well, and may not speak HTTPS.
        is_local = _without_port(Headers(scope=scope).get("host", "")) in LOOPBACK_NAMES

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if scope.get("scheme") == "https" and not is_local:
                    headers.setdefault("Strict-Transport-Security", HSTS)
                if route_path(scope).startswith(API_PREFIX):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._answer(scope, receive, guarded_send, seen, request_id)
        finally:
            self._note(scope, seen.status, time.perf_counter() - start)
            REQUEST_ID.reset(token)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, seen: _Seen, request_id: str
    ) -> None:
        try:
            self._check(scope)
            if route_path(scope) not in UPLOADS:
                receive = small_body(scope, receive, self._settings)
            await self._app(scope, receive, send)
        except ProblemError as told:
            await self._told(scope, told, request_id)(scope, receive, send)
        except TumorLensError as error:
            _LOG.error("%s", error)
            await self._told(scope, problem_of(error), request_id)(scope, receive, send)
        except Exception:
            _LOG.exception("a request failed in an unforeseen way")
            if seen.status:  # the answer has begun: cut it off, so that it is not taken for whole
                raise
            problem = ProblemError(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "this should not happen; the log of the service has it under the request_id",
            )
            await self._told(scope, problem, request_id)(scope, receive, send)

    def _told(self, scope: Scope, problem: ProblemError, request_id: str) -> Response:
        shown = self._page(Request(scope), problem, request_id)
        return shown or response_of(problem, request_id)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = _without_port(headers.get("host", "").lower())
        if self._hosts and host not in self._hosts:
            self._metrics.refused.labels("host").inc()
            raise ProblemError(
                HTTPStatus.MISDIRECTED_REQUEST,
                "this service does not answer for this host name; see the setting allowed_hosts",
                kind="urn:tumorlens:host",
            )
        is_safe = scope["method"] in SAFE_METHODS
        if not is_safe and _is_foreign(headers):
            self._metrics.refused.labels("origin").inc()
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "a page from another address may not do this",
                kind="urn:tumorlens:origin",
            )
        path = route_path(scope)
        if path not in WATCHED and (path.startswith(API_PREFIX) or not is_safe):
            self._check_rate(scope)

    def _check_rate(self, scope: Scope) -> None:
        client = scope.get("client")
        wait = scope["app"].state.service.rate.wait(client[0] if client else "")
        if wait:
            self._metrics.refused.labels("rate").inc()
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"too many requests; try again in {wait} s",
                kind="urn:tumorlens:rate",
                retry_after=wait,
            )

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "OTHER"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)
        level = logging.DEBUG if route_path(scope) in WATCHED else logging.INFO
        fields: dict[str, Any] = {
            "method": method,
            "route": route,
            "status": status,
            "ms": round(1000 * seconds, 1),
        }
        _LOG.log(level, "request", extra={FIELDS: fields})


def request_id_of(request: Request) -> str:
    """The identifier of a request, as its log lines have it."""
    found: str = getattr(request.state, "request_id", "")
    return found


def _request_id(headers: Headers) -> str:
    """The one that the caller gives, where it is harmless; else a new one."""
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _route(scope: Scope) -> str:
    """The address with names in place of values, so that it tells nothing of a finding."""
    route = scope.get("route")
    return getattr(route, "path", UNKNOWN_ROUTE) or UNKNOWN_ROUTE


def _without_port(host: str) -> str:
    return re.sub(r":\d*$", "", host)


def _is_foreign(headers: Headers) -> bool:
    """Whether a browser says that a page of another address sends this."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
