"""The inbox lane: one stored callback becomes what a flow commits, or a refusal.

Per row: open the body, decode it again, look the handler up by message class, let it read and
write FHIR, then run its Commit in ONE transaction with finishing the row. A refusal queues the
`on-…` reply and its AuditEvent in that transaction. A killed worker leaves only a lease that
lapses, and the step is repeated. Knows no message by name and holds no state of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError

from adapter import flows
from adapter.faults import failure
from adapter.protocol import routes
from adapter.protocol.errors import (
    FhirUnavailable,
    IllegalTransition,
    ProtocolError,
    RequestNotServable,
    RetryLater,
    Unexpected,
    UnknownFacility,
)
from adapter.protocol.messages import Envelope
from adapter.runtime import Adapter
from adapter.stores import audit, claims, facilities, inbox, outbox
from adapter.stores.db import inbox as inbox_table
from adapter.stores.inbox import InboxRow

log = structlog.get_logger(__name__)

FIRST_DELAY = timedelta(milliseconds=500)
LONGEST_DELAY = timedelta(seconds=10)
#: A handler that fails in a way nobody foresaw is called this often before it is given up.
TRIES = 3


@dataclass(frozen=True)
class Task:
    """A claimed row with what it says."""

    row: InboxRow
    envelope: Envelope
    message: Any
    handler: flows.Handler

    def about(self) -> dict[str, Any]:
        """What may be logged of it."""
        return about(self.row)


def about(row: InboxRow) -> dict[str, Any]:
    """What may be logged of a callback: ids and names, never content."""
    return {"message": row.message, "request_id": row.request_id, "attempt": row.attempts}


def step(adapter: Adapter, *, only: Collection[str] = ()) -> bool:
    """Work on one due callback (`only`: of these messages); False if none is due."""
    row = inbox.claim(adapter.db, adapter.clock(), only=only)
    if row is None:
        return False
    with claims.kept(adapter.db, inbox_table, row.id, row.lease_id, adapter.clock):
        try:
            task = _open(adapter, row)
            if task is not None:
                _work_on(adapter, task)
        except claims.LeaseLost:
            log.warning("callback taken over by another worker", **about(row))
    adapter.wake()
    return True


def waited_for(adapter: Adapter) -> bool:
    """As `step`, of the callbacks whose answer somebody waits for: a thread that does nothing else
    is free for them while others wait for a slow FHIR server."""
    return step(adapter, only=flows.WAITED_FOR)


def _open(adapter: Adapter, row: InboxRow) -> Task | None:
    """Decode a row again; one that can't be is buried (the edge did decode it: a fault of ours)."""
    try:
        body = adapter.sealer.open(row.body)
        envelope, message = routes.decode(row.dialect, row.message, _headers(row), body)
        return Task(row, envelope, message, flows.HANDLERS[type(message)])
    except Exception as error:  # noqa: BLE001 - whatever it is, the row must not be lost
        log.error("stored callback cannot be read", **about(row), **failure(error))
        _bury(adapter, row, type(error).__name__, "This callback can no longer be read.")
        return None


def _work_on(adapter: Adapter, task: Task) -> None:
    row = task.row
    try:
        _require_own_facility(adapter, task)
        commit = task.handler.handle(_in_time(adapter, task), task.envelope, task.message)
        with adapter.db.transaction() as tx:
            commit(tx)
            inbox.finish(tx, row, adapter.clock())
    except IllegalTransition as error:
        _ignore(adapter, task, error)
    except ProtocolError as error:
        _refuse(adapter, task, error)
    except (FhirUnavailable, RetryLater, OperationalError) as error:
        due_at = adapter.clock() + delay(row.attempts)
        log.info("callback waits", **about(row), error=type(error).__name__)
        if due_at < row.deadline:
            _reschedule(adapter, row, due_at, error, "Waiting for another service.")
        else:
            _refuse(adapter, task, RequestNotServable())
    except claims.LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the row must not be lost
        log.error("callback failed", **about(row), **failure(error))
        if row.attempts < TRIES:
            due_at = adapter.clock() + delay(row.attempts)
            _reschedule(adapter, row, due_at, error, "Failed in an unforeseen way; see the log.")
        else:
            _refuse(adapter, task, Unexpected())


def _in_time(adapter: Adapter, task: Task) -> Adapter:
    """The adapter, with no more time for FHIR than the answer has, where somebody waits for it."""
    if not task.handler.waited_for:
        return adapter
    left = (task.row.deadline - adapter.clock()).total_seconds()
    return replace(adapter, fhir=adapter.fhir.within(left))


def delay(attempts: int) -> timedelta:
    """0.5 s after the first attempt, doubling to 10 s."""
    return min(FIRST_DELAY * (1 << min(attempts - 1, 8)), LONGEST_DELAY)


def _require_own_facility(adapter: Adapter, task: Task) -> None:
    """Raises UnknownFacility: the callback is quarantined, and the operator is alerted.

    A callback is for the HIP it names, else for the HIU (both are service ids of our bridge); one
    that names neither can only be the answer to a message of ours.
    """
    named = task.envelope.hip_id or task.envelope.hiu_id
    if named is None and task.envelope.response_to is not None:
        return
    with adapter.db.reading() as tx:
        known = named is not None and facilities.by_hip_id(tx, named) is not None
    if not known:
        log.error("ALERT callback for a facility not served here", **task.about(), service_id=named)
        raise UnknownFacility(
            f"Service id {named or '(none named)'} is not served here. If it should be, add the "
            "facility (`abdm-adapter facility add`) or correct ABDM_FACILITIES; else have the "
            "service's bridge corrected."
        )


def _refuse(adapter: Adapter, task: Task, error: ProtocolError) -> None:
    """Tell the other side through the matching `on-…` message, audited; or bury it."""
    name = type(error).__name__
    if task.handler.refuse is None:
        _bury(adapter, task.row, name, error.sentence)
        return
    log.warning("callback refused", **task.about(), error=name)
    now = adapter.clock()
    reply, deadline = task.handler.refuse(task.envelope, task.message, name)
    with adapter.db.transaction() as tx:
        outbox.queue(tx, adapter, task.envelope.reply(), reply, deadline=deadline)
        outbox.queue_audit(
            tx, adapter, audit.refused(adapter, task.envelope, task.row.message, name)
        )
        inbox.refuse(tx, task.row, now, name, error.sentence)


def _ignore(adapter: Adapter, task: Task, error: IllegalTransition) -> None:
    name = type(error).__name__
    log.warning("callback ignored", **task.about(), error=name, reason=str(error))
    with adapter.db.transaction() as tx:
        outbox.queue_audit(
            tx, adapter, audit.refused(adapter, task.envelope, task.row.message, name)
        )
        inbox.ignore(tx, task.row, adapter.clock(), name, str(error))


def _bury(adapter: Adapter, row: InboxRow, error: str, sentence: str) -> None:
    log.error("callback buried", **about(row), error=error)
    with adapter.db.transaction() as tx:
        inbox.bury(tx, row, adapter.clock(), error, sentence)


def _reschedule(
    adapter: Adapter, row: InboxRow, due_at: datetime, error: Exception, sentence: str
) -> None:
    with adapter.db.transaction() as tx:
        inbox.reschedule(tx, row, due_at=due_at, error=type(error).__name__, sentence=sentence)


def _headers(row: InboxRow) -> dict[str, Any]:
    """The headers that decoding needs, from the columns they were kept in."""
    return {
        "REQUEST-ID": row.request_id,
        "TIMESTAMP": row.sent_at,
        "X-HIP-ID": row.hip_id,
        "X-HIU-ID": row.hiu_id,
    }
