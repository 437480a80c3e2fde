"""The inbox: every callback of the gateway, stored once before it is answered.

A row is unique on (message, REQUEST-ID) and keeps a hash of the raw body. The same callback again
is a replay and changes nothing; the same id with another body is a ConflictingReplay. Bodies are
sealed, and blanked 7 days after the work is done; the keys stay 30 days, far beyond the time in
which a bearer token could bring the same callback again (`retention`). `work.py` claims and
finishes the rows;
nothing here knows what a message means.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import sqlalchemy as sa

from adapter.protocol.errors import ConflictingReplay
from adapter.stores import claims
from adapter.stores.db import Database, Tx, inbox

if TYPE_CHECKING:
    from adapter.runtime import Adapter


class State(StrEnum):
    """WAITING → DONE; REFUSED: answered with an error; BURIED: no answer possible, for the
    operator to look at."""

    WAITING = "WAITING"
    DONE = "DONE"
    REFUSED = "REFUSED"
    BURIED = "BURIED"


@dataclass(frozen=True)
class InboxRow:
    """A claimed callback. `body` is sealed; `attempts` counts the claims, this one included."""

    id: str
    message: str
    dialect: str
    request_id: str
    hip_id: str | None
    hiu_id: str | None
    sent_at: datetime | None
    body: bytes
    deadline: datetime
    attempts: int
    lease_id: str


def store(
    tx: Tx,
    adapter: Adapter,
    *,
    message: str,
    dialect: str,
    request_id: str,
    hip_id: str | None,
    hiu_id: str | None,
    sent_at: datetime | None,
    body: bytes,
    patience: timedelta,
) -> Literal["new", "replay"]:
    """Store a callback unless it is here already.

    `message`: class name; `body`: the raw bytes, hashed and sealed; `patience`: how long its
    handler may be tried again.
    Raises ConflictingReplay if the same id came before with another body.
    """
    now = adapter.clock()
    digest = sha256(body).hexdigest()
    inserted = adapter.db.insert_new(
        tx,
        inbox,
        {
            "id": str(uuid4()),
            "message": message,
            "dialect": dialect,
            "request_id": request_id,
            "hip_id": hip_id,
            "hiu_id": hiu_id,
            "sent_at": sent_at,
            "body_hash": digest,
            "body": adapter.sealer.seal(body),
            "state": State.WAITING,
            "due_at": now,
            "deadline": now + patience,
            "attempts": 0,
            "created_at": now,
        },
    )
    if inserted:
        return "new"
    stored = tx.scalar(
        sa.select(inbox.c.body_hash).where(
            inbox.c.message == message, inbox.c.request_id == request_id
        )
    )
    if stored != digest:
        raise ConflictingReplay
    return "replay"


def seen(tx: Tx, message: str, request_id: str) -> bool:
    """Whether this callback is stored already: only an unseen one gets the token's leeway."""
    found = sa.select(inbox.c.id).where(
        inbox.c.message == message, inbox.c.request_id == request_id
    )
    return tx.scalar(found) is not None


def claim(db: Database, now: datetime, *, only: Collection[str] = ()) -> InboxRow | None:
    """Claim the callback that has waited longest, for one lease; None if none is due.

    `only`: of these messages; of all where it is empty.
    """
    open_ = inbox.c.state == State.WAITING
    if only:
        open_ = sa.and_(open_, inbox.c.message.in_(only))
    row = claims.claim(db, inbox, now, open_=open_)
    if row is None:
        return None
    return InboxRow(**{name: getattr(row, name) for name in InboxRow.__dataclass_fields__})


def finish(tx: Tx, row: InboxRow, now: datetime) -> None:
    """The work is done. Raises LeaseLost if another worker has the row by now."""
    _end(tx, row, now, state=State.DONE)


def refuse(tx: Tx, row: InboxRow, now: datetime, error: str, sentence: str) -> None:
    """The other side was told `error` (a class name); `sentence` is for the operator."""
    _end(tx, row, now, state=State.REFUSED, error=error, sentence=sentence[:500])


def bury(tx: Tx, row: InboxRow, now: datetime, error: str, sentence: str) -> None:
    """It cannot be worked on and nobody can be told: kept for the operator."""
    _end(tx, row, now, state=State.BURIED, error=error, sentence=sentence[:500])


def ignore(tx: Tx, row: InboxRow, now: datetime, error: str, sentence: str) -> None:
    """Nothing was to be done (a late GRANTED after REVOKED, say); the reason is recorded."""
    _end(tx, row, now, state=State.DONE, error=error, sentence=sentence[:500])


def reschedule(tx: Tx, row: InboxRow, *, due_at: datetime, error: str, sentence: str) -> None:
    """Give the row back, to be tried again at `due_at`."""
    claims.write(
        tx, inbox, row.id, row.lease_id, due_at=due_at, error=error, sentence=sentence[:500]
    )


def _end(tx: Tx, row: InboxRow, now: datetime, **values: Any) -> None:
    values.setdefault("error", None)
    values.setdefault("sentence", None)
    claims.write(tx, inbox, row.id, row.lease_id, done_at=now, **values)
