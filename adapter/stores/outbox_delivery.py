"""The sender's side of the outbox: claiming, attempts, what became of them, dead letters.

The design stands in `outbox`, where flows queue.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from adapter.stores import claims
from adapter.stores.db import Database, Tx, outbox, outbox_attempt
from adapter.stores.outbox_rows import ENDED_BADLY, FREE, Kind, OutboxRow, State, read

#: The answer was seen never to come although the work was done: its absence is no trouble.
MAY_STAY_UNANSWERED = frozenset({"SmsNotifyRequest"})
#: Unanswered, these are not sent again: a second link token request draws a lock-out, a second
#: challenge another OTP, a second proof finds its challenge used up, a second consent request asks
#: the patient twice, and a second SMS is a nuisance.
NOT_REPEATED = MAY_STAY_UNANSWERED | {
    "GenerateLinkTokenRequest",
    "LinkTokenInit",
    "LinkTokenConfirm",
    "ConsentRequestInit",
}

UNANSWERED_SENTENCE = (
    "The gateway took this message but sent no answer. Check that the service id is registered "
    "and that the bridge URL leads here, then send it again."
)


def claim(db: Database, now: datetime, *, kinds: Collection[Kind] = ()) -> OutboxRow | None:
    """Claim the row that has been due longest and whose conversation it may continue.

    `kinds`: of these; of all where it is empty.
    """
    earlier = outbox.alias("earlier")
    blocked = sa.exists().where(
        earlier.c.conversation == outbox.c.conversation,
        earlier.c.state == State.WAITING,
        sa.or_(
            earlier.c.position < outbox.c.position,
            sa.and_(earlier.c.position == outbox.c.position, earlier.c.id < outbox.c.id),
        ),
    )
    open_ = sa.and_(outbox.c.state == State.WAITING, ~blocked)
    if kinds:
        open_ = sa.and_(open_, outbox.c.kind.in_(kinds))
    row = claims.claim(db, outbox, now, open_=open_)
    return None if row is None else read(row)


def begin_attempt(tx: Tx, row: OutboxRow, request_id: str, now: datetime) -> None:
    """Note the REQUEST-ID of an attempt; commit before it leaves."""
    tx.execute(
        sa.insert(outbox_attempt).values(request_id=request_id, outbox_id=row.id, sent_at=now)
    )


def postpone(tx: Tx, row: OutboxRow, due_at: datetime) -> None:
    """It may not leave yet. Raises LeaseLost."""
    _settle(tx, row, due_at=due_at)


def note_outcome(tx: Tx, request_id: str, outcome: str) -> None:
    """What became of one attempt: "sent" or the class name of the error."""
    tx.execute(
        sa.update(outbox_attempt)
        .where(outbox_attempt.c.request_id == request_id)
        .values(outcome=outcome)
    )


def delivered(tx: Tx, row: OutboxRow, now: datetime, *, answer_within: timedelta | None) -> None:
    """The other side took it; `answer_within`: a callback will answer it by then. Raises LeaseLost.

    A callback that was faster than our own settlement has marked the row DONE and taken the lease
    away: LeaseLost then means that there is nothing left to do.
    """
    if answer_within is not None:
        _settle(tx, row, state=State.AWAITING, answer_due_at=now + answer_within)
    else:
        blank = {"body": None} if row.kind == Kind.OTP else {}
        _settle(tx, row, state=State.DONE, done_at=now, error=None, sentence=None, **blank)


def failed(
    tx: Tx,
    row: OutboxRow,
    now: datetime,
    error: str,
    sentence: str,
    *,
    retry_at: datetime | None,
) -> None:
    """It did not arrive: try again at `retry_at`, or (None) it is a dead letter. LeaseLost."""
    if retry_at is not None:
        _settle(tx, row, due_at=retry_at, error=error, sentence=sentence[:500])
        return
    blank = {"body": None} if row.kind == Kind.OTP else {}
    _settle(tx, row, state=State.DEAD, done_at=now, error=error, sentence=sentence[:500], **blank)


def _settle(tx: Tx, row: OutboxRow, **values: Any) -> None:
    if row.lease_id is None:
        raise claims.LeaseLost(f"outbox {row.id} was read, not claimed")
    claims.write(tx, outbox, row.id, row.lease_id, **values)


# --- answers that do not come ---------------------------------------------------------------------


def overdue(tx: Tx, now: datetime, *, limit: int = 100) -> list[OutboxRow]:
    """Rows whose answer should be here."""
    rows = tx.execute(
        sa.select(outbox)
        .where(outbox.c.state == State.AWAITING, outbox.c.answer_due_at <= now)
        .order_by(outbox.c.answer_due_at)
        .limit(limit)
    )
    return [read(row) for row in rows]


def unanswered(tx: Tx, row: OutboxRow, now: datetime) -> bool:
    """Send an unanswered row once more if it may be, else give it up; whether it was given up."""
    taken = tx.scalar(
        sa.select(sa.func.count())
        .select_from(outbox_attempt)
        .where(outbox_attempt.c.outbox_id == row.id, outbox_attempt.c.outcome == "sent")
    )
    again = (taken or 0) < 2 and row.message not in NOT_REPEATED and now < row.deadline
    values: dict[str, Any] = (
        {"state": State.WAITING, "due_at": now}
        if again
        else {
            "state": State.UNANSWERED,
            "done_at": now,
            "error": "Unanswered",
            "sentence": UNANSWERED_SENTENCE,
        }
    )
    if not again and row.message in MAY_STAY_UNANSWERED:
        values = {"state": State.DONE, "done_at": now}
    changed = tx.execute(
        sa.update(outbox)
        .where(outbox.c.id == row.id, outbox.c.state == State.AWAITING)
        .values(answer_due_at=None, **values)
    )
    return changed.rowcount == 1 and not again


# --- the operator ----------------------------------------------------------------------------


def dead_letters(tx: Tx, *, limit: int = 100) -> list[OutboxRow]:
    """What could not be delivered or was never answered, the newest first."""
    rows = tx.execute(
        sa.select(outbox)
        .where(outbox.c.state.in_(ENDED_BADLY))
        .order_by(outbox.c.done_at.desc(), outbox.c.id)
        .limit(limit)
    )
    return [read(row) for row in rows]


def retry(tx: Tx, row_id: str, now: datetime) -> bool:
    """Send a dead letter again, with as much time as it had at first.

    False: no such dead letter, or its body was blanked (7 days after it ended).
    """
    row = tx.execute(sa.select(outbox).where(outbox.c.id == row_id)).one_or_none()
    if row is None or row.state not in ENDED_BADLY or row.body is None:
        return False
    tx.execute(
        sa.update(outbox)
        .where(outbox.c.id == row_id)
        .values(
            state=State.WAITING,
            due_at=now,
            deadline=now + (row.deadline - row.created_at),
            attempts=0,
            done_at=None,
            **FREE,
        )
    )
    return True
