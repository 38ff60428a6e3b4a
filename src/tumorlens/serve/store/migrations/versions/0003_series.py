"""The series or volume of a finding, so that all of its slices are found together."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# So many findings are read at a time: a document has a few kilobytes.
ROWS_AT_ONCE = 500
_FINDINGS = sa.table(
    "findings", sa.column("id", sa.String), sa.column("document", sa.Text), sa.column("series")
)


def upgrade() -> None:
    """Add the column, and fill it from what was answered before."""
    op.add_column("findings", sa.Column("series", sa.String(64)))
    op.create_index("ix_findings_series", "findings", ["series"])
    connection, last = op.get_bind(), ""
    part = sa.select(_FINDINGS.c.id, _FINDINGS.c.document).order_by(_FINDINGS.c.id)
    while rows := connection.execute(part.where(_FINDINGS.c.id > last).limit(ROWS_AT_ONCE)).all():
        last = rows[-1].id
        for row in rows:
            if series := json.loads(row.document).get("scan", {}).get("series"):
                own = _FINDINGS.c.id == row.id
                connection.execute(sa.update(_FINDINGS).where(own).values(series=series))


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_findings_series", "findings")
    op.drop_column("findings", "series")
