"""The outbox lane: one due row is delivered, rescheduled, or becomes a dead letter.

Each attempt's REQUEST-ID is committed before it leaves; settling the row and what follows from it
(`flows.AFTER_SEND`) are one transaction. The rules are `stores.outbox`'s; the network calls are
`upstream`'s and `fhir_store`'s. Nothing here reads what a message says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog

from adapter import flows
from adapter.faults import failure
from adapter.protocol import ids, messages, routes, stored
from adapter.protocol.errors import (
    AlreadyDone,
    FhirRejected,
    FhirUnavailable,
    ProtocolError,
    RetryLater,
    SessionExpired,
    UpstreamError,
)
from adapter.runtime import Adapter
from adapter.stores import backoff, claims, outbox_delivery
from adapter.stores.db import Tx
from adapter.stores.db import outbox as outbox_table
from adapter.stores.outbox_rows import Kind, Otp, OutboxRow
from mappings import systems

log = structlog.get_logger(__name__)

#: A row that fails in a way nobody foresaw is tried this often before it is a dead letter.
TRIES = 3


def about(row: OutboxRow) -> dict[str, Any]:
    """What may be logged of an outgoing row: ids and names, never content."""
    return {"message": row.message, "outbox_id": row.id, "attempt": row.attempts}


def step(adapter: Adapter, *, kinds: Collection[Kind] = ()) -> bool:
    """Send one due row (`kinds`: of these); False if none is due."""
    row = outbox_delivery.claim(adapter.db, adapter.clock(), kinds=kinds)
    if row is None or row.lease_id is None:
        return False
    with claims.kept(adapter.db, outbox_table, row.id, row.lease_id, adapter.clock):
        try:
            _send(adapter, row)
        except claims.LeaseLost:
            log.info("outgoing message settled elsewhere", **about(row))
    adapter.wake()
    return True


def not_to_fhir(adapter: Adapter) -> bool:
    """As `step`, of what goes to ABDM and to patients: a thread that does nothing else is free for
    them while others wait for a slow FHIR server."""
    return step(adapter, kinds=(Kind.MESSAGE, Kind.OTP))


def _send(adapter: Adapter, row: OutboxRow) -> None:
    if adapter.clock() >= row.deadline:
        reason = row.sentence or "No worker was free in time."
        _failed(adapter, row, None, "DeadlinePassed", f"Not delivered in time. {reason}")
        return
    try:
        _attempt(adapter, row)
    except SessionExpired:
        # The bearer token was refused; the gateway client forgot it, so this one gets a new one.
        try:
            _attempt(adapter, row, repeated=True)
        except SessionExpired as error:
            _failed(adapter, row, None, type(error).__name__, error.sentence)


def _attempt(adapter: Adapter, row: OutboxRow, *, repeated: bool = False) -> None:
    """One attempt under its own REQUEST-ID, settled, unless its flow wants it later.

    `repeated`: the last one was refused at the door. Raises SessionExpired, not settled.
    """
    request_id = ids.new_request_id()
    with adapter.db.transaction() as tx:
        due_at = None if repeated else _not_before(adapter, tx, row)
        if due_at is not None:
            outbox_delivery.postpone(tx, row, due_at)
            return
        outbox_delivery.begin_attempt(tx, row, request_id, adapter.clock())
    try:
        answer = DELIVER[row.kind](adapter, row, request_id)
    except AlreadyDone as error:
        _delivered(adapter, row, request_id, type(error).__name__, answer=False)
    except (RetryLater, FhirUnavailable) as error:
        after = error.after if isinstance(error, RetryLater) else None
        again = backoff.retry_at(adapter.clock(), row.deadline, row.attempts, after=after)
        _failed(adapter, row, request_id, type(error).__name__, str(error), retry_at=again)
    except SessionExpired as error:
        with adapter.db.transaction() as tx:
            outbox_delivery.note_outcome(tx, request_id, type(error).__name__)
        raise
    except (UpstreamError, ProtocolError, FhirRejected) as error:
        _failed(adapter, row, request_id, type(error).__name__, str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the row must not be lost
        log.error("outgoing message failed", **about(row), **failure(error))
        again = backoff.retry_at(adapter.clock(), row.deadline, row.attempts)
        sentence = "Failed in an unforeseen way; the log has the place under this outbox id."
        _failed(
            adapter,
            row,
            request_id,
            "Unexpected",
            sentence,
            retry_at=again if row.attempts < TRIES else None,
        )
    else:
        _delivered(adapter, row, request_id, flows.SENT, answer=answer)


def _not_before(adapter: Adapter, tx: Tx, row: OutboxRow) -> datetime | None:
    """When this message may leave, None: now."""
    message = getattr(messages, row.message, None) if row.kind == Kind.MESSAGE else None
    hook = flows.BEFORE_SEND.get(message) if message is not None else None
    return hook(adapter, tx, row) if hook is not None else None


# --- one way of delivering per kind: whether a callback will answer it ------------------------


def _message(adapter: Adapter, row: OutboxRow, request_id: str) -> bool:
    message = stored.load(row.message, _body(adapter, row))
    message_class: type = type(message)
    route = routes.outbound(row.dialect or "", message_class)
    adapter.gateway.send(route, row.envelope(), message, request_id)
    return route.answered_by is not None


def _otp(adapter: Adapter, row: OutboxRow, _request_id: str) -> bool:
    otp = Otp(**orjson.loads(_body(adapter, row)))
    adapter.otp.send(otp.mobile, otp.text, otp.code)
    return False


def _audit(adapter: Adapter, row: OutboxRow, _request_id: str) -> bool:
    adapter.fhir.put(orjson.loads(_body(adapter, row)))
    return False


def _tag(adapter: Adapter, row: OutboxRow, _request_id: str) -> bool:
    reference = orjson.loads(_body(adapter, row))
    adapter.fhir.add_tag(reference, systems.TAG, systems.TAG_LINKED)
    return False


DELIVER: dict[str, Callable[[Adapter, OutboxRow, str], bool]] = {
    Kind.MESSAGE: _message,
    Kind.OTP: _otp,
    Kind.AUDIT: _audit,
    Kind.TAG: _tag,
}


def _body(adapter: Adapter, row: OutboxRow) -> bytes:
    if row.body is None:
        raise ValueError("the body of this row was blanked")
    return adapter.sealer.open(row.body)


# --- settling ---------------------------------------------------------------------------------


def _delivered(
    adapter: Adapter, row: OutboxRow, request_id: str, outcome: str, *, answer: bool
) -> None:
    now = adapter.clock()
    within = timedelta(seconds=adapter.config.answer_seconds) if answer else None

    def settle(tx: Tx) -> None:
        outbox_delivery.note_outcome(tx, request_id, outcome)
        outbox_delivery.delivered(tx, row, now, answer_within=within)

    log.info("outgoing message delivered", **about(row), request_id=request_id, outcome=outcome)
    _settle(adapter, row, settle, outcome)


def _failed(
    adapter: Adapter,
    row: OutboxRow,
    request_id: str | None,
    error: str,
    sentence: str,
    *,
    retry_at: datetime | None = None,
) -> None:
    now = adapter.clock()

    def settle(tx: Tx) -> None:
        if request_id is not None:
            outbox_delivery.note_outcome(tx, request_id, error)
        outbox_delivery.failed(tx, row, now, error, sentence, retry_at=retry_at)

    if retry_at is not None:
        log.info("outgoing message waits", **about(row), error=error)
        with adapter.db.transaction() as tx:
            settle(tx)
        return
    log.error("outgoing message is a dead letter", **about(row), error=error)
    _settle(adapter, row, settle, error)


def _settle(adapter: Adapter, row: OutboxRow, settle: Callable[[Tx], None], outcome: str) -> None:
    """Settle the row and run its flow's AFTER_SEND in one transaction.

    A fault in that hook must not send the message again, so the row is then settled alone.
    """
    try:
        with adapter.db.transaction() as tx:
            settle(tx)
            after_send(adapter, tx, row, outcome)
    except claims.LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001 - what was sent stays sent
        log.error("what follows a sent message failed", **about(row), **failure(error))
        with adapter.db.transaction() as tx:
            settle(tx)


def after_send(adapter: Adapter, tx: Tx, row: OutboxRow, outcome: str) -> None:
    """Tell the flow what became of its message, by the message's class; `Otp` has one too."""
    message = Otp if row.kind == Kind.OTP else getattr(messages, row.message, None)
    hook = flows.AFTER_SEND.get(message) if message is not None else None
    if hook is not None:
        hook(adapter, tx, row.subject or "", outcome)
