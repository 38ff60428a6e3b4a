"""The page of one's own account: password, tokens, other sessions."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from tumorlens.errors import AccountError
from tumorlens.serve.api.account import (
    LONGEST_LIFE_DAYS,
    AccountsDep,
    Identifier,
    VisitorDep,
    client_of,
    own_account,
)
from tumorlens.serve.api.parts import ServiceDep, note
from tumorlens.serve.audit import Action
from tumorlens.serve.auth.allowed import ACCOUNT_PATH
from tumorlens.serve.auth.forms import FormDep, field, go, may_send_passwords, with_session
from tumorlens.serve.auth.login import LoginRefused
from tumorlens.serve.people import Scope
from tumorlens.serve.web.pages import page

if TYPE_CHECKING:
    from tumorlens.serve.auth.accounts import Accounts
    from tumorlens.serve.auth.login import Visitor

router = APIRouter(prefix=ACCOUNT_PATH, include_in_schema=False)


@router.get("")
def own_account_page(request: Request, visitor: VisitorDep, accounts: AccountsDep) -> Response:
    """The page."""
    return _page(request, visitor, accounts, done=request.query_params.get("done", ""))


@router.post("/password")
def change_password(
    request: Request, visitor: VisitorDep, accounts: AccountsDep, service: ServiceDep,
    form: FormDep,
) -> Response:  # fmt: skip
    """Change the password, and go on under a new session."""
    if not may_send_passwords(request):
        return _page(request, visitor, accounts, problem="plain")
    if field(form, "new") != field(form, "again"):
        return _page(request, visitor, accounts, problem="differ")
    note(request, service, visitor.user, Action.USER_PASSWORD, visitor.user.id)
    try:
        changed = accounts.change_own_password(
            visitor.user, field(form, "old"), field(form, "new"), client_of(request)
        )
    except LoginRefused as refused:
        return _page(request, visitor, accounts, problem="old", wait=refused.wait)
    except AccountError as error:
        return _page(request, visitor, accounts, problem=str(error))
    return with_session(go(request, f"{ACCOUNT_PATH}?done=password"), request, changed)


@router.post("/sessions/end")
def end_sessions(
    request: Request, visitor: VisitorDep, accounts: AccountsDep, service: ServiceDep
) -> Response:
    """Log out everywhere else."""
    note(request, service, visitor.user, Action.END_SESSIONS, visitor.user.id)
    accounts.logins.log_out_elsewhere(visitor)
    return go(request, f"{ACCOUNT_PATH}?done=sessions")


@router.post("/tokens")
def make_token(
    request: Request, visitor: VisitorDep, accounts: AccountsDep, service: ServiceDep,
    form: FormDep,
) -> Response:  # fmt: skip
    """Make a token, and show it this once."""
    try:
        days = _days(field(form, "days"))
        scopes = [one for one in Scope if one.value in form.get("scope", ())]
        account = own_account(visitor, accounts)
        new = accounts.add_token(account, field(form, "name"), scopes, days)
    except AccountError as error:
        return _page(request, visitor, accounts, problem=str(error))
    note(request, service, visitor.user, Action.TOKEN_ADD, new.record.id)
    return _page(request, visitor, accounts, made=new.text)


@router.post("/tokens/{token_id}/revoke")
def revoke_token(
    request: Request, visitor: VisitorDep, accounts: AccountsDep, service: ServiceDep,
    token_id: Identifier,
) -> Response:  # fmt: skip
    """Take a token back."""
    note(request, service, visitor.user, Action.TOKEN_REVOKE, token_id)
    accounts.revoke(visitor.user.id, token_id)
    return go(request, f"{ACCOUNT_PATH}?done=revoked")


def _days(text: str) -> float | None:
    if not text.strip():
        return None
    if not text.strip().isdecimal() or not 0 < int(text) <= LONGEST_LIFE_DAYS:
        msg = f"days: a whole number from 1 to {LONGEST_LIFE_DAYS}, or empty for no end"
        raise AccountError(msg)
    return float(text)


def _page(request: Request, visitor: Visitor, accounts: Accounts, **told: Any) -> Response:
    settings = request.app.state.service.settings
    user = visitor.user
    values: dict[str, Any] = {
        "visitor": replace(visitor, session=""),  # a page never needs it
        "tokens": accounts.tokens(user.id),
        "scopes": [one for one in Scope if one is not Scope.ADMIN or user.is_admin],
        "min_length": settings.password_min_length,
        "longest_days": LONGEST_LIFE_DAYS,
    }
    values |= {"done": "", "problem": "", "wait": 0, "made": ""} | told
    status = HTTPStatus.UNPROCESSABLE_ENTITY if values["problem"] else HTTPStatus.OK
    return page(request, "account.html", values, status=status)
