"""The session's cookie: only for this host, never for scripts, and over HTTPS wherever there is.

The prefixes ``__Host-`` and ``__Secure-`` (RFC 6265bis) let a browser refuse such a cookie from
anyone who could not have set it over HTTPS, such as another service of the same domain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.responses import Response

SESSION_COOKIE = "tumorlens_session"
FORM_COOKIE = "tumorlens_form"


def is_encrypted(request: HTTPConnection) -> bool:
    """Whether the request came over HTTPS, here or at a proxy that is trusted."""
    return request.scope.get("scheme") == "https"


def read_cookie(request: HTTPConnection, name: str) -> str:
    """What a cookie of ours holds; empty where there is none."""
    return request.cookies.get(_full_name(request, name), "")


def set_cookie(
    response: Response, request: HTTPConnection, name: str, value: str, *, seconds: int
) -> None:
    """Give a cookie of ours to a browser."""
    response.set_cookie(
        _full_name(request, name),
        value,
        max_age=seconds,
        path=_path(request),
        secure=is_encrypted(request),
        httponly=True,
        samesite="lax",
    )


def drop_cookie(response: Response, request: HTTPConnection, name: str) -> None:
    """Take a cookie of ours back."""
    response.delete_cookie(
        _full_name(request, name),
        path=_path(request),
        secure=is_encrypted(request),
        httponly=True,
        samesite="lax",
    )


def _full_name(request: HTTPConnection, name: str) -> str:
    if not is_encrypted(request):
        return name
    return f"__Host-{name}" if _path(request) == "/" else f"__Secure-{name}"


def _path(request: HTTPConnection) -> str:
    return request.scope.get("root_path", "") or "/"
