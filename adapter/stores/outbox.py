"""The outbox: everything that leaves, and the design of its sender (`outbox_delivery`).

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
AlreadyDone. Nothing here performs network calls: `sending.py` sends.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import sqlalchemy as sa

from adapter.protocol import stored
from adapter.protocol.messages import Envelope
from adapter.stores.db import Tx, outbox, outbox_attempt
from adapter.stores.outbox_rows import FREE, Kind, Otp, OutboxRow, State, read

if TYPE_CHECKING:
    from adapter.runtime import Adapter

#: An outage may delay the audit trail, never thin it out: tried for a month, then a dead letter
#: whose body is kept.
AUDIT_DEADLINE = timedelta(days=30)


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


# --- what a flow asks of what it queued --------------------------------------------------------


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
    row = read(found)
    if row.state != State.DONE:
        tx.execute(
            sa.update(outbox)
            .where(outbox.c.id == row.id)
            .values(state=State.DONE, done_at=now, **FREE)
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
    return read(row) if row is not None else None
