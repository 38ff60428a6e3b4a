"""The audit log, for those who manage accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from tumorlens.serve.api.account import AccountsDep
from tumorlens.serve.api.findings import LARGEST_OFFSET, LARGEST_PAGE
from tumorlens.serve.api.parts import PREFIX, ServiceDep, UserDep, note
from tumorlens.serve.api.users import PROBLEMS, admin
from tumorlens.serve.audit import Action
from tumorlens.serve.auth.records import AuditQuery, AuditRecord

router = APIRouter(prefix=f"{PREFIX}/audit", tags=["audit"], dependencies=[Depends(admin)])
Identifier = Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")]


class AuditBody(BaseModel):
    """An entry of the audit log.

    Attributes:
        number: Rises with each entry.
        time: When.
        user_id: Who; empty where a login was refused.
        user_name: Their name at that time.
        via: session, token: and its identifier, cli, or empty.
        action: What they did.
        target: Identifier of what they did it with: a finding, batch, account or token.
        request_id: Of the request, as the log of the service has it.
        client: Address that it came from.
    """

    number: int
    time: datetime
    user_id: str
    user_name: str
    via: str
    action: str
    target: str
    request_id: str
    client: str


class AuditList(BaseModel):
    """A part of the audit log.

    Attributes:
        total: How many entries the whole list has.
        offset: So many of them come before this part.
        items: This part, the latest first.
    """

    total: int
    offset: int
    items: list[AuditBody]


@router.get("", summary="Who did what", responses=PROBLEMS)
def list_audit(
    request: Request,
    service: ServiceDep,
    user: UserDep,
    accounts: AccountsDep,
    user_id: Identifier = None,
    action: Action | None = None,
    target: Identifier = None,
    since: Annotated[datetime | None, Query(description="At or after.")] = None,
    until: Annotated[datetime | None, Query(description="Before.")] = None,
    offset: Annotated[int, Query(ge=0, le=LARGEST_OFFSET)] = 0,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> AuditList:
    """Who saw or did what, the latest first. Reading it is an entry, too."""
    note(request, service, user, Action.SEE_AUDIT, "")
    wanted = AuditQuery(
        user_id=user_id,
        action=action,
        target=target,
        since=since,
        until=until,
        offset=offset,
        limit=limit,
    )
    page = accounts.audit.find(wanted)
    items = [audit_body(one) for one in page.items]
    return AuditList(total=page.total, offset=offset, items=items)


def audit_body(record: AuditRecord) -> AuditBody:
    """An entry as the interface tells it."""
    return AuditBody(**{name: getattr(record, name) for name in AuditBody.model_fields})
