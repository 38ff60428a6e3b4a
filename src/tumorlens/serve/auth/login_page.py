"""Logging in and out on the page."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from tumorlens.serve.api.account import AccountsDep, client_of
from tumorlens.serve.api.parts import ServiceDep, note
from tumorlens.serve.audit import Action
from tumorlens.serve.auth.allowed import LOGIN_PATH, LOGOUT_PATH
from tumorlens.serve.auth.cookies import (
    FORM_COOKIE,
    SESSION_COOKIE,
    drop_cookie,
    read_cookie,
    set_cookie,
)
from tumorlens.serve.auth.forms import (
    FormDep,
    field,
    go,
    may_send_passwords,
    safe_next,
    with_session,
)
from tumorlens.serve.auth.login import LoginRefused
from tumorlens.serve.people import Role, User
from tumorlens.serve.web.pages import page

if TYPE_CHECKING:
    from tumorlens.serve.service import Service

router = APIRouter(include_in_schema=False)
FORM_BYTES = 16
# A login page may lie open over a long lunch.
FORM_SECONDS = 12 * 3600
LONGEST_TYPED = 1024
_UNKNOWN = User(id="", name="", role=Role.READER)


@router.get(LOGIN_PATH)
def login_page(request: Request, accounts: AccountsDep) -> Response:
    """The form; who has logged in already goes on."""
    wanted = safe_next(request.query_params.get("next", "/"))
    if request.state.user is not None:
        return go(request, wanted)
    return _form(request, accounts, wanted)


@router.post(LOGIN_PATH)
def log_in(request: Request, accounts: AccountsDep, service: ServiceDep, form: FormDep) -> Response:
    """Begin a session, or say why not."""
    wanted, name = safe_next(field(form, "next")), field(form, "name")[:LONGEST_TYPED]
    if not may_send_passwords(request):
        return _form(request, accounts, wanted, name, problem="plain")
    cookie = read_cookie(request, FORM_COOKIE)
    if not (cookie and accounts.is_login_form(cookie, field(form, "csrf_token"))):
        return _form(request, accounts, wanted, name, problem="stale")
    password = field(form, "password")[:LONGEST_TYPED]
    try:
        visitor = accounts.logins.log_in(name, password, client_of(request))
    except LoginRefused as refused:
        service.metrics.refused.labels("login").inc()
        note(request, service, _UNKNOWN, Action.LOGIN_REFUSED, refused.user_id)
        return _form(request, accounts, wanted, name, problem="wrong", wait=refused.wait)
    note(request, service, visitor.user, Action.LOGIN, visitor.user.id)
    # What the browser had before is not taken over, and is good for nothing any more.
    _end_old(request, service)
    response = with_session(go(request, wanted), request, visitor)
    drop_cookie(response, request, FORM_COOKIE)
    return response


@router.post(LOGOUT_PATH)
def log_out(request: Request, accounts: AccountsDep, service: ServiceDep) -> Response:
    """End the session."""
    note(request, service, request.state.user, Action.LOGOUT, request.state.user.id)
    accounts.logins.log_out(request.state.visitor.session)
    response = go(request, LOGIN_PATH)
    drop_cookie(response, request, SESSION_COOKIE)
    # Pictures and answers of this person leave the browser with them.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _end_old(request: Request, service: Service) -> None:
    old = read_cookie(request, SESSION_COOKIE)
    if old and service.accounts is not None:
        service.accounts.logins.log_out(old)


def _form(
    request: Request,
    accounts: AccountsDep,
    wanted: str,
    name: str = "",
    *,
    problem: str = "",
    wait: int = 0,
) -> Response:
    status = HTTPStatus.OK
    if problem:
        status = HTTPStatus.TOO_MANY_REQUESTS if wait else HTTPStatus.FORBIDDEN
    cookie = read_cookie(request, FORM_COOKIE) or secrets.token_hex(FORM_BYTES)
    values = {
        "next": wanted,
        "name": name,
        "problem": problem,
        "wait": wait,
        "csrf_token": accounts.login_form_token(cookie),
        "plain": not may_send_passwords(request),
        "nobody": not accounts.all(),
    }
    response = page(request, "login.html", values, status=status)
    set_cookie(response, request, FORM_COOKIE, cookie, seconds=FORM_SECONDS)
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response
