"""Pages from other hospitals: taken in, opened, and handed on entry by entry.

*Taking in* (`expect_page`, `accept_page`, called by `web/push.py`). The push token names the
transfer; a page may come before ABDM has named the transaction. Where the artefact has ended or the
keys are gone the page is refused, before and again when it is stored, in one transaction with
telling the worker.

*Working in* (`advance_incoming`, called by `work.py` under a lease). The consent is read again
before each page; entries are decrypted one at a time and stored (`hiu_store`), each settled by
itself, so that a killed worker repeats one entry and that changes nothing. What can't be opened is
ERRORED with a reason, and stops no other. While FHIR is away, pages wait as they came. Whether the
transfer is complete, and what ABDM is told, is `hiu_report`'s.

*The end of the consent* cancels a transfer in SQL (`archive.note_end`); the lease says that a
worker may still be writing, and archiving repeats its deletes until it is given up.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import md5
from typing import Any

import structlog

import mappings.received
from adapter import metrics
from adapter.crypto.errors import CryptoError
from adapter.crypto.fidelius import ReceiverKey
from adapter.faults import failure
from adapter.flows import archive, hiu_report, hiu_store
from adapter.protocol import ids, page_frame, routes
from adapter.protocol.errors import (
    ConsentExpired,
    FhirUnavailable,
    FhirUncertain,
    IllegalTransition,
    MalformedRequest,
    NotFound,
    TransferOver,
)
from adapter.protocol.messages import HealthInformationPushReceived, KeyMaterial, ReceivedEntry
from adapter.rules import consent_resource
from adapter.rules.consent import ConsentFacts, still_live
from adapter.rules.states import (
    HiuArtefactState,
    IncomingEntryState,
    IncomingPageState,
    IncomingState,
)
from adapter.runtime import Adapter
from adapter.stores import hiu_artefacts, incoming, incoming_pages
from adapter.stores.incoming import Incoming
from adapter.stores.incoming_pages import Entry, IncomingPage
from mappings.received import Origin

log = structlog.get_logger(__name__)

#: While FHIR is away, nothing can be read or stored.
FHIR_WAIT = timedelta(seconds=5)
#: Larger numbers are no page numbers.
LARGEST_NUMBER = 1_000_000
MOST_ENTRIES = 10_000

_ENDED = "The consent for these records has ended; nothing is received under it any more."
_LATE = "The time for this transfer is over and its keys are erased; the HIU has to request again."
_NO_CONSENT = "The consent is not in the FHIR server any more, so nothing may be kept under it."
_NOT_PERMITTED = "This care context is not one of the consent's; its records were not kept."
_LINKED = "It holds a link instead of content; what is elsewhere is not fetched."
_NOTHING = "It holds no content."
_EMPTY = "The document is empty."
_UNFORESEEN = "It could not be read for an unforeseen reason; the adapter's log has the place."
_CHECKSUM = "The sender's checksum isn't that of what arrived."


@dataclass(frozen=True)
class Arrival:
    """A page as it was spooled. `parts`: its bytes from the start, `incoming_pages.CHUNK` each."""

    frame: bytes
    digest: str
    size: int
    parts: Callable[[], Iterator[bytes]]


# --- taking in ---------------------------------------------------------------------------------


def expect_page(adapter: Adapter, token: str) -> Incoming:
    """The transfer that a page with this token is for, before its body is read.

    Raises NotFound, and TransferOver where nothing is taken for it any more.
    """
    with adapter.db.reading() as tx:
        transfer = incoming.by_token(tx, adapter, token)
        if transfer is None:
            raise NotFound("No records are awaited at this address.")
        state = hiu_artefacts.state_of(tx, transfer.artefact_id)
    _still_open(adapter, transfer, state is HiuArtefactState.GRANTED)
    return transfer


def accept_page(adapter: Adapter, transfer: Incoming, arrival: Arrival) -> str:
    """Store a page; "new", or "repeat" where these very bytes are here already.

    Raises MalformedRequest naming what is wrong with the page, TransferOver.
    """
    message = routes.decode_push(arrival.frame)
    if not 0 < len(message.entries) <= MOST_ENTRIES:
        raise MalformedRequest(f"The field entries must have 1 to {MOST_ENTRIES} items.")
    if max(message.page_number, message.page_count) > LARGEST_NUMBER:
        raise MalformedRequest("The fields pageNumber and pageCount must be below a million.")
    now = adapter.clock()
    page = IncomingPage(
        id=ids.new_request_id(),
        incoming_id=transfer.id,
        number=message.page_number,
        page_count=message.page_count,
        transaction_id=message.transaction_id,
        digest=arrival.digest,
        size=arrival.size,
        state=IncomingPageState.RECEIVED,
        received_at=now,
    )
    references = [entry.care_context_reference for entry in message.entries]
    with adapter.db.transaction() as tx:
        # First the artefact, then the transfer: the order in which the end of a consent takes them.
        granted = incoming.may_be_kept(tx, transfer.artefact_id)
        incoming.lock(tx, transfer.id)
        known = incoming.by_id(tx, adapter, transfer.id) or transfer
        _still_open(adapter, known, granted)
        added = incoming_pages.add(tx, adapter, page, arrival.frame, references, arrival.parts())
        if not added:
            return "repeat"
        incoming.move(tx, known.id, IncomingState.RECEIVING)
        incoming.change(
            tx,
            known.id,
            due_at=now,
            last_page_at=now,
            page_count=max(known.page_count or 0, page.page_count),
        )
    log.info("page received", incoming_id=transfer.id, page_id=page.id, size=page.size)
    return "new"


def _still_open(adapter: Adapter, transfer: Incoming, granted: bool) -> None:
    if not granted or transfer.state is IncomingState.CANCELLED:
        raise TransferOver(_ENDED)
    if transfer.keys is None or adapter.clock() >= transfer.keys_until:
        raise TransferOver(_LATE)


# --- working in --------------------------------------------------------------------------------


def advance_incoming(adapter: Adapter, incoming_id: str) -> None:
    """Work on every page that waits, then see how the transfer stands; `due_at` says when next."""
    with adapter.db.reading() as tx:
        row = incoming.by_id(tx, adapter, incoming_id)
        pages = incoming_pages.waiting(tx, incoming_id)
    if row is None or row.done_at is not None:
        return
    try:
        if pages and row.keys is not None:
            _work_on(adapter, row, pages, ReceiverKey.load(row.keys))
        hiu_report.conclude(adapter, row.id)
    except hiu_store.ConsentEnded:
        log.info("transfer in stopped: its consent has ended", incoming_id=row.id)
        with adapter.db.transaction() as tx:  # nothing where it is cancelled already
            incoming.change(tx, row.id, due_at=adapter.clock() + FHIR_WAIT)
    except FhirUncertain as error:
        # The write may still be going on over there: the lease tells archiving to wait for it.
        _wait(adapter, row, error)
        with adapter.db.transaction() as tx:
            incoming.hold(tx, row.id, adapter.clock())
    except FhirUnavailable as error:
        _wait(adapter, row, error)


def _wait(adapter: Adapter, row: Incoming, error: FhirUnavailable) -> None:
    log.info("transfer in waits for FHIR", incoming_id=row.id, error=type(error).__name__)
    due_at = adapter.clock() + FHIR_WAIT
    with adapter.db.transaction() as tx:
        incoming.change(tx, row.id, due_at=due_at, error=type(error).__name__, sentence=str(error))


def _work_on(adapter: Adapter, row: Incoming, pages: list[IncomingPage], key: ReceiverKey) -> None:
    consent = _Consent(adapter, row)
    for page in pages:
        permitted = consent.permitted()
        with adapter.db.reading() as tx:
            frame = incoming_pages.frame(tx, page.id)
            entries = incoming_pages.entries_of(tx, page.id)
        if frame is None:
            raise hiu_store.ConsentEnded
        message = routes.decode_push(frame)
        if len(entries) > 1:
            # Key and nonce of a page fix the AES key and IV: the sender gives its documents away.
            log.warning("one key for several documents", page_id=page.id, hip_id=row.hip_id)
        for entry, content in zip(entries, message.entries, strict=True):
            if entry.state is IncomingEntryState.RECEIVED:
                _Opener(adapter, row, page, key, message, permitted).settle(entry, content)
        _settle(adapter, page)


def _settle(adapter: Adapter, page: IncomingPage) -> None:
    with adapter.db.transaction() as tx:
        entries = incoming_pages.entries_of(tx, page.id)
        kept = any(each.state is IncomingEntryState.STORED for each in entries)
        state = IncomingPageState.STORED if kept else IncomingPageState.FAILED
        reason = None if kept else next((each.sentence for each in entries), None)
        incoming_pages.settle(tx, page.id, state, reason)


class _Consent:
    """The artefact's Consent, read again before each page; unchanged, it is not sent again."""

    def __init__(self, adapter: Adapter, row: Incoming) -> None:
        self._adapter = adapter
        self._row = row
        self._resource: dict[str, Any] | None = None
        self._facts: ConsentFacts | None = None

    def permitted(self) -> frozenset[str]:
        """The care contexts whose records may be kept now; empty: the artefact names none.

        Raises ConsentEnded, having noted the end; FhirUnavailable where it can't be read.
        """
        adapter, row = self._adapter, self._row
        resource = adapter.fhir.consent(
            ids.consent_id("hiu", row.artefact_id), known=self._resource
        )
        if resource is None:
            raise FhirUnavailable(_NO_CONSENT)
        if resource is not self._resource or self._facts is None:
            self._resource, self._facts = resource, consent_resource.read(resource)
        ended = still_live(self._facts, row.hip_id, adapter.clock())
        if ended is None:
            return frozenset(c.care_context_reference for c in self._facts.care_contexts)
        expired = isinstance(ended, ConsentExpired)
        state = HiuArtefactState.EXPIRED if expired else HiuArtefactState.REVOKED
        with suppress(IllegalTransition):  # another end was noted first, and stands
            archive.note_end(adapter, row.artefact_id, state)
        raise hiu_store.ConsentEnded


