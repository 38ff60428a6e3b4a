"""One's own account: who one is, the password, and tokens for programs."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from tumorlens.serve.api.parts import PREFIX, ServiceDep, UserDep, note, problems
from tumorlens.serve.audit import Action
from tumorlens.serve.auth.accounts import Accounts
from tumorlens.serve.auth.login import LoginRefused, Visitor
from tumorlens.serve.auth.records import Account, Token
from tumorlens.serve.people import Role, Scope
from tumorlens.serve.problems import ProblemError
from tumorlens.serve.service import Service

router = APIRouter(prefix=f"{PREFIX}/account", tags=["account"])
LONGEST_LIFE_DAYS = 3660
Identifier = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Password = Annotated[str, Field(max_length=1024)]
Name = Annotated[str, Field(min_length=1, max_length=64)]


def accounts_of(service: ServiceDep) -> Accounts:
    """The accounts of the service.

    Raises:
        ProblemError: It has none.
    """
    if service.accounts is None:
        raise ProblemError(
            HTTPStatus.CONFLICT,
            "this installation has no accounts; turn them on with --accounts",
            kind="urn:tumorlens:no-accounts",
        )
    return service.accounts


AccountsDep = Annotated[Accounts, Depends(accounts_of)]


def visitor_of(request: Request, accounts: AccountsDep) -> Visitor:  # noqa: ARG001  (asked for first)
    """Who asks, with their session.

    Raises:
        ProblemError: There are no accounts.
    """
    visitor: Visitor = request.state.visitor
    return visitor


VisitorDep = Annotated[Visitor, Depends(visitor_of)]


class Me(BaseModel):
    """Who asks.

    Attributes:
        id: Identifier; empty where nobody logs in.
        name: As it is shown.
        role: reader, reviewer or admin.
        scopes: What this way of asking allows: all for a person, those of a token.
        accounts: Whether there are accounts at all.
        csrf_token: What requests of this session that change something send as X-CSRF-Token;
            empty for tokens.
    """

    id: str
    name: str
    role: Role
    scopes: list[Scope]
    accounts: bool
    csrf_token: str


class NewPassword(BaseModel):
    """A change of one's own password.

    Attributes:
        old: The password until now.
        new: The one from now on.
    """

    model_config = ConfigDict(extra="forbid")

    old: Password
    new: Password


class NewTokenBody(BaseModel):
    """A token that is to be made.

    Attributes:
        name: What it is for.
        scopes: What it allows.
        days: After how many days it ends; null if never.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "archive", "scopes": ["read", "analyse"], "days": 90}]
        },
    )

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    days: Annotated[float, Field(gt=0, le=LONGEST_LIFE_DAYS)] | None = None


class TokenBody(BaseModel):
    """A token, without itself.

    Attributes:
        id: Its identifier, which is no secret.
        name: What it is for.
        scopes: What it allows.
        created: When it was made.
        expires: When it ends; null if never.
        last_used: When it was last used, give or take a minute; null if never.
        revoked: When it was taken back; null if it was not.
    """

    id: str
    name: str
    scopes: list[Scope]
    created: datetime
    expires: datetime | None
    last_used: datetime | None
    revoked: datetime | None


class MadeToken(TokenBody):
    """A token that was just made.

    Attributes:
        token: The token itself: it is told this once, and kept nowhere.
    """

    token: str


@router.get("", summary="Who asks", responses=problems())
def me(request: Request, service: ServiceDep, user: UserDep) -> Me:
    """Who asks, and what pages need to send requests that change something."""
    return Me(
        id=user.id,
        name=user.name,
        role=user.role,
        scopes=sorted(user.scopes),
        accounts=service.settings.accounts,
        csrf_token=getattr(request.state, "csrf_token", ""),
    )


GONE: dict[int | str, dict[str, Any]] = {204: {"description": "Done."}}


