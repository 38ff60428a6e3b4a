"""``tumorlens users list|audit``: who may log in, and who did what."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.extras import serving_extra
from tumorlens.cli.users.opening import (
    EPILOG,
    ConfigOption,
    DatabaseOption,
    DataDirOption,
    opened,
)
from tumorlens.errors import AccountError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["EPILOG", "audit", "list"]
ROWS_AT_ONCE = 500


class Format(StrEnum):
    """How a list is written."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[
    Format, typer.Option("--format", "-f", help="A table, or one JSON object a line.")
]


@serving_extra("Managing accounts")
def list(  # noqa: A001  (the name of the command)
    *,
    format: FormatOption = Format.TABLE,  # noqa: A002
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    database: DatabaseOption = None,
) -> None:
    """List all accounts."""
    with opened(config, data_dir, database) as accounts:
        rows = [
            {
                "name": one.name,
                "role": one.role.value,
                "disabled": moment(one.disabled),
                "created": moment(one.created),
                "tokens": sum(token.revoked is None for token in accounts.tokens(one.id)),
                "id": one.id,
            }
            for one in accounts.all()
        ]
    write(rows, format, "no account yet: tumorlens users add NAME --role admin")


@serving_extra("Managing accounts")
def audit(
    *,
    user: Annotated[str | None, typer.Option(help="Of this account.")] = None,
    action: Annotated[str | None, typer.Option(help="Of this kind, such as login.")] = None,
    target: Annotated[
        str | None, typer.Option(help="With this finding, batch, account or token.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="UTC.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most, the latest.")] = 100,
    format: FormatOption = Format.TABLE,  # noqa: A002
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    database: DatabaseOption = None,
) -> None:
    """List who saw or did what, the latest first."""
    from tumorlens.serve.audit import Action
    from tumorlens.serve.auth.records import AuditQuery

    if action is not None and action not in set(Action):
        msg = f"no action is named {action}: {', '.join(Action)}"
        raise AccountError(msg)
    with opened(config, data_dir, database) as accounts:
        query = AuditQuery(
            user_id=None if user is None else accounts.named(user).id,
            action=action,
            target=target,
            since=None if since is None else since.replace(tzinfo=UTC),
            limit=limit,
        )
        rows = [
            {
                "number": one.number,
                "time": moment(one.time),
                "user": one.user_name,
                "via": one.via,
                "action": one.action,
                "target": one.target,
                "client": one.client,
                "request_id": one.request_id,
            }
            for one in accounts.audit.find(query).items
        ]
    write(rows, format, "no entry")


def moment(time: datetime | None) -> str | None:
    """A time as ISO 8601, or None."""
    return None if time is None else time.isoformat(timespec="seconds")


def write(rows: Sequence[Mapping[str, object]], format: Format, nothing: str) -> None:  # noqa: A002
    """Write rows on standard output.

    Args:
        rows: Equal keys in each.
        format: How.
        nothing: What a table without rows says.
    """
    if format is Format.JSON:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
    elif rows:
        _table(rows[0].keys(), rows)
    else:
        typer.echo(nothing)


def _table(names: Iterable[str], rows: Sequence[Mapping[str, object]]) -> None:
    from rich.table import Table

    from tumorlens.cli.console import OutputConsole

    table = Table(*names, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row.values()))
    OutputConsole().print(table, markup=False, emoji=False)
