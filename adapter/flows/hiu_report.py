"""How a transfer in stands, and what ABDM is told of it, once per transaction.

`rules.incoming` says when it is complete. Then, or when its time is over, one DataFlowNotifyByHiu
leaves with each care context's true outcome, and an AuditEvent names what was stored. What earlier
transfers under the artefact brought for the same care contexts goes first: many HIPs mint new ids
each time, and the same visit must not stand there twice. The keys stay for late pages, which change
the record here and are reported to nobody; then they are erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from adapter.flows.handler import ANY_REPLY
from adapter.protocol.messages import ContextStatus, DataFlowNotifyByHiu, Envelope
from adapter.rules.incoming import Arrived, Outcome, Progress, progress, statuses
from adapter.rules.states import IncomingEntryState, IncomingState
from adapter.runtime import Adapter
from adapter.stores import audit, incoming, incoming_pages, outbox, received
from adapter.stores.db import Tx
from adapter.stores.incoming import Incoming
from adapter.stores.incoming_pages import Entry, IncomingPage

log = structlog.get_logger(__name__)

_NO_PAGE = "No page came in time. Fetch the records again, or ask the other hospital."
_MISSING = "Not all pages came in time; what came is kept."


def conclude(adapter: Adapter, incoming_id: str) -> None:
    """End, report and audit a transfer that is complete or overdue; else say when to look again.

    Raises FhirUnavailable where what it replaces can't be removed yet.
    """
    with adapter.db.reading() as tx:
        row = incoming.by_id(tx, adapter, incoming_id)
        pages = incoming_pages.of_transfer(tx, incoming_id)
        entries = incoming_pages.entries(tx, incoming_id)
        wanted = incoming.contexts(tx, incoming_id)
    if row is None:
        return
    now = adapter.clock()
    state, look_at = progress(
        _arrived(row, pages, entries),
        wanted,
        now=now,
        quiet=timedelta(seconds=adapter.config.push_quiet_s),
        deadline=row.deadline,
    )
    if state is Progress.COMPLETE:
        _drop_replaced(adapter, row, entries)
    with adapter.db.transaction() as tx:
        incoming.lock(tx, row.id)
        if incoming_pages.waiting(tx, row.id):
            incoming.change(tx, row.id, due_at=now)  # one came meanwhile
        elif state is Progress.WAITING:
            incoming.change(tx, row.id, due_at=look_at, error=None, sentence=None)
        elif incoming.is_open(tx, row.id):
            told = statuses(
                wanted, [Outcome(each.reference, each.state, each.sentence) for each in entries]
            )
            _end(adapter, tx, row, pages, told, whole=state is Progress.COMPLETE)


def _arrived(row: Incoming, pages: list[IncomingPage], entries: list[Entry]) -> Arrived:
    return Arrived(
        pages=tuple((page.number, page.page_count) for page in pages),
        brought=frozenset(each.reference for each in entries),
        last_page_at=row.last_page_at,
    )


def _drop_replaced(adapter: Adapter, row: Incoming, entries: list[Entry]) -> None:
    """Remove what earlier transfers brought for care contexts that this one brought entirely."""
    failed = {e.reference for e in entries if e.state is not IncomingEntryState.STORED}
    brought = {each.reference for each in entries} - failed
    with adapter.db.reading() as tx:
        documents = received.replaced(tx, row, sorted(brought))
        names = received.resources_of(tx, documents)
    if documents:
        adapter.fhir.erase(names)
        with adapter.db.transaction() as tx:
            received.forget(tx, documents)
        log.info("documents replaced", incoming_id=row.id, documents=len(documents))


def _end(
    adapter: Adapter,
    tx: Tx,
    row: Incoming,
    pages: list[IncomingPage],
    told: Sequence[ContextStatus],
    *,
    whole: bool,
) -> None:
    now = adapter.clock()
    kept = any(status.delivered for status in told)
    failures = [status for status in told if not status.delivered]
    reason: str | None
    if not kept:
        state, reason = IncomingState.FAILED, failures[0].description if pages else _NO_PAGE
    elif whole:
        state, reason = IncomingState.STORED, failures[0].description if failures else None
    else:
        state, reason = IncomingState.PARTIAL, _MISSING
    incoming.move(tx, row.id, state)
    error = "NotAllReceived" if reason else None
    incoming.change(tx, row.id, error=error, sentence=reason, due_at=row.keys_until)
    transaction_id = row.transaction_id or (pages[0].transaction_id if pages else None)
    if row.notified_at is None:
        incoming.change(tx, row.id, notified_at=now)
        if transaction_id is not None and told:
            _notify(adapter, tx, row, transaction_id, told)
    _audit(adapter, tx, row, transaction_id, error)
    if now >= row.keys_until:
        incoming.close(tx, row.id, now)
    log.info("transfer in ended", incoming_id=row.id, state=state, failed=len(failures))


def _notify(
    adapter: Adapter, tx: Tx, row: Incoming, transaction_id: str, told: Sequence[ContextStatus]
) -> None:
    outbox.queue(
        tx,
        adapter,
        Envelope(row.dialect, hiu_id=row.hiu_id),
        DataFlowNotifyByHiu(
            consent_id=row.artefact_id,
            transaction_id=transaction_id,
            done_at=adapter.clock(),
            hip_id=row.hip_id,
            statuses=tuple(told),
        ),
        deadline=ANY_REPLY,
    )


def _audit(
    adapter: Adapter, tx: Tx, row: Incoming, transaction_id: str | None, outcome: str | None
) -> None:
    """One event for what was stored since the last one."""
    fresh = [
        document
        for document in received.of_transfer(tx, row.id)
        if document.stored_at is not None
        and (row.audited_at is None or document.stored_at > row.audited_at)
    ]
    if not fresh:
        return
    incoming.change(tx, row.id, audited_at=adapter.clock())
    event = audit.received(
        adapter,
        hiu_id=row.hiu_id,
        hip_id=row.hip_id,
        patient_id=row.patient_id,
        artefact_id=row.artefact_id,
        transaction_id=transaction_id,
        references=dict.fromkeys(document.care_context for document in fresh),
        outcome=outcome,
    )
    outbox.queue_audit(tx, adapter, event)
