"""What all tables share: their metadata, times as aware UTC, the columns of work to be done.

Health data stands in a table only sealed or encrypted (architecture 5).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator


class Utc(TypeDecorator[datetime]):
    """An aware UTC datetime; naive values are a fault of ours and refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Write as UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone was to be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """Read as aware UTC (SQLite drops the zone)."""
        if value is None:
            return None
        read: datetime = value
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


metadata = sa.MetaData()


def work_columns() -> list[sa.Column[Any]]:
    """Columns of every table whose rows are claimed by workers (see `claim`)."""
    return [
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", Utc, nullable=False),
        sa.Column("deadline", Utc, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, default=0),
        sa.Column("lease_until", Utc),
        sa.Column("lease_id", sa.String(36)),
        sa.Column("created_at", Utc, nullable=False),
        sa.Column("done_at", Utc),
        sa.Column("error", sa.String(64)),
        sa.Column("sentence", sa.String(500)),
    ]


def due_index(table: sa.Table) -> None:
    """The index by which workers find what is due."""
    sa.Index(f"ix_{table.name}_due", table.c.state, table.c.due_at)
