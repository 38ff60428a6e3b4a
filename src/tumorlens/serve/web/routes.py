"""The pages and their addresses."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from tumorlens.serve.web.language import COOKIE, COOKIE_SECONDS, LANGUAGES
from tumorlens.serve.web.pages import page

router = APIRouter(include_in_schema=False)


@router.get("/")
def analyse(request: Request) -> Response:
    """Where scans are sent, and their answers are read."""
    return page(request, "analyze.html")


@router.get("/language/{code}")
def choose_language(request: Request, code: str, back: str = "/") -> Response:
    """Keep the reader's choice of a language, and go back to the page they came from."""
    base: str = request.scope.get("root_path", "")
    response = RedirectResponse(base + local_path(back), 303)
    if code in {one.code for one in LANGUAGES}:
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
