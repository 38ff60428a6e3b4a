"""The page on which accounts are managed and the audit log is read."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from tumorlens.errors import AccountError
from tumorlens.serve.api.account import AccountsDep, Identifier  # noqa: TC001  (read when run)
from tumorlens.serve.api.parts import ServiceDep, UserDep, note
from tumorlens.serve.api.users import AccountDep, admin
from tumorlens.serve.audit import Action
from tumorlens.serve.auth.allowed import ADMIN_PATH
from tumorlens.serve.auth.forms import FormDep, field, go, may_send_passwords
from tumorlens.serve.auth.records import AuditQuery
from tumorlens.serve.people import Role
from tumorlens.serve.web.pages import page

if TYPE_CHECKING:
    from tumorlens.serve.auth.accounts import Accounts

router = APIRouter(prefix=ADMIN_PATH, include_in_schema=False, dependencies=[Depends(admin)])
ENTRIES_A_PAGE = 50
LARGEST_PAGE_NUMBER = 10**6


@router.get("")
def admin_page(
    request: Request, accounts: AccountsDep, service: ServiceDep, user: UserDep
) -> Response:
    """All accounts, and a form for a new one."""
    note(request, service, user, Action.LIST_USERS, "")
    return _page(request, accounts, done=request.query_params.get("done", ""))


@router.get("/audit")
def audit_page(
    request: Request,
    accounts: AccountsDep,
    service: ServiceDep,
    user: UserDep,
    user_id: str = "",
    action: str = "",
    target: str = "",
    number: Annotated[int, Query(alias="page", ge=1, le=LARGEST_PAGE_NUMBER)] = 1,
) -> Response:
    """Who did what, the latest first."""
    note(request, service, user, Action.SEE_AUDIT, "")
    wanted = AuditQuery(
        user_id=_plain(user_id),
        action=_plain(action),
        target=_plain(target),
        offset=(number - 1) * ENTRIES_A_PAGE,
        limit=ENTRIES_A_PAGE,
    )
    found = accounts.audit.find(wanted)
    values = {
        "entries": found.items,
        "total": found.total,
        "number": number,
        "last": max(1, -(-found.total // ENTRIES_A_PAGE)),
        "people": accounts.all(),
        "actions": [one.value for one in Action],
        "asked": {"user_id": user_id, "action": action, "target": target},
    }
    return page(request, "audit.html", values)


@router.post("/users")
def add_user(
    request: Request, accounts: AccountsDep, service: ServiceDep, user: UserDep, form: FormDep
) -> Response:
    """Make an account."""
    if not may_send_passwords(request):
        return _page(request, accounts, problem="plain")
    try:
        role = _role(field(form, "role"))
        account = accounts.add(field(form, "name"), role, field(form, "password"), must_change=True)
    except AccountError as error:
        return _page(request, accounts, problem=str(error), typed=field(form, "name"))
    note(request, service, user, Action.USER_ADD, account.id)
    return go(request, f"{ADMIN_PATH}?done=added")


@router.post("/users/{user_id}/role")
def set_role(
    request: Request, accounts: AccountsDep, service: ServiceDep, user: UserDep,
    account: AccountDep, form: FormDep,
) -> Response:  # fmt: skip
    """Let somebody do more, or less."""
    note(request, service, user, Action.USER_ROLE, account.id)
    try:
        accounts.set_role(account, _role(field(form, "role")))
    except AccountError as error:
        return _page(request, accounts, problem=str(error))
    return go(request, f"{ADMIN_PATH}?done=role")


@router.post("/users/{user_id}/password")
def set_password(
    request: Request, accounts: AccountsDep, service: ServiceDep, user: UserDep,
    account: AccountDep, form: FormDep,
) -> Response:  # fmt: skip
    """Set a password for somebody who forgot theirs."""
    if not may_send_passwords(request):
        return _page(request, accounts, problem="plain")
    note(request, service, user, Action.USER_PASSWORD, account.id)
    try:
        accounts.set_password(account, field(form, "password"), must_change=True)
    except AccountError as error:
        return _page(request, accounts, problem=str(error))
    return go(request, f"{ADMIN_PATH}?done=password")


@router.post("/users/{user_id}/disable")
def disable(
    request: Request, accounts: AccountsDep, service: ServiceDep, user: UserDep,
    account: AccountDep,
) -> Response:  # fmt: skip
    """Shut somebody out."""
    note(request, service, user, Action.USER_DISABLE, account.id)
    try:
        accounts.disable(account)
    except AccountError as error:
        return _page(request, accounts, problem=str(error))
    return go(request, f"{ADMIN_PATH}?done=disabled")


@router.post("/users/{user_id}/enable")
def enable(
    request: Request, accounts: AccountsDep, service: ServiceDep, user: UserDep,
    account: AccountDep,
) -> Response:  # fmt: skip
    """Let somebody in again."""
    note(request, service, user, Action.USER_ENABLE, account.id)
    accounts.enable(account)
    return go(request, f"{ADMIN_PATH}?done=enabled")


@router.post("/users/{user_id}/tokens/{token_id}/revoke")
def revoke_token(
    request: Request, accounts: AccountsDep, service: ServiceDep, user: UserDep,
    account: AccountDep, token_id: Identifier,
) -> Response:  # fmt: skip
    """Take somebody's token back."""
    note(request, service, user, Action.TOKEN_REVOKE, token_id)
    accounts.revoke(account.id, token_id)
    return go(request, f"{ADMIN_PATH}?done=revoked")


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        msg = f"a role is one of {', '.join(Role)}"
        raise AccountError(msg) from None


def _plain(text: str) -> str | None:
    """What a field of the search holds, as a database takes it; None where it is empty."""
    return text.strip().replace("\0", "") or None


def _page(request: Request, accounts: Accounts, **told: Any) -> Response:
    people = accounts.all()
    values: dict[str, Any] = {
        "people": people,
        "tokens": {one.id: accounts.tokens(one.id) for one in people},
        "roles": list(Role),
        "min_length": request.app.state.service.settings.password_min_length,
    }
    values |= {"done": "", "problem": "", "typed": ""} | told
    status = HTTPStatus.UNPROCESSABLE_ENTITY if values["problem"] else HTTPStatus.OK
    return page(request, "admin.html", values, status=status)
