"""The web page: templates and static files, served by the same process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import HTMLResponse

from tumorlens.decide.finding import NOTICE

if TYPE_CHECKING:
    from fastapi import FastAPI

_PAGE = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>TumorLens</title>
<h1>TumorLens</h1>
<p>{NOTICE}</p>
<p>The REST interface is described in <a href="api/v1/openapi.json">api/v1/openapi.json</a>.</p>
</html>
"""


def mount(app: FastAPI) -> None:
    """Add the pages to an application."""

    @app.get("/", include_in_schema=False)
    def _page() -> HTMLResponse:
        return HTMLResponse(_PAGE)
