"""The web page: templates, static files and words, served by the same process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.serve.web import routes
from tumorlens.serve.web.pages import STATIC, StaticTree, page, static_address
from tumorlens.serve.web.refusal import problem_page

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["mount", "page", "problem_page"]


def mount(app: FastAPI) -> None:
    """Add the pages to an application."""
    app.include_router(routes.router)
    app.mount(static_address(), StaticTree(directory=STATIC), name="static")