@dataclass(frozen=True)
class _Opener:
    """Settles the entries of one page."""

    adapter: Adapter
    row: Incoming
    page: IncomingPage
    key: ReceiverKey
    message: HealthInformationPushReceived
    permitted: frozenset[str]

    def settle(self, entry: Entry, sent: ReceivedEntry) -> None:
        """Decrypt, split and store one entry, or note why not.

        Raises FhirUnavailable and ConsentEnded; the entry is as before then.
        """
        try:
            plaintext, remark = self._open(entry, sent)
            document = mappings.received.split_received(plaintext, self._origin(entry))
        except _Unusable as error:
            self._errored(entry, str(error))
            return
        except CryptoError as error:
            self._errored(entry, str(error))
            return
        except Exception as error:  # noqa: BLE001 - one odd document must not stop all the others
            log.error("document cannot be read", page_id=self.page.id, **failure(error))
            self._errored(entry, _UNFORESEEN)
            return
        del plaintext
        hiu_store.store(self.adapter, self.row, entry, document, self._origin(entry), remark)

    def _open(self, entry: Entry, sent: ReceivedEntry) -> tuple[bytes, str | None]:
        """The document's bytes, and a remark where they don't fit the sender's checksum."""
        if self.permitted and entry.reference not in self.permitted:
            raise _Unusable(_NOT_PERMITTED)
        if sent.content is None:
            raise _Unusable(_LINKED if sent.link else _NOTHING)
        _check_algorithm(self.message.key_material)
        material = self.message.key_material
        plaintext = self.key.decrypt(
            material.public_key, material.nonce, self._content(sent.content)
        )
        if not plaintext:
            raise _Unusable(_EMPTY)
        return plaintext, None if checksum_fits(sent.checksum, plaintext) else _CHECKSUM

    def _content(self, text: str) -> bytes:
        span = page_frame.span_of(text)
        if span is None:
            return text.encode()
        raw = incoming_pages.read(self.adapter.db, self.page.id, span)
        if raw is None:
            raise hiu_store.ConsentEnded
        return page_frame.unescaped(raw)

    def _origin(self, entry: Entry) -> Origin:
        row = self.row
        return Origin(
            artefact_id=row.artefact_id,
            hip_id=row.hip_id,
            hip_name=None,
            hiu_id=row.hiu_id,
            transaction_id=row.transaction_id or self.page.transaction_id,
            care_context=entry.reference,
            received_at=self.page.received_at,
            local_patient_id=row.patient_id,
            recorder=self.adapter.config.abdm_username,
        )

    def _errored(self, entry: Entry, sentence: str) -> None:
        metrics.DOCUMENTS.labels("errored").inc()
        log.warning("entry of a page is of no use", page_id=self.page.id, place=entry.position)
        with self.adapter.db.transaction() as tx:
            incoming_pages.settle_entry(tx, entry, IncomingEntryState.ERRORED, sentence=sentence)


class _Unusable(Exception):
    """An entry of which nothing can be kept; the text says why."""


def _check_algorithm(material: KeyMaterial) -> None:
    if material.algorithm.upper() != "ECDH" or material.curve.lower() != "curve25519":
        raise _Unusable("The key material names another algorithm or curve than ABDM's.")


def checksum_fits(stated: str, plaintext: bytes) -> bool:
    """Whether a checksum is the document's MD5, in hex or base64; anything else says nothing.

    Peers send an empty text, a placeholder or another digest (V3 contract 9.3), which is no fault.
    """
    text = stated.strip()
    with suppress(ValueError):
        if len(text) == 32:
            expected = bytes.fromhex(text)
        elif len(text) == 24:
            expected = binascii.a2b_base64(text, strict_mode=True)
        else:
            return True
        return len(expected) != 16 or expected == md5(plaintext, usedforsecurity=False).digest()
    return True
