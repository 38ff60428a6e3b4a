"""The history: a list with filters, one finding, and deleting it."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from tumorlens.decide.finding import Status
from tumorlens.serve import query
from tumorlens.serve.api.bodies import Findings, KeptFinding, kept_finding
from tumorlens.serve.api.parts import PREFIX, KeptDep, ServiceDep, UserDep, base_of, note, problems
from tumorlens.serve.audit import Action
from tumorlens.serve.people import User
from tumorlens.serve.problems import ProblemError

router = APIRouter(prefix=f"{PREFIX}/findings", tags=["findings"])
LARGEST_PAGE = 200
# Far beyond any history, and a number that every database takes.
LARGEST_OFFSET = 10**9
Text = Annotated[str | None, Query(max_length=255)]


def asked(
    user: UserDep,
    status: Annotated[list[Status] | None, Query(description="Any of these answers.")] = None,
    label: Annotated[
        list[str] | None, Query(max_length=64, description="Any of these kinds of tumor.")
    ] = None,
    name: Annotated[
        str, Query(max_length=255, description="Stands somewhere in the file's name.")
    ] = "",
    model: Text = None,
    batch: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None,
    sha256: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")] = None,
    series: Annotated[
        str | None, Query(max_length=64, description="Of this series or volume, as its scan says.")
    ] = None,
    reviewed: Annotated[
        bool | None, Query(description="Whether a reader has said something of it.")
    ] = None,
    since: Annotated[datetime | None, Query(description="Answered at or after.")] = None,
    until: Annotated[datetime | None, Query(description="Answered before.")] = None,
    sort: query.Sort = query.Sort.NEWEST,
    offset: Annotated[int, Query(ge=0, le=LARGEST_OFFSET)] = 0,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> query.Query:
    """What a list is asked for; readers are shown their own findings, reviewers all."""
    return query.Query(
        owner=_owner(user),
        statuses=tuple(one.value for one in status or ()),
        labels=tuple(_storable(one) for one in label or ()),
        name=_storable(name),
        model=None if model is None else _storable(model),
        batch=batch,
        sha256=sha256,
        series=None if series is None else _storable(series),
        reviewed=reviewed,
        since=since,
        until=until,
        sort=sort,
        offset=offset,
        limit=limit,
    )


QueryDep = Annotated[query.Query, Depends(asked)]


@router.get("", summary="List findings of the history", responses=problems())
def list_findings(
    request: Request, service: ServiceDep, user: UserDep, wanted: QueryDep
) -> Findings:
    """The findings that this installation keeps; empty where the history is off.

    `total` counts the whole list, of which `offset` and `limit` choose a part.
    """
    note(request, service, user, Action.LIST, "")
    page = service.keeper.find(wanted)
    items = [kept_finding(kept, base_of(request)) for kept in page.items]
    return Findings(
        history=service.settings.history, total=page.total, offset=wanted.offset, items=items
    )


@router.get("/{finding_id}", summary="One finding", responses=problems(HTTPStatus.NOT_FOUND))
def get_finding(request: Request, kept: KeptDep, service: ServiceDep, user: UserDep) -> KeptFinding:
    """A finding of the history, or one that was just answered."""
    note(request, service, user, Action.SEE, kept.id)
    return kept_finding(kept, base_of(request))


_DELETED: dict[int | str, dict[str, Any]] = {204: {"description": "It is gone."}}


@router.delete(
    "/{finding_id}",
    summary="Delete a finding",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND) | _DELETED,
)
def delete_finding(request: Request, kept: KeptDep, service: ServiceDep, user: UserDep) -> Response:
    """Delete a finding with its pictures and feedback, from the history and from memory.

    Where there are accounts, those who sent it may, and admins.
    """
    if not user.may_delete(kept.owner):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "only who sent it, or an admin, deletes a finding",
            kind="urn:tumorlens:forbidden",
        )
    note(request, service, user, Action.DELETE, kept.id)
    service.keeper.delete(kept.id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _owner(user: User) -> str | None:
    return None if user.sees_all else user.id


def _storable(text: str) -> str:
    """Text that a database takes: PostgreSQL knows no null character."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
