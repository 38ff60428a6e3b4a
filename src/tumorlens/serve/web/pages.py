"""Drawing pages: templates with the words of the reader's language, and the files they load."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.staticfiles import StaticFiles

from tumorlens._version import __version__
from tumorlens.decide.finding import NOTICE
from tumorlens.serve.api.parts import PREFIX
from tumorlens.serve.web.language import (
    ENGLISH,
    LANGUAGES,
    LOCALES,
    Language,
    language_of,
    translations,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Scope

_WEB = Path(__file__).parent
STATIC = _WEB / "static"
# Pages of the accounts lie with the code of the accounts, and extend the base of all pages.
TEMPLATES = (_WEB / "templates", _WEB.parent / "auth" / "templates")
FOREVER = "public, max-age=31536000, immutable"


class StaticTree(StaticFiles):
    """The static files, under an address that changes with them; so a browser may keep them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, to be kept."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = FOREVER
        return response


@cache
def content_digest() -> str:
    """Changes with the static files and the catalogues."""
    digest = hashlib.sha256()
    for path in sorted([*STATIC.rglob("*"), *LOCALES.rglob("*.mo")]):
        if path.is_file():
            digest.update(path.relative_to(_WEB).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def static_address() -> str:
    """Where the static files are, below the root of the service."""
    return f"/static/{content_digest()}"


def page(
    request: Request, template: str, values: dict[str, Any] | None = None, *, status: int = 200
) -> HTMLResponse:
    """A page in the reader's language.

    Every template gets, beside `values`: ``language`` and ``languages``, ``base`` (where the
    service is, behind a proxy too), ``static``, ``messages`` (a script; empty in English), ``api``,
    ``user`` (None where nobody has logged in), ``accounts``, ``history``, ``csrf_token`` (empty
    without accounts), ``notice``, ``here`` (the path of the page) and ``version``.

    Args:
        request: What asks for it.
        template: Its name in one of `TEMPLATES`; full pages extend ``base.html``.
        values: What it shows.
        status: The HTTP status.
    """
    language = language_of(request)
    shown = _common(request, language) | (values or {})
    text = environment(language).get_template(template).render(shown)
    return HTMLResponse(
        text,
        status,
        headers={
            "Cache-Control": "no-store",
            "Content-Language": language.tag,
            "Vary": "Cookie, Accept-Language",
        },
    )


@cache
def environment(language: Language) -> Environment:
    """The templates, with the words of a language."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(  # type: ignore[attr-defined]
        translations(language), newstyle=True
    )
    return made


def _common(request: Request, language: Language) -> dict[str, Any]:
    settings = request.app.state.service.settings
    base: str = request.scope.get("root_path", "")
    path: str = request.url.path
    return {
        "language": language,
        "languages": LANGUAGES,
        "base": base,
        "static": base + static_address(),
        "messages": (
            "" if language is ENGLISH else f"{base}/messages/{content_digest()}/{language.code}.js"
        ),
        "api": base + PREFIX,
        "user": getattr(request.state, "user", None),
        "accounts": settings.accounts,
        "history": settings.history,
        "csrf_token": getattr(request.state, "csrf_token", ""),
        "notice": NOTICE,
        "here": path.removeprefix(base),
        "version": __version__,
    }
