"""The outbox: everything that leaves, and the design of its sender.

*What.* Protocol messages to the gateway (`message`), one-time passwords to the hospital's SMS
service (`otp`), AuditEvents to the FHIR server (`audit`) and the "linked" mark on records (`tag`).
A flow queues in the transaction that changes its state: both happen or neither does. What is kept
is the message, sealed, not encoded bytes: encoding happens at each attempt.

*Order.* Rows of one conversation are delivered in the order of queueing: a row is not due while
an earlier one still waits. Other conversations never wait for it.

*Attempts.* Each HTTP attempt has its own REQUEST-ID, committed to `outbox_attempt` before it
leaves, so that an answer to any attempt finds the row (`answered`), even one that arrives before
the attempt has returned. An accepted message that is answered by a callback becomes AWAITING; no
answer within ANSWER_SECONDS: once more, then UNANSWERED, shown to the operator.

*Failures.* RetryLater and an unreachable FHIR server: again after 2 s, doubling to 5 min, each
±20 %, never before the other side's Retry-After, until the row's deadline (`backoff`). A refused
bearer token: one more attempt at once. AlreadyDone counts as delivered. Anything else: a dead
letter, with a button to send it again.

*Crashes.* A claim is a lease (`claims`). A sender killed between attempt and settlement leaves
the row; it is sent again under a new REQUEST-ID, and a duplicate the gateway recognises is
AlreadyDone. Nothing here performs network calls: `work.py` sends.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import sqlalchemy as sa

from adapter.protocol import stored
from adapter.protocol.messages import Envelope
from adapter.stores import claims
from adapter.stores.db import Database, Tx, outbox, outbox_attempt

if TYPE_CHECKING:
    from adapter.runtime import Adapter

#: An outage may delay the audit trail, never thin it out: tried for a month, then a dead letter
#: whose body is kept.
AUDIT_DEADLINE = timedelta(days=30)

#: The answer was seen never to come although the work was done: its absence is no trouble.
MAY_STAY_UNANSWERED = frozenset({"SmsNotifyRequest"})
#: Unanswered, these are not sent again: a second link token request draws a lock-out, a second
#: consent request asks the patient twice, and a second SMS is a nuisance.
NOT_REPEATED = frozenset({"GenerateLinkTokenRequest", "ConsentRequestInit"}) | MAY_STAY_UNANSWERED

UNANSWERED_SENTENCE = (
    "The gateway took this message but sent no answer. Check that the service id is registered "
    "and that the bridge URL leads here, then send it again."
)


class Kind(StrEnum):
    """Where a row goes."""

    MESSAGE = "message"
    OTP = "otp"
    AUDIT = "audit"
    TAG = "tag"


class State(StrEnum):
    """WAITING → (AWAITING an answer) → DONE, or DEAD or UNANSWERED, which `retry` reopens."""

    WAITING = "WAITING"
    AWAITING = "AWAITING"
    DONE = "DONE"
    DEAD = "DEAD"
    UNANSWERED = "UNANSWERED"


ENDED_BADLY = (State.DEAD, State.UNANSWERED)
#: A row that nobody works on and nothing is wrong with.
_FREE = {"lease_until": None, "lease_id": None, "error": None, "sentence": None}


@dataclass(frozen=True)
class Otp:
    """A one-time password (`code`, and in `text`) on its way to a patient's mobile. Never log."""

    mobile: str
    text: str
    code: str = ""


@dataclass(frozen=True)
class OutboxRow:
    """One row as read. `body` is sealed, None once blanked; `attempts` counts claims."""

    id: str
    kind: str
    message: str
    dialect: str | None
    hip_id: str | None
    hiu_id: str | None
    response_to: str | None
    conversation: str | None
    subject: str | None
    body: bytes | None
    state: str
    due_at: datetime
    deadline: datetime
    attempts: int
    lease_id: str | None
    created_at: datetime
    done_at: datetime | None
    error: str | None
    sentence: str | None

    def envelope(self) -> Envelope:
        """The envelope it was queued under; the attempt's id and time are the sender's."""
        return Envelope(
            dialect=self.dialect or "",
            hip_id=self.hip_id,
            hiu_id=self.hiu_id,
            response_to=self.response_to,
        )


# --- queueing --------------------------------------------------------------------------------


def queue(
    tx: Tx,
    adapter: Adapter,
    envelope: Envelope,
    message: Any,
    *,
    deadline: timedelta,
    conversation: str | None = None,
    subject: str | None = None,
    delay: timedelta = timedelta(0),
) -> str:
    """Queue a protocol message; returns the row's id.

    `envelope`: dialect, HIP, HIU and what it answers; `deadline`: how long it is worth sending;
    `conversation`: rows of the same name go in order; `subject`: the id that AFTER_SEND and the
    answer's handler get back; `delay`: not before.
    """
    return _insert(
        tx,
        adapter,
        Kind.MESSAGE,
        type(message).__name__,
        stored.dump(message),
        deadline=deadline,
        delay=delay,
        conversation=conversation,
        subject=subject,
        dialect=envelope.dialect,
        hip_id=envelope.hip_id,
        hiu_id=envelope.hiu_id,
        response_to=envelope.response_to,
    )


def queue_otp(
    tx: Tx,
    adapter: Adapter,
    *,
    mobile: str,
    text: str,
    subject: str,
    deadline: timedelta,
    code: str = "",
) -> str:
    """Queue a one-time password. Its body is blanked once it is sent or given up."""
    body = orjson.dumps(Otp(mobile, text, code))
    return _insert(tx, adapter, Kind.OTP, "Otp", body, deadline=deadline, subject=subject)


