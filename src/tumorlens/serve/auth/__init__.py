"""Accounts: who may log in, what they may do, and their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI


def mount(app: FastAPI) -> None:
    """Add the pages of accounts to an application, and let nobody in who has not logged in."""
    from tumorlens.serve.auth import admin_page, login_page, own_page
    from tumorlens.serve.auth.gate import Gate

    for pages in (login_page, own_page, admin_page):
        app.include_router(pages.router)
    app.add_middleware(Gate)