@router.put(
    "/password",
    summary="Change one's own password",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=problems(HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT) | GONE,
)
def change_password(
    request: Request, visitor: VisitorDep, accounts: AccountsDep, service: ServiceDep,
    body: NewPassword,
) -> Response:  # fmt: skip
    """Replace the password; all other sessions end, and this one goes on under a new cookie."""
    from tumorlens.serve.auth.forms import with_session

    note(request, service, visitor.user, Action.USER_PASSWORD, visitor.user.id)
    try:
        changed = accounts.change_own_password(visitor.user, body.old, body.new, client_of(request))
    except LoginRefused as refused:
        raise wrong_password(refused) from None
    return with_session(Response(status_code=HTTPStatus.NO_CONTENT), request, changed)


@router.get("/tokens", summary="One's own tokens", responses=problems(HTTPStatus.CONFLICT))
def list_tokens(visitor: VisitorDep, accounts: AccountsDep) -> list[TokenBody]:
    """The tokens of the account, the latest first; those that were taken back too."""
    return [token_body(one) for one in accounts.tokens(visitor.user.id)]


@router.post(
    "/tokens",
    summary="Make a token",
    status_code=HTTPStatus.CREATED,
    responses=problems(HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT),
)
def make_token(
    request: Request, visitor: VisitorDep, accounts: AccountsDep, service: ServiceDep,
    body: NewTokenBody,
) -> MadeToken:  # fmt: skip
    """Make a token for a program; it is told this once."""
    account = own_account(visitor, accounts)
    new = accounts.add_token(account, body.name, body.scopes, body.days)
    note(request, service, visitor.user, Action.TOKEN_ADD, new.record.id)
    return MadeToken(token=new.text, **token_body(new.record).model_dump())


@router.delete(
    "/tokens/{token_id}",
    summary="Take a token back",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT) | GONE,
)
def revoke_token(
    request: Request, visitor: VisitorDep, accounts: AccountsDep, service: ServiceDep,
    token_id: Identifier,
) -> Response:  # fmt: skip
    """Take one of one's own tokens back, from the next request on."""
    return revoked(request, service, accounts, visitor, (visitor.user.id, token_id))


@router.delete(
    "/sessions",
    summary="Log out everywhere else",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=problems(HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT) | GONE,
)
def end_sessions(
    request: Request, visitor: VisitorDep, accounts: AccountsDep, service: ServiceDep
) -> Response:
    """End all sessions of the account but this one."""
    note(request, service, visitor.user, Action.END_SESSIONS, visitor.user.id)
    accounts.logins.log_out_elsewhere(visitor)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def revoked(
    request: Request,
    service: Service,
    accounts: Accounts,
    visitor: Visitor,
    token: tuple[str, str],
) -> Response:
    """Take back a token, told by its owner and its identifier.

    Raises:
        ProblemError: There is none.
    """
    owner, token_id = token
    note(request, service, visitor.user, Action.TOKEN_REVOKE, token_id)
    if not accounts.revoke(owner, token_id):
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            "no token that could be used has this identifier",
            kind="urn:tumorlens:no-token",
        )
    return Response(status_code=HTTPStatus.NO_CONTENT)


def own_account(visitor: Visitor, accounts: Accounts) -> Account:
    """The account of who asks.

    Raises:
        ProblemError: It is gone.
    """
    account = accounts.get(visitor.user.id)
    if account is None:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "log in again", kind="urn:tumorlens:login")
    return account


def wrong_password(refused: LoginRefused) -> ProblemError:
    """The problem of a password that is not let in."""
    if refused.wait:
        return ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"too many wrong passwords; try again in {refused.wait} s",
            kind="urn:tumorlens:login-wait",
            retry_after=refused.wait,
        )
    return ProblemError(
        HTTPStatus.FORBIDDEN, "the old password is wrong", kind="urn:tumorlens:password"
    )


def client_of(request: Request) -> str:
    """The address that a request came from."""
    return request.client.host if request.client else ""


def token_body(token: Token) -> TokenBody:
    """A token as the interface tells it."""
    return TokenBody(
        id=token.id,
        name=token.name,
        scopes=sorted(token.scopes),
        created=token.created,
        expires=token.expires,
        last_used=token.seen,
        revoked=token.revoked,
    )
