"""Claiming rows of the tables that have work to do, so that no two workers work on one row.

A claim is a conditional UPDATE that writes a lease: how long the row is ours (`lease_until`) and a
name for this very claim (`lease_id`). Whoever finishes the row must still hold that name, so a
worker that was paused beyond its lease cannot commit what another has begun again (`LeaseLost`,
and its transaction rolls back). A killed worker's lease lapses and the row is due again. Works on
SQLite and PostgreSQL alike; nothing here knows what the work is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from adapter.stores.db import Database, Tx, hiu_artefact, inbox, incoming, outbox, transfer, watch

log = structlog.get_logger(__name__)

#: How long a claim lasts unless renewed: the longest a killed worker's row stays idle.
LEASE = timedelta(seconds=60)

#: Every table whose rows are claimed.
CLAIMED = (inbox, outbox, transfer, incoming, hiu_artefact, watch)

#: Candidates looked at in one go: with as many workers as this, each finds one of its own.
CANDIDATES = 16


class LeaseLost(Exception):
    """The row is no longer ours (lease lapsed and claimed again, or answered meanwhile)."""


def claim(
    db: Database,
    table: sa.Table,
    now: datetime,
    *,
    open_: sa.ColumnElement[bool],
    count: bool = True,
    lease: timedelta = LEASE,
) -> sa.Row[Any] | None:
    """Claim the row of `table` that has been due longest; None if nothing is due.

    `open_`: the condition under which a row may be worked on (its state); `count`: whether the
    claim counts as an attempt; `lease`: for how long it is ours unless renewed. Returns the
    row as it stands after the claim.
    """
    free = sa.and_(
        open_,
        table.c.due_at <= now,
        sa.or_(table.c.lease_until.is_(None), table.c.lease_until <= now),
    )
    candidates = (
        sa.select(table.c.id).where(free).order_by(table.c.due_at, table.c.created_at)
    ).limit(CANDIDATES)
    while True:
        with db.reading() as tx:
            ids = list(tx.scalars(candidates))
        if not ids:
            return None
        for row_id in ids:
            values: dict[str, Any] = {"lease_until": now + lease, "lease_id": str(uuid4())}
            if count:
                values["attempts"] = table.c.attempts + 1
            with db.transaction() as tx:
                row = tx.execute(
                    sa.update(table)
                    .where(table.c.id == row_id, free)
                    .values(values)
                    .returning(table)
                ).one_or_none()
            if row is not None:
                return row


def write(tx: Tx, table: sa.Table, row_id: str, lease_id: str, **values: Any) -> None:
    """Change a row that we hold and give up the lease. Raises LeaseLost if it isn't ours."""
    changed = tx.execute(
        sa.update(table)
        .where(table.c.id == row_id, table.c.lease_id == lease_id)
        .values({"lease_until": None, "lease_id": None, **values})
    )
    if changed.rowcount != 1:
        raise LeaseLost(f"{table.name} {row_id} is no longer held by this worker")


def release(tx: Tx, table: sa.Table, row_id: str, lease_id: str) -> None:
    """Give up the lease of a row that others have written meanwhile; nothing if it isn't ours."""
    tx.execute(
        sa.update(table)
        .where(table.c.id == row_id, table.c.lease_id == lease_id)
        .values(lease_until=None, lease_id=None)
    )


def renew(db: Database, table: sa.Table, row_id: str, lease_id: str, until: datetime) -> bool:
    """Make the lease last until then; False if it isn't ours any more."""
    with db.transaction() as tx:
        changed = tx.execute(
            sa.update(table)
            .where(table.c.id == row_id, table.c.lease_id == lease_id)
            .values(lease_until=until)
        )
    return changed.rowcount == 1


@contextmanager
def kept(
    db: Database,
    table: sa.Table,
    row_id: str,
    lease_id: str,
    clock: Callable[[], datetime],
    lease: timedelta = LEASE,
) -> Iterator[None]:
    """Renew the lease every third of its length while the block runs (a slow push, say)."""
    stop = threading.Event()

    def keep() -> None:
        while not stop.wait(lease.total_seconds() / 3):
            try:
                if not renew(db, table, row_id, lease_id, clock() + lease):
                    return
            except SQLAlchemyError as error:  # the database is away: try again in a moment
                log.warning("lease not renewed", table=table.name, error=type(error).__name__)

    thread = threading.Thread(target=keep, name=f"lease-{table.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()


def stuck(tx: Tx, table: sa.Table, now: datetime) -> int:
    """How many rows have a lapsed lease: their worker died, and nobody has taken them again."""
    return (
        tx.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.lease_until <= now))
        or 0
    )
