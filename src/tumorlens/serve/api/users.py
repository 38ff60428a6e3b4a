"""Accounts, for those who manage them."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict

from tumorlens.serve.api.account import (
    GONE,
    AccountsDep,
    Identifier,
    Name,
    Password,
    TokenBody,
    VisitorDep,
    revoked,
    token_body,
)
from tumorlens.serve.api.parts import PREFIX, ServiceDep, UserDep, note, problems
from tumorlens.serve.audit import Action
from tumorlens.serve.auth.records import Account
from tumorlens.serve.people import Role
from tumorlens.serve.problems import ProblemError


def admin(user: UserDep) -> None:
    """Refuse everyone who does not manage accounts; the gate has done so already.

    Raises:
        ProblemError: They do not.
    """
    if not user.is_admin:
        raise ProblemError(
            HTTPStatus.FORBIDDEN, "only an admin may do this", kind="urn:tumorlens:forbidden"
        )


router = APIRouter(prefix=f"{PREFIX}/users", tags=["users"], dependencies=[Depends(admin)])
PROBLEMS = problems(HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT)
_ONE_PROBLEMS = problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


class UserBody(BaseModel):
    """An account.

    Attributes:
        id: Identifier; what they send belongs to it.
        name: What they log in with, capitals or not.
        role: reader, reviewer or admin.
        created: When it was made.
        disabled: Since when they may not log in; null if they may.
        must_change_password: Whether they change it at their next login.
    """

    id: str
    name: str
    role: Role
    created: datetime
    disabled: datetime | None
    must_change_password: bool


class NewUser(BaseModel):
    """An account that is to be made.

    Attributes:
        name: What they log in with.
        role: reader, reviewer or admin.
        password: Their first password, which they change at their first login.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "ada", "role": "reader", "password": "correct horse battery staple"}
            ]
        },
    )

    name: Name
    role: Role = Role.READER
    password: Password


class UserChange(BaseModel):
    """What is to change of an account; what is left out or null stays.

    Attributes:
        role: What they may do from now on.
        disabled: true shuts them out, with their sessions and tokens; false lets them in again.
    """

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    disabled: bool | None = None


class FirstPassword(BaseModel):
    """A password that somebody else sets.

    Attributes:
        password: It is changed at the next login.
    """

    model_config = ConfigDict(extra="forbid")

    password: Password


def account_named(user_id: Identifier, accounts: AccountsDep) -> Account:
    """The account that an address names.

    Raises:
        ProblemError: There is none.
    """
    account = accounts.get(user_id)
    if account is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "no account has this identifier", kind="urn:tumorlens:no-user"
        )
    return account


AccountDep = Annotated[Account, Depends(account_named)]


@router.get("", summary="All accounts", responses=PROBLEMS)
def list_users(
    request: Request, service: ServiceDep, user: UserDep, accounts: AccountsDep
) -> list[UserBody]:
    """All accounts, by name."""
    note(request, service, user, Action.LIST_USERS, "")
    return [user_body(one) for one in accounts.all()]


@router.post("", summary="Make an account", status_code=HTTPStatus.CREATED, responses=PROBLEMS)
def add_user(
    request: Request, service: ServiceDep, user: UserDep, accounts: AccountsDep, body: NewUser
) -> UserBody:
    """Make an account; its password is changed at the first login."""
    account = accounts.add(body.name, body.role, body.password, must_change=True)
    note(request, service, user, Action.USER_ADD, account.id)
    return user_body(account)


@router.get("/{user_id}", summary="One account", responses=_ONE_PROBLEMS)
def get_user(account: AccountDep) -> UserBody:
    """One account."""
    return user_body(account)


@router.patch("/{user_id}", summary="Change an account", responses=_ONE_PROBLEMS)
def change_user(
    request: Request, service: ServiceDep, user: UserDep, accounts: AccountsDep,
    account: AccountDep, body: UserChange,
) -> UserBody:  # fmt: skip
    """Change what somebody may do, shut them out, or let them in again, from now on.

    The last admin stays one.
    """
    if body.role is not None:
        note(request, service, user, Action.USER_ROLE, account.id)
        accounts.set_role(account, body.role)
    if body.disabled is not None:
        action = Action.USER_DISABLE if body.disabled else Action.USER_ENABLE
        note(request, service, user, action, account.id)
        (accounts.disable if body.disabled else accounts.enable)(account)
    return user_body(accounts.get(account.id) or account)


_SET: dict[int | str, dict[str, Any]] = _ONE_PROBLEMS | GONE


@router.put(
    "/{user_id}/password",
    summary="Set somebody's password",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=_SET,
)
def set_password(
    request: Request, service: ServiceDep, user: UserDep, accounts: AccountsDep,
    account: AccountDep, body: FirstPassword,
) -> Response:  # fmt: skip
    """Set a password for somebody who forgot theirs; their sessions end, and they change it."""
    note(request, service, user, Action.USER_PASSWORD, account.id)
    accounts.set_password(account, body.password, must_change=True)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/{user_id}/tokens", summary="Somebody's tokens", responses=_ONE_PROBLEMS)
def user_tokens(account: AccountDep, accounts: AccountsDep) -> list[TokenBody]:
    """The tokens of an account, without themselves."""
    return [token_body(one) for one in accounts.tokens(account.id)]


@router.delete(
    "/{user_id}/tokens/{token_id}",
    summary="Take somebody's token back",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=_SET,
)
def revoke_user_token(
    request: Request, service: ServiceDep, visitor: VisitorDep, accounts: AccountsDep,
    account: AccountDep, token_id: Identifier,
) -> Response:  # fmt: skip
    """Take a token back, from the next request on."""
    return revoked(request, service, accounts, visitor, (account.id, token_id))


def user_body(account: Account) -> UserBody:
    """An account as the interface tells it."""
    return UserBody(
        id=account.id,
        name=account.name,
        role=account.role,
        created=account.created,
        disabled=account.disabled,
        must_change_password=account.must_change,
    )