def queue_audit(tx: Tx, adapter: Adapter, resource: dict[str, Any]) -> str:
    """Queue an AuditEvent or Provenance; it is PUT as `audit-<row id>`, so exactly once."""
    row_id = str(uuid4())
    body = orjson.dumps({**resource, "id": f"audit-{row_id}"})
    kind = resource["resourceType"]
    return _insert(tx, adapter, Kind.AUDIT, kind, body, deadline=AUDIT_DEADLINE, row_id=row_id)


def queue_tag_linked(tx: Tx, adapter: Adapter, resource_reference: str) -> str:
    """Queue the "linked" mark on a record, given as a FHIR reference (`Encounter/abc`)."""
    resource_type, _, resource_id = resource_reference.partition("/")
    if not (resource_type and resource_id):
        raise ValueError("a FHIR reference like Encounter/abc is needed to mark a record as linked")
    body = orjson.dumps(resource_reference)
    return _insert(tx, adapter, Kind.TAG, "Tag", body, deadline=AUDIT_DEADLINE)


def _insert(
    tx: Tx,
    adapter: Adapter,
    kind: Kind,
    message: str,
    body: bytes,
    *,
    deadline: timedelta,
    delay: timedelta = timedelta(0),
    conversation: str | None = None,
    row_id: str | None = None,
    **columns: str | None,
) -> str:
    now = adapter.clock()
    row_id = row_id or str(uuid4())
    position = None
    if conversation is not None:
        highest = sa.select(sa.func.max(outbox.c.position))
        position = (tx.scalar(highest.where(outbox.c.conversation == conversation)) or 0) + 1
    tx.execute(
        sa.insert(outbox).values(
            id=row_id,
            kind=kind,
            message=message,
            body=adapter.sealer.seal(body),
            conversation=conversation,
            position=position,
            state=State.WAITING,
            due_at=now + delay,
            deadline=now + deadline,
            attempts=0,
            created_at=now,
            **columns,
        )
    )
    return row_id


# --- sending ---------------------------------------------------------------------------------


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
    return None if row is None else _row(row)


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


def withdraw(tx: Tx, subject: str, now: datetime, error: str, sentence: str) -> bool:
    """What waits to be said about `subject` is not said any more, unless it is just leaving;
    whether there was anything."""
    changed = tx.execute(
        sa.update(outbox)
        .where(
            outbox.c.subject == subject,
            outbox.c.kind == Kind.MESSAGE,
            outbox.c.state == State.WAITING,
            sa.or_(outbox.c.lease_until.is_(None), outbox.c.lease_until <= now),
        )
        .values(state=State.DONE, done_at=now, body=None, error=error, sentence=sentence[:500])
    )
    return changed.rowcount > 0


def bring_forward(tx: Tx, message: str, subject: str, now: datetime) -> None:
    """What waits of this class about `subject` is due now."""
    waits = sa.and_(outbox.c.state == State.WAITING, outbox.c.due_at > now)
    tx.execute(
        sa.update(outbox)
        .where(outbox.c.message == message, outbox.c.subject == subject, waits)
        .values(due_at=now)
    )


# --- answers ---------------------------------------------------------------------------------


def answered(tx: Tx, response_to: str | None, now: datetime) -> OutboxRow | None:
    """The row that a callback answers, found by any attempt's REQUEST-ID, and mark it DONE.

    The row is returned as it was before, so a caller sees whether it was DONE already (a second
    answer) or given up (a late one). None: we never sent such a request.
    """
    if not response_to:
        return None
    found = tx.execute(
        sa.select(outbox)
        .join(outbox_attempt, outbox_attempt.c.outbox_id == outbox.c.id)
        .where(outbox_attempt.c.request_id == response_to.strip().lower())
    ).one_or_none()
    if found is None:
        return None
    row = _row(found)
    if row.state != State.DONE:
        tx.execute(
            sa.update(outbox)
            .where(outbox.c.id == row.id)
            .values(state=State.DONE, done_at=now, **_FREE)
        )
    return row


def sentence_of(tx: Tx, message: str, subject: str) -> str | None:
    """Why the newest message of this class about `subject` did not arrive, if it did not."""
    found: str | None = tx.scalar(
        sa.select(outbox.c.sentence)
        .where(outbox.c.message == message, outbox.c.subject == subject)
        .order_by(outbox.c.created_at.desc())
        .limit(1)
    )
    return found


def newest(tx: Tx, message: str, subject: str) -> OutboxRow | None:
    """The newest message of this class about `subject`."""
    row = tx.execute(
        sa.select(outbox)
        .where(outbox.c.message == message, outbox.c.subject == subject)
        .order_by(outbox.c.created_at.desc())
        .limit(1)
    ).one_or_none()
    return _row(row) if row is not None else None


def overdue(tx: Tx, now: datetime, *, limit: int = 100) -> list[OutboxRow]:
    """Rows whose answer should be here."""
    rows = tx.execute(
        sa.select(outbox)
        .where(outbox.c.state == State.AWAITING, outbox.c.answer_due_at <= now)
        .order_by(outbox.c.answer_due_at)
        .limit(limit)
    )
    return [_row(row) for row in rows]


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
    return [_row(row) for row in rows]


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
            **_FREE,
        )
    )
    return True


def _row(row: sa.Row[Any]) -> OutboxRow:
    return OutboxRow(**{name: getattr(row, name) for name in OutboxRow.__dataclass_fields__})
