"""HIP-initiated linking: a visit, or a record that belongs to none, is linked to the patient's ABHA
address without their doing.

    link_encounter  →  GenerateLinkTokenRequest  →  OnGenerateLinkToken
                    →  HipLinkCareContextRequest →  OnHipLinkCareContext
                    →  CareContextNotifyRequest  →  OnCareContextNotify

Link tokens, and how often ABDM may be asked for one, are in `link_tokens`. A refused token is
dropped and requested again once. Nothing is linked until the callback says so. The steps after the
link itself are in `link_answers` and `link_notices`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import mappings
from adapter.flows import link_changes, link_tokens, lookup, sms_notice
from adapter.flows.handler import ANY_REPLY
from adapter.flows.link_notices import note_changed
from adapter.flows.linked import self_started
from adapter.protocol.errors import NotFound
from adapter.protocol.messages import (
    CareContextEntry,
    HipLinkCareContextRequest,
)
from adapter.rules import care_contexts
from adapter.rules.patients import PatientFacts, read_patient
from adapter.rules.states import CareContextLinkState, LinkTokenState
from adapter.runtime import Adapter
from adapter.stores import facilities, links, outbox
from adapter.stores.db import Tx
from adapter.stores.links import ContextLink, LinkToken
from mappings.resources import encounters_of

__all__ = [
    "LinkReport",
    "advance",
    "link_encounter",
    "link_records",
    "note_changed",
]

#: Errors of a link token request that the same request would meet again.
REFUSED = frozenset({"Rejected", "AbhaDeactivated"})


@dataclass(frozen=True)
class LinkReport:
    """What became of a request to link: (HI type, state) pairs, and what to do where none or not
    all will be linked. `hip_id`: None where the visit belongs to no facility served."""

    reference: str
    display: str
    hip_id: str | None
    states: tuple[tuple[str, str], ...] = ()
    sentence: str = ""


def link_encounter(
    adapter: Adapter,
    root: str,
    requester: str,
    *,
    hip_ids: Collection[str] | None = None,
) -> LinkReport:
    """Link one care context now: note it and take the next step towards the link.

    `root`: the id of an Encounter, or the FHIR reference of a visit or of a record that belongs to
    none (`Encounter/17`, `DiagnosticReport/r1`); `requester`: who asked, for the audit trail;
    `hip_ids`: the facilities that they may act for (None: all served). Raises NotFound (no such own
    record of theirs), FhirUnavailable.
    """
    resource = root if "/" in root else f"Encounter/{root}"
    with adapter.db.reading() as tx:
        served = facilities.served(tx)
    records = lookup.records(adapter, resource.replace("/", "-", 1), served)
    if records is None or records.patient is None:
        raise NotFound(f"There is no visit or record {resource} with a patient here.")
    visit = next(iter(encounters_of(records.root)), None)
    if visit is not None and not resource.startswith("Encounter/"):
        raise NotFound(f"{resource} is part of a visit; link {visit} instead.")
    hi_types = mappings.hi_types(records)
    context = care_contexts.care_context(records, hi_types, served)
    if hip_ids is not None and context.hip_id not in hip_ids:
        raise NotFound("There is no such visit at your facilities.")
    report = LinkReport(context.reference, context.display, context.hip_id)
    if context.hip_id is None:
        return replace(
            report,
            sentence="The record names no facility served here; set Encounter.serviceProvider (a "
            "report's performer, a file's custodian, an invoice's issuer) to an Organization with "
            "its HFR id.",
        )
    if not hi_types and not context.ended:
        return replace(
            report, sentence="The record holds nothing that ABDM has a document type for."
        )
    patient_id = str(records.patient["id"])
    with adapter.db.transaction() as tx:
        found = [(records.patient, context)]
        told = link_records(adapter, tx, found, requester, again=True)
        stored = links.contexts_of(tx, context.hip_id, patient_id, context.reference)
    adapter.wake()
    shown = tuple((row.hi_type, str(row.state)) for row in stored)
    sentence = told.get((context.hip_id, patient_id), "")
    troubles = dict.fromkeys(row.sentence for row in stored if row.sentence)
    return replace(report, states=shown, sentence=sentence or " ".join(troubles))


def link_records(
    adapter: Adapter,
    tx: Tx,
    found: Iterable[tuple[dict[str, Any], care_contexts.CareContext]],
    requester: str,
    *,
    again: bool = False,
) -> dict[tuple[str, str], str]:
    """Note care contexts to be linked, then take the next step once for each patient and HIP.

    `found`: own Patients with care contexts; those of no facility served are left out, and what may
    not be shared is withdrawn (`link_changes`). Links that are under way or done stay as they are,
    so it may be called at any time. `again`: also ask again what ABDM has refused, though nothing
    about it has changed. Returns, by (HIP id, patient id), a sentence for those who cannot go on at
    once.
    """
    kept_back: dict[str, str] = {}
    said: dict[tuple[str, str], str] = {}
    waiting: dict[tuple[str, str], PatientFacts] = {}
    for patient, context in found:
        facts = read_patient(patient)
        name = facts.patient_id
        if name not in kept_back:
            kept_back[name] = link_changes.patient_changed(adapter, tx, patient, again=again)
        link_changes.record_changed(adapter, tx, context.reference, patient, context.ended)
        if context.hip_id is None:
            continue
        if kept_back[name] or context.ended:
            said[context.hip_id, name] = kept_back[name] or context.ended
            continue
        links.put_contexts(tx, _rows(adapter, patient, context, facts, requester))
        if not facts.abha_addresses and context.hi_types:
            _write_to(adapter, tx, context, facts)
        waiting[context.hip_id, name] = facts
    for (hip_id, name), facts in waiting.items():
        said[hip_id, name] = _begin(adapter, tx, hip_id, facts, again=again)
    return said


def corrected(adapter: Adapter, tx: Tx, hip_id: str, patient: dict[str, Any]) -> bool:
    """Whether the patient's record differs from what the last link token was asked for with."""
    facts = read_patient(patient)
    address = next(iter(facts.abha_addresses), None)
    request = link_tokens.request_of(adapter, tx, facts, address) if address else None
    if address is None or request is None:
        return False
    token = links.token_of(tx, adapter, hip_id, address)
    return token is None or token.request != request


