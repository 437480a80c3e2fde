"""Transfers out: from an acknowledged request to the report on what was delivered.

    ACKNOWLEDGED → PREPARING → PREPARED → PUSHING → TRANSFERRED | FAILED | CANCELLED

`advance_transfer` looks at the stored state and goes on from there; it may be called at any time,
any number of times, and is called by `work.py` for transfers that are due, under a lease that is
renewed while it runs.

*Preparing* (`hip_prepare`). Care contexts are read in batches of 25, one document is built per HI
type, looked at by the gate (`document_gate`), encrypted at once under its own fresh key pair and
nonce, and kept as ciphertext. What a batch made is one commit, at the latest every few
megabytes, so memory stays small and a killed worker loses one batch. The number of pages is fixed
before the first leaves.

*Pushing* (`hip_push`). In order; before each page the consent is read again by id. Unreadable:
nothing leaves, tried again until the deadline. Ended: CANCELLED, the rest never leaves. A page that
does not arrive is sent again, the same bytes, 5 times at most, 2 s doubling; then, if the receiver
was never reached, there is no point in the pages after it. A page the receiver refuses fails alone.

*Report.* One DataFlowNotifyByHip, one status per care context: DELIVERED only if every document of
it was taken. 20 minutes after the request (`TRANSFER_DEADLINE`) whatever is left fails, and the
report says so. Ciphertext and the sealed request are dropped at the end; an AuditEvent names what
left.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from adapter.flows.handler import ANY_REPLY
from adapter.flows.hip_consent import audit_disclosure
from adapter.flows.hip_prepare import prepare
from adapter.flows.hip_push import push
from adapter.protocol.errors import FhirUnavailable
from adapter.protocol.messages import ContextStatus, DataFlowNotifyByHip, Envelope
from adapter.rules.states import PageState, TransferContextState, TransferState
from adapter.runtime import Adapter
from adapter.stores import outbox, transfers
from adapter.stores.db import Tx
from adapter.stores.transfers import Context, Page, Transfer

log = structlog.get_logger(__name__)

#: While FHIR is away, nothing can be read or checked.
FHIR_WAIT = timedelta(seconds=5)

_OVERDUE = "The time for this transfer is over."


def advance_transfer(adapter: Adapter, transfer_id: str) -> None:
    """Do the next things for a transfer until it ends or has to wait (then its `due_at` says)."""
    with adapter.db.reading() as tx:
        row = transfers.by_id(tx, adapter, transfer_id)
    if row is None or row.done_at is not None:
        return
    if adapter.clock() >= row.deadline:
        finish(adapter, row, sentence=_OVERDUE)
        return
    if row.state is TransferState.ACKNOWLEDGED or row.request is None:
        return  # due only at its deadline: the acknowledgement decides before
    try:
        if row.state is TransferState.PREPARING:
            prepare(adapter, row, row.request)
        if push(adapter, row, row.request):
            finish(adapter, row)
    except FhirUnavailable as error:
        due_at = min(adapter.clock() + FHIR_WAIT, row.deadline)
        log.info("transfer waits for FHIR", transfer_id=row.id)
        with adapter.db.transaction() as tx:
            transfers.postpone(tx, row.id, due_at, type(error).__name__, str(error))


def finish(adapter: Adapter, row: Transfer, *, sentence: str = "") -> None:
    """Count up what was delivered, end the transfer, report and audit it, in one commit.

    `sentence`: why pages that are still waiting will not leave.
    """
    now = adapter.clock()
    with adapter.db.transaction() as tx:
        if sentence:
            transfers.give_up_pages(tx, row.id, sentence)
        contexts = transfers.contexts(tx, row.id)
        statuses = _statuses(tx, row.id, contexts, sentence)
        delivered = any(status.delivered for status in statuses)
        state = TransferState.TRANSFERRED if delivered else TransferState.FAILED
        if state is TransferState.TRANSFERRED and row.state is not TransferState.PUSHING:
            transfers.move(tx, row.id, TransferState.PUSHING)
        failures = [status for status in statuses if not status.delivered]
        reason = failures[0].description if failures else None
        error = None if delivered and not failures else "NotAllDelivered"
        if not transfers.end(tx, row.id, state, now, error, reason):
            return
        transfers.settle_contexts(
            tx,
            row.id,
            [
                (
                    status.care_context_reference,
                    TransferContextState.DELIVERED
                    if status.delivered
                    else TransferContextState.ERRORED,
                    # What the gate noted of a delivered document is for our record only.
                    (status.delivered and context.sentence) or status.description,
                )
                for context, status in zip(contexts, statuses, strict=True)
            ],
        )
        outbox.queue(
            tx,
            adapter,
            Envelope(row.dialect, hip_id=row.hip_id),
            DataFlowNotifyByHip(row.consent_id, row.transaction_id, now, statuses),
            deadline=ANY_REPLY,
        )
        audit_disclosure(adapter, tx, row, transfers.disclosed(tx, row.id), error)
    log.info("transfer ended", transfer_id=row.id, state=state, undelivered=len(failures))


def _statuses(
    tx: Tx, transfer_id: str, contexts: list[Context], sentence: str
) -> tuple[ContextStatus, ...]:
    pages: dict[str, list[Page]] = {}
    for page in transfers.pages(tx, transfer_id):
        pages.setdefault(page.reference, []).append(page)
    return tuple(
        _status(context, pages.get(context.reference, []), sentence) for context in contexts
    )


def _status(context: Context, pages: list[Page], sentence: str) -> ContextStatus:
    """DELIVERED only if there were documents, none was kept back and every one was taken."""
    if not pages:
        return ContextStatus(context.reference, False, context.sentence or sentence)
    failed = [page for page in pages if page.state is not PageState.SENT]
    if failed:
        taken = len(pages) - len(failed)
        reason = failed[0].sentence or sentence
        note = f"{taken} of {len(pages)} documents delivered. " if taken else ""
        return ContextStatus(context.reference, False, f"{note}{reason}")
    if context.state is TransferContextState.ERRORED:
        return ContextStatus(
            context.reference, False, f"{len(pages)} delivered. {context.sentence}"
        )
    return ContextStatus(context.reference, True, "Delivered")
