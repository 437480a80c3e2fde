"""SQL of the counters' queues: numbers per counter and day, from 1. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from adapter.rules.states import QueueTokenState, sources
from adapter.stores.db import Tx, queue_counter, queue_token

RETENTION = timedelta(days=30)
_OPEN = (QueueTokenState.ISSUED, QueueTokenState.CALLED)


@dataclass(frozen=True)
class QueueToken:
    """One number. `day`: YYYY-MM-DD where the hospital stands."""

    id: str
    hip_id: str
    counter: str
    day: str
    number: int
    profile_id: str
    state: QueueTokenState
    issued_at: datetime
    expires_at: datetime
    called_at: datetime | None = None
    served_at: datetime | None = None


def issue(
    tx: Tx, *, hip_id: str, counter: str, day: str, profile_id: str, now: datetime, life: timedelta
) -> QueueToken:
    """The next number, or the one that this person holds for this counter already."""
    held = tx.execute(
        sa.select(queue_token).where(
            queue_token.c.hip_id == hip_id,
            queue_token.c.counter == counter,
            queue_token.c.profile_id == profile_id,
            queue_token.c.state.in_(_OPEN),
            queue_token.c.expires_at > now,
        )
    ).first()
    if held is not None:
        return _row(held)
    made = QueueToken(
        id=str(uuid4()),
        hip_id=hip_id,
        counter=counter,
        day=day,
        number=_next_number(tx, hip_id, counter, day),
        profile_id=profile_id,
        state=QueueTokenState.ISSUED,
        issued_at=now,
        expires_at=now + life,
    )
    values = {name: getattr(made, name) for name in QueueToken.__dataclass_fields__}
    tx.execute(sa.insert(queue_token).values(values))
    return made


def _next_number(tx: Tx, hip_id: str, counter: str, day: str) -> int:
    # One statement, so that two workers never take the same number.
    insert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    number: int | None = tx.scalar(
        insert(queue_counter)
        .values(hip_id=hip_id, counter=counter, day=day, last=1)
        .on_conflict_do_update(
            index_elements=["hip_id", "counter", "day"], set_={"last": queue_counter.c.last + 1}
        )
        .returning(queue_counter.c.last)
    )
    return number or 1


def listed(
    tx: Tx,
    hip_ids: Collection[str],
    *,
    day: str,
    counter: str | None = None,
    states: Collection[str] = (),
    limit: int = 500,
) -> list[QueueToken]:
    """A day's numbers of these facilities, by counter and number."""
    query = sa.select(queue_token).where(
        queue_token.c.hip_id.in_(hip_ids), queue_token.c.day == day
    )
    if counter:
        query = query.where(queue_token.c.counter == counter)
    if states:
        query = query.where(queue_token.c.state.in_(states))
    order = (queue_token.c.counter, queue_token.c.number)
    return [_row(row) for row in tx.execute(query.order_by(*order).limit(limit))]


def by_id(tx: Tx, token_id: str, hip_ids: Collection[str]) -> QueueToken | None:
    """A number of these facilities."""
    query = sa.select(queue_token).where(
        queue_token.c.id == token_id, queue_token.c.hip_id.in_(hip_ids)
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else _row(row)


def move(tx: Tx, token_id: str, state: QueueTokenState, **values: Any) -> bool:
    """Move a number on where its state allows it; whether it moved."""
    changed = tx.execute(
        sa.update(queue_token)
        .where(queue_token.c.id == token_id, queue_token.c.state.in_(sources(state)))
        .values(state=state, **values)
    )
    return changed.rowcount == 1


def expire(tx: Tx, now: datetime) -> None:
    """Numbers that nobody called in time lapse; those of a month ago are forgotten."""
    tx.execute(
        sa.update(queue_token)
        .where(queue_token.c.state == QueueTokenState.ISSUED, queue_token.c.expires_at <= now)
        .values(state=QueueTokenState.EXPIRED)
    )
    long_ago = now - RETENTION
    tx.execute(sa.delete(queue_token).where(queue_token.c.issued_at <= long_ago))
    tx.execute(sa.delete(queue_counter).where(queue_counter.c.day <= long_ago.date().isoformat()))


def _row(row: sa.Row[Any]) -> QueueToken:
    values = {name: getattr(row, name) for name in QueueToken.__dataclass_fields__}
    return QueueToken(**values | {"state": QueueTokenState(row.state)})
