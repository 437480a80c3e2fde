"""Makes the pages of a transfer: records → documents → ciphertext, batch by batch.

Plaintext lives only here, for one HI type of one care context at a time; what is stored is
encrypted for the receiver. Resumable: a care context and its pages are committed together, and only
waiting ones are read again. A document passes the gate (`document_gate`) before it is encrypted;
what the gate says stands in the record of its care context.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import md5

import structlog

import mappings
from adapter.crypto.fidelius import PeerKey, check_peer, encrypt_page
from adapter.faults import failure
from adapter.flows.document_gate import DocumentGate
from adapter.protocol import ids
from adapter.protocol.messages import DateRange
from adapter.rules import care_contexts
from adapter.rules.shareable import patient_ended, record_ended
from adapter.rules.states import PageState, TransferContextState, TransferState
from adapter.runtime import Adapter
from adapter.stores import facilities, links, opt_outs, transfers
from adapter.stores.transfers import Page, Request, Transfer
from mappings.records import DocumentImpossible, Records

log = structlog.get_logger(__name__)

#: Care contexts read in one go; measured on HAPI, 5 to 12 ms a visit so, against 50 ms singly.
BATCH = 25
#: Ciphertext (base64 characters) held before it is committed.
HELD = 4 * 1024 * 1024

NOT_FOUND = "This record was not found in the hospital's records."
NOT_THEIRS = "This record is not one of the consent's patient at this facility."
OUT_OF_RANGE = "This record is outside the dates asked for."
NOT_SHARED = "The hospital does not share this record any more."
NOTHING_PERMITTED = "No records of the permitted types in this record."

Outcome = tuple[str, TransferContextState, str | None]


@dataclass
class _Held:
    """Pages and outcomes of care contexts that are made and not yet committed."""

    pages: list[tuple[Page, str]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    size: int = 0


def prepare(adapter: Adapter, row: Transfer, request: Request) -> None:
    """Make every page that is still to be made, and fix their number.

    Raises FhirUnavailable; what was committed before stays.
    """
    peer = check_peer(request.public_key, request.nonce)
    with adapter.db.reading() as tx:
        served = facilities.served(tx)
        number = transfers.page_total(tx, row.id)
        todo = [
            context.reference
            for context in transfers.contexts(tx, row.id)
            if context.state is TransferContextState.WAITING
        ]
        stopped = links.withdrawn(tx, row.hip_id, request.patient_ids, todo)
        if opt_outs.among(tx, request.patient_ids):
            stopped = frozenset(todo)
    hfr_id = next((hfr for hfr, hip in served if hip == row.hip_id), None)
    facility = adapter.fhir.organizations([hfr_id]).get(hfr_id) if hfr_id and todo else None
    held = _Held()
    gate = DocumentGate(adapter, until=row.created_at + (row.deadline - row.created_at) / 2)
    for batch in care_contexts.chunks(todo, BATCH):
        missing = set(batch)
        for records in adapter.fhir.records_of(batch, facility=facility):
            reference = care_contexts.reference_of(records.root)
            missing.discard(reference)
            reason = _why_not(records, row, request, served)
            if reference in stopped:
                reason = NOT_SHARED
            made, outcome = (
                _made(gate, records, row, request, peer)
                if reason is None
                else ([], (reference, TransferContextState.ERRORED, reason))
            )
            for page, content in made:
                number += 1
                held.pages.append((_numbered(page, number), content))
                held.size += len(content)
            held.outcomes.append(outcome)
            if held.size >= HELD and not _commit(adapter, row, held):
                return
        absent = [reference for reference in batch if reference in missing]
        held.outcomes += [(each, TransferContextState.ERRORED, NOT_FOUND) for each in absent]
        if not _commit(adapter, row, held):
            return
    with adapter.db.transaction() as tx:
        transfers.move(tx, row.id, TransferState.PREPARED, page_count=number)


def _why_not(
    records: Records, row: Transfer, request: Request, served: tuple[tuple[str, str], ...]
) -> str | None:
    """Why nothing of this visit may leave, or None. The record may have changed since the link."""
    patient = records.patient
    if patient is None or patient["id"] not in request.patient_ids:
        return NOT_THEIRS
    if record_ended(records.root) or patient_ended(patient):
        return NOT_SHARED
    if care_contexts.facility_of(records, served) != row.hip_id:
        return NOT_THEIRS
    if not care_contexts.in_range(records.root, DateRange(request.start, request.end)):
        return OUT_OF_RANGE
    return None


def _made(
    gate: DocumentGate, records: Records, row: Transfer, request: Request, peer: PeerKey
) -> tuple[list[tuple[Page, str]], Outcome]:
    """The pages of one care context, and how it stands; kept back documents make it ERRORED."""
    reference = care_contexts.reference_of(records.root)
    pages, said, all_leave = [], [], True
    for hi_type, bundle, plaintext in _documents(records, request):
        verdict = gate.judge(hi_type, bundle)
        if verdict.sentence:
            said.append(verdict.sentence)
        if not verdict.may_leave:
            all_leave = False
            continue
        encrypted = encrypt_page(peer, plaintext)
        page = Page(
            id=ids.new_request_id(),
            transfer_id=row.id,
            number=0,
            reference=reference,
            hi_type=hi_type,
            state=PageState.SEALED,
            public_key=encrypted.public_key_x509,
            nonce=encrypted.nonce,
            checksum=md5(plaintext, usedforsecurity=False).hexdigest(),
            size=len(encrypted.content),
        )
        pages.append((page, encrypted.content))
    ready = bool(pages) and all_leave
    state = TransferContextState.PREPARED if ready else TransferContextState.ERRORED
    sentence = " ".join(dict.fromkeys(said)) or (None if pages else NOTHING_PERMITTED)
    return pages, (reference, state, sentence)


def _documents(
    records: Records, request: Request
) -> Iterator[tuple[str, mappings.Resource, bytes]]:
    """(HI type, document, its bytes) of each permitted HI type that the care context has; several
    documents of a type are pages of their own."""
    for hi_type in mappings.hi_types(records):
        if hi_type not in request.hi_types:
            continue
        try:
            bundles = mappings.build_documents(hi_type, records)
            documents = [(bundle, mappings.to_bytes(bundle)) for bundle in bundles]
        except DocumentImpossible:
            continue
        except Exception as error:  # noqa: BLE001 - one odd visit must not stop all the others
            log.error(
                "document cannot be made",
                care_context=care_contexts.reference_of(records.root),
                hi_type=hi_type,
                **failure(error),
            )
            continue
        for bundle, plaintext in documents:
            yield hi_type, bundle, plaintext


def _numbered(page: Page, number: int) -> Page:
    return Page(**{**page.__dict__, "number": number})


def _commit(adapter: Adapter, row: Transfer, held: _Held) -> bool:
    """Store what is held and empty it; False if the transfer has ended meanwhile."""
    with adapter.db.transaction() as tx:
        still_open = transfers.is_open(tx, row.id)
        if still_open:
            transfers.add_pages(tx, held.pages)
            transfers.settle_contexts(tx, row.id, held.outcomes)
    held.pages, held.outcomes, held.size = [], [], 0
    return still_open
