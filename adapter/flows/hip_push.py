"""Sends the pages of a prepared transfer in order; see `hip_transfer` for the whole design."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import structlog

from adapter.flows.hip_consent import audit_disclosure, cancel
from adapter.flows.hip_prepare import NOT_SHARED
from adapter.protocol import ids, routes
from adapter.protocol.errors import (
    ConsentExpired,
    ProtocolError,
    PushUrlRefused,
    RetryLater,
    UpstreamError,
)
from adapter.protocol.messages import (
    Envelope,
    HealthInformationEntry,
    HealthInformationPush,
    KeyMaterial,
)
from adapter.rules import consent_resource
from adapter.rules.consent import ConsentFacts, still_live
from adapter.rules.states import ConsentState, PageState, TransferState
from adapter.runtime import Adapter
from adapter.stores import links, opt_outs, transfers
from adapter.stores.transfers import Page, Request, Transfer

log = structlog.get_logger(__name__)

MOST_TRIES = 5
FIRST_DELAY = timedelta(seconds=2)
#: What we say of how long a page's key may be used (V3 contract 9.2); nobody enforces it.
KEY_LIFE = timedelta(hours=24)

#: Stands where the content goes; not a character of base64.
_CONTENT = "@"
_UNAUTHORISED = (401, 403)


def push(adapter: Adapter, row: Transfer, request: Request) -> bool:
    """Send every page that is still to be sent.

    True: all are settled, and the transfer can be finished. False: it has ended or has to wait.
    Raises FhirUnavailable where the consent can't be read: nothing leaves then.
    """
    with adapter.db.transaction() as tx:
        transfers.move(tx, row.id, TransferState.PUSHING)
        if not transfers.is_open(tx, row.id):
            return False
        pages = transfers.pages(tx, row.id)
    waiting = [page for page in pages if page.state is PageState.SEALED]
    consent = _Consent(adapter, row)
    for page in waiting:
        now = adapter.clock()
        if now >= row.deadline:
            with adapter.db.transaction() as tx:
                transfers.give_up_pages(tx, row.id, "The time for this transfer is over.")
            return True
        if not consent.in_force():
            return False
        if _stopped(adapter, row, request, page):
            if not _settle(adapter, row, page, PageState.FAILED, NOT_SHARED):
                return False
            continue
        body = _body(adapter, row, page, len(pages))
        try:
            adapter.push.push(
                request.push_url, body, adapter.gateway.session_token, length=body.length
            )
        except RetryLater as error:
            if page.attempts + 1 < MOST_TRIES:
                _try_later(adapter, row, page, error)
                return False
            return _give_up(adapter, row, error.sentence, page)
        except (PushUrlRefused, UpstreamError) as error:
            status = error.status if isinstance(error, UpstreamError) else None
            if isinstance(error, PushUrlRefused) or status in _UNAUTHORISED:
                # What keeps one page out keeps the others out.
                return _give_up(adapter, row, error.sentence, page)
            if not _settle(adapter, row, page, PageState.FAILED, error.sentence):
                return False
            continue
        if not _settle(adapter, row, page, PageState.SENT, None):
            return False
    return True


def _stopped(adapter: Adapter, row: Transfer, request: Request, page: Page) -> bool:
    """Whether the page's care context was withdrawn since it was made, or its patient opted out."""
    with adapter.db.reading() as tx:
        return bool(
            links.withdrawn(tx, row.hip_id, request.patient_ids, [page.reference])
            or opt_outs.among(tx, request.patient_ids)
        )


@dataclass(frozen=True)
class _Body:
    """A page's JSON in parts, walked through anew for each attempt: the same bytes every time."""

    head: bytes
    content: Callable[[], Iterator[bytes]]
    tail: bytes
    length: int

    def __iter__(self) -> Iterator[bytes]:
        yield self.head
        yield from self.content()
        yield self.tail


def _body(adapter: Adapter, row: Transfer, page: Page, page_count: int) -> _Body:
    entry = HealthInformationEntry(_CONTENT, page.checksum, page.reference)
    message = HealthInformationPush(
        transaction_id=row.transaction_id,
        page_number=page.number,
        page_count=page_count,
        entries=(entry,),
        key_material=KeyMaterial(page.public_key, page.nonce, row.created_at + KEY_LIFE),
    )
    wire = routes.outbound(row.dialect, HealthInformationPush).encode(
        Envelope(row.dialect, hip_id=row.hip_id), message
    )
    head, tail = orjson.dumps(wire.body).split(f'"{_CONTENT}"'.encode())
    return _Body(
        head=head + b'"',
        content=lambda: transfers.content(adapter.db, page.id),
        tail=b'"' + tail,
        length=len(head) + page.size + len(tail) + 2,
    )


class _Consent:
    """The consent of a transfer, read again before each page; what has not changed in the FHIR
    server since (it says so each time) is neither sent nor taken apart again."""

    def __init__(self, adapter: Adapter, row: Transfer) -> None:
        self._adapter = adapter
        self._row = row
        self._resource: dict[str, Any] | None = None
        self._facts: ConsentFacts | None = None

    def in_force(self) -> bool:
        """Whether a page may leave now; if not, what is left is cancelled."""
        adapter, row = self._adapter, self._row
        consent_id = ids.consent_id("hip", row.consent_id)
        resource = adapter.fhir.consent(consent_id, known=self._resource)
        if resource is not self._resource or self._facts is None:
            self._resource = resource
            self._facts = None if resource is None else consent_resource.read(resource)
        ended: ProtocolError | None = None
        if self._facts is not None:
            ended = still_live(self._facts, row.hip_id, adapter.clock())
            if ended is None:
                return True
        log.warning("transfer cancelled: its consent is in force no more", transfer_id=row.id)
        state = ConsentState.EXPIRED if isinstance(ended, ConsentExpired) else ConsentState.REVOKED
        with adapter.db.transaction() as tx:
            cancel(adapter, tx, row.id, state)
        return False


def _settle(
    adapter: Adapter, row: Transfer, page: Page, state: PageState, sentence: str | None
) -> bool:
    """One page is done: the one commit it costs. Whether the transfer is still open.

    A page that was on its way when the transfer was cancelled has left: it is recorded as sent,
    and audited by itself, since the cancellation's AuditEvent could not know of it.
    """
    now = adapter.clock()
    sent_at = now if state is PageState.SENT else None
    with adapter.db.transaction() as tx:
        transfers.settle_page(tx, page.id, state, sent_at=sent_at, sentence=sentence)
        still_open = transfers.is_open(tx, row.id)
        if state is PageState.SENT and not still_open:
            audit_disclosure(adapter, tx, row, [page.reference], "ConsentEnded")
        return still_open


def _try_later(adapter: Adapter, row: Transfer, page: Page, error: RetryLater) -> None:
    now = adapter.clock()
    wait = max(FIRST_DELAY * 2**page.attempts, error.after or timedelta(0))
    due_at = min(now + wait, row.deadline)
    log.info("page will be sent again", transfer_id=row.id, page=page.number)
    with adapter.db.transaction() as tx:
        transfers.count_attempt(tx, page.id, error.sentence)
        transfers.postpone(tx, row.id, due_at, type(error).__name__, error.sentence)


def _give_up(adapter: Adapter, row: Transfer, sentence: str, page: Page) -> bool:
    """This page and all after it are not sent."""
    with adapter.db.transaction() as tx:
        transfers.settle_page(tx, page.id, PageState.FAILED, sent_at=None, sentence=sentence)
        transfers.give_up_pages(tx, row.id, sentence)
        return transfers.is_open(tx, row.id)