def _write_to(
    adapter: Adapter, tx: Tx, context: care_contexts.CareContext, facts: PatientFacts
) -> None:
    """Have ABDM tell a patient of no ABHA address by SMS, unless they have linked it themselves."""
    rows = links.contexts_of(tx, context.hip_id or "", facts.patient_id, context.reference)
    if all(row.state is CareContextLinkState.NO_ABHA for row in rows):
        sms_notice.offer(adapter, tx, facts, context)


def _rows(
    adapter: Adapter,
    patient: dict[str, Any],
    context: care_contexts.CareContext,
    facts: PatientFacts,
    requester: str,
) -> list[ContextLink]:
    address = next(iter(facts.abha_addresses), None)
    state = CareContextLinkState.PENDING if address else CareContextLinkState.NO_ABHA
    return [
        ContextLink(
            id=links.new_id(),
            hip_id=context.hip_id or "",
            patient_id=facts.patient_id,
            patient_reference=care_contexts.patient_reference(patient),
            reference=context.reference,
            hi_type=hi_type,
            display=context.display,
            abha_address=address,
            state=state,
            requester=requester,
            created_at=adapter.clock(),
        )
        for hi_type in context.hi_types
    ]


def _begin(adapter: Adapter, tx: Tx, hip_id: str, facts: PatientFacts, *, again: bool) -> str:
    """Make sure there is a token row for the patient, and advance; a sentence if it can't go on."""
    address = next(iter(facts.abha_addresses), None)
    if address is None:
        return (
            f"Patient/{facts.patient_id} has no ABHA address; the link waits until one is on the "
            "record, then link again."
        )
    request = link_tokens.request_of(adapter, tx, facts, address)
    if request is None:
        return (
            f"Patient/{facts.patient_id} needs a name, a gender and a year of birth, as in the "
            "ABHA profile, before a link token can be asked for."
        )
    known = links.token_of(tx, adapter, hip_id, address)
    if known is not None and known.error in REFUSED and known.request == request and not again:
        # ABDM would say the same again, and count it.
        sentence = known.sentence or ""
        waiting = links.waiting(tx, hip_id, address)
        links.move(tx, waiting, CareContextLinkState.FAILED, error=known.error, sentence=sentence)
        return sentence
    if known is not None and known.state is LinkTokenState.REJECTED:
        # What failed with the last request waits for the next one, the patient's other visits too.
        links.reopen(tx, hip_id, address, known.error or "")
    link_tokens.prepared(adapter, tx, hip_id, request)
    return advance(adapter, tx, hip_id, address)


def advance(adapter: Adapter, tx: Tx, hip_id: str, abha_address: str) -> str:
    """Take the next step for all links of this ABHA address that wait; a sentence if it is later.

    May be called at any time, any number of times.
    """
    token = links.token_of(tx, adapter, hip_id, abha_address)
    rows = links.waiting(tx, hip_id, abha_address)
    if not rows or token is None:
        return ""
    if link_tokens.in_force(adapter, token):
        sentence = link_tokens.wait_sentence(
            adapter, link_tokens.call_delay(adapter, tx, abha_address)
        )
        if sentence:
            links.move(tx, rows, CareContextLinkState.WAITING_FOR_TOKEN, sentence=sentence)
        else:
            _send(adapter, tx, token, rows)
        return sentence
    links.move(tx, rows, CareContextLinkState.WAITING_FOR_TOKEN)
    if token.state is LinkTokenState.REQUESTED:
        # Once it has left, the answer, or its absence, decides.
        return link_tokens.wait_sentence(adapter, token.requested_at - adapter.clock())
    if token.state is LinkTokenState.CHALLENGED:
        if link_tokens.challenged(adapter, tx, token):
            return link_tokens.CHALLENGED_SENTENCE
        return link_tokens.lapsed(adapter, tx, token, rows)
    return link_tokens.ask(adapter, tx, token)


def _send(adapter: Adapter, tx: Tx, token: LinkToken, rows: list[ContextLink]) -> None:
    """Queue link requests of at most 20 care contexts for these links."""
    by_patient: dict[str, list[ContextLink]] = {}
    for row in rows:
        by_patient.setdefault(row.patient_reference, []).append(row)
    for reference, own in by_patient.items():
        for chunk in care_contexts.chunks(own, care_contexts.ENTRY_SIZE):
            batch = links.new_id()
            entries = care_contexts.grouped(
                reference,
                token.request.name,
                [(CareContextEntry(row.reference, row.display), row.hi_type) for row in chunk],
            )
            links.move(tx, chunk, CareContextLinkState.SENT, batch=batch)
            outbox.queue(
                tx,
                adapter,
                self_started(adapter, token.hip_id),
                HipLinkCareContextRequest(
                    abha_address=token.request.abha_address,
                    abha_number=token.request.abha_number,
                    patients=entries,
                    link_token=token.token or "",
                ),
                deadline=ANY_REPLY,
                conversation=f"token:{token.id}",
                subject=batch,
            )
