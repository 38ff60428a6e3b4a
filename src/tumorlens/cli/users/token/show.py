"""``tumorlens users token list``."""

from __future__ import annotations

from tumorlens.cli.extras import serving_extra
from tumorlens.cli.users.opening import (
    EPILOG,
    ConfigOption,
    DatabaseOption,
    DataDirOption,
    NameArgument,
    opened,
)
from tumorlens.cli.users.show import Format, FormatOption, moment, write

__all__ = ["EPILOG", "list"]


@serving_extra("Managing accounts")
def list(  # noqa: A001  (the name of the command)
    name: NameArgument,
    *,
    format: FormatOption = Format.TABLE,  # noqa: A002
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    database: DatabaseOption = None,
) -> None:
    """List the tokens of an account, without themselves."""
    with opened(config, data_dir, database) as accounts:
        rows = [
            {
                "name": one.name,
                "scopes": " ".join(sorted(one.scopes)),
                "created": moment(one.created),
                "expires": moment(one.expires),
                "last_used": moment(one.seen),
                "revoked": moment(one.revoked),
                "id": one.id,
            }
            for one in accounts.tokens(accounts.named(name).id)
        ]
    write(rows, format, "no token yet")
