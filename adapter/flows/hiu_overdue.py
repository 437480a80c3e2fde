"""What the HIU does about answers that did not come; `work.sweep` calls it once a minute.

A request without an answer of the patient: ABDM is asked after 1 minute, then after 2, 4, 8, …, at
most every 6 hours, for 30 days. An artefact that was named but not fetched: asked for again after
5, 10, 20, … minutes, at most every 6 hours, 12 times in all. An artefact that ended by our clock:
ABDM is asked once to confirm it. What SQL moved while FHIR was away is shown there.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import structlog

from adapter.flows import hiu_fetch
from adapter.flows.hiu_consent import FIRST_POLL
from adapter.flows.hiu_shared import settle, show
from adapter.protocol.errors import FhirError, NotFound
from adapter.protocol.messages import ConsentRequestStatusRequest, Envelope
from adapter.rules.states import ConsentRequestState
from adapter.runtime import Adapter
from adapter.stores import consent_requests, hiu_artefacts, outbox
from adapter.stores.consent_requests import ConsentRequest
from adapter.stores.hiu_artefacts import HiuArtefact

log = structlog.get_logger(__name__)

FIRST_FETCH = timedelta(minutes=5)
LONGEST = timedelta(hours=6)
POLLED_FOR = timedelta(days=30)
FETCHES = 12


def chase(adapter: Adapter) -> None:
    """Ask again for whatever is overdue, and bring FHIR into line."""
    now = adapter.clock()
    with adapter.db.reading() as tx:
        waiting = consent_requests.to_poll(tx, now)
        unfetched = [row for row in hiu_artefacts.unfetched(tx) if _fetch_due(row, now)]
        unconfirmed = hiu_artefacts.unconfirmed(tx)
        outlived = consent_requests.outlived(tx)
        unshown = consent_requests.to_show(tx)
    for request in waiting:
        _poll(adapter, request, now)
    for row in unfetched:
        with adapter.db.transaction() as tx:
            hiu_fetch.ask(adapter, tx, row.id)
    for row in unconfirmed:
        with adapter.db.transaction() as tx:
            hiu_fetch.confirm(adapter, tx, row.id)
    for request in (*outlived, *unshown):
        try:
            _show(adapter, request)
        except FhirError as error:
            log.warning("a consent request waits for FHIR", error=type(error).__name__)


def ask_now(adapter: Adapter, request_id: str, hiu_ids: Collection[str]) -> None:
    """Ask ABDM at once how a request of these facilities stands, if the patient has not answered.

    Raises NotFound.
    """
    with adapter.db.reading() as tx:
        request = consent_requests.by_id(tx, request_id)
    if request is None or request.hiu_id not in hiu_ids:
        raise NotFound("Your facilities have raised no consent request with this id.")
    if request.state is ConsentRequestState.REQUESTED:
        _poll(adapter, request, adapter.clock())
        adapter.wake()


def _show(adapter: Adapter, request: ConsentRequest) -> None:
    commit = settle(adapter, request)
    if request.state is not request.shown:
        show(adapter, request, request.state, request.sentence)
    with adapter.db.transaction() as tx:
        consent_requests.note(tx, request.id, shown=request.state)
        commit(tx)


def _poll(adapter: Adapter, request: ConsentRequest, now: datetime) -> None:
    again = now + min(FIRST_POLL * (1 << min(request.polls + 1, 16)), LONGEST)
    last = request.created_at + POLLED_FOR
    with adapter.db.transaction() as tx:
        if not consent_requests.polled(tx, request, again if again < last else None):
            return
        for handle in filter(None, (request.abdm_id, request.repeat_id)):
            outbox.queue(
                tx,
                adapter,
                Envelope(request.dialect, hiu_id=request.hiu_id),
                ConsentRequestStatusRequest(handle),
                deadline=LONGEST,
                subject=request.id,
            )


def _fetch_due(row: HiuArtefact, now: datetime) -> bool:
    wait = min(FIRST_FETCH * (1 << min(max(row.asks - 1, 0), 16)), LONGEST)
    return row.asks < FETCHES and (row.asked_at or row.created_at) + wait <= now
