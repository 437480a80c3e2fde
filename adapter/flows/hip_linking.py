"""HIP-initiated linking: a visit, or a record that belongs to none, is linked to the patient's ABHA
address without their doing.

    link_encounter  →  GenerateLinkTokenRequest  →  OnGenerateLinkToken
                    →  HipLinkCareContextRequest →  OnHipLinkCareContext
                    →  CareContextNotifyRequest  →  OnCareContextNotify

A link token serves one (HIP, ABHA address) for six months. Only one request for it may be under
way, and none within seven minutes of the last: the gateway answers a second one with 1092 and
hides the real reason, and too many earn a 24 h block (V3 contract 6.1; cases HIP_INTI_LINK_501 to
505). A refused token is dropped and requested again once. Nothing is linked until the callback
says so. The steps after the link itself are in `link_answers`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import mappings
from adapter.flows import lookup
from adapter.flows.handler import ANY_REPLY
from adapter.flows.link_notices import note_changed
from adapter.flows.linked import self_started
from adapter.protocol.errors import NotFound
from adapter.protocol.messages import (
    CareContextEntry,
    GenerateLinkTokenRequest,
    HipLinkCareContextRequest,
)
from adapter.rules import care_contexts
from adapter.rules.patients import GENDER_LETTERS, PatientFacts, read_patient
from adapter.rules.states import CareContextLinkState, LinkTokenState
from adapter.runtime import Adapter
from adapter.stores import facilities, links, outbox
from adapter.stores.db import Tx
from adapter.stores.links import ContextLink, LinkToken
from mappings.resources import encounters_of

__all__ = [
    "LinkReport",
    "advance",
    "ask_for_token",
    "link_encounter",
    "link_records",
    "note_changed",
]

#: The gateway remembers a link-token request about 6.2 minutes, answered or not.
BETWEEN_TOKEN_REQUESTS = timedelta(minutes=7)


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
    if not hi_types:
        return replace(
            report, sentence="The record holds nothing that ABDM has a document type for."
        )
    patient_id = str(records.patient["id"])
    with adapter.db.transaction() as tx:
        found = [(records.patient, context)]
        sentence = link_records(adapter, tx, found, requester).get((context.hip_id, patient_id), "")
        stored = links.contexts_of(tx, context.hip_id, patient_id, context.reference)
    adapter.wake()
    shown = tuple((row.hi_type, str(row.state)) for row in stored)
    troubles = dict.fromkeys(row.sentence for row in stored if row.sentence)
    return replace(report, states=shown, sentence=sentence or " ".join(troubles))


def link_records(
    adapter: Adapter,
    tx: Tx,
    found: Iterable[tuple[dict[str, Any], care_contexts.CareContext]],
    requester: str,
) -> dict[tuple[str, str], str]:
    """Note care contexts to be linked, then take the next step once for each patient and HIP.

    `found`: own Patients with care contexts that offer HI types; those of no facility served are
    left out. Links that are under way or done stay as they are, so it may be called at any time.
    Returns, by (HIP id, patient id), a sentence for those who cannot go on at once.
    """
    waiting: dict[tuple[str, str], PatientFacts] = {}
    for patient, context in found:
        if context.hip_id is None:
            continue
        facts = read_patient(patient)
        links.put_contexts(tx, _rows(adapter, patient, context, facts, requester))
        waiting[context.hip_id, facts.patient_id] = facts
    return {pair: _begin(adapter, tx, pair[0], facts) for pair, facts in waiting.items()}


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


def _begin(adapter: Adapter, tx: Tx, hip_id: str, facts: PatientFacts) -> str:
    """Make sure there is a token row for the patient, and advance; a sentence if it can't go on."""
    address = next(iter(facts.abha_addresses), None)
    if address is None:
        return (
            f"Patient/{facts.patient_id} has no ABHA address; the link waits until one is on the "
            "record, then link again."
        )
    request = _token_request(facts, address)
    if request is None:
        return (
            f"Patient/{facts.patient_id} needs a name, a gender and a year of birth, as in the "
            "ABHA profile, before a link token can be asked for."
        )
    token = links.token_of(tx, adapter, hip_id, address)
    if token is None:
        token = _first_token(adapter, hip_id, request)
    elif token.state is not LinkTokenState.ACTIVE:
        # Corrected demographics count from the next request on. A token in force stays with the
        # request it was made by: the ABHA number given then must be given on each link (6.2).
        token = replace(token, request=request)
    links.put_token(tx, adapter, token)
    return advance(adapter, tx, hip_id, address)


def _token_request(facts: PatientFacts, address: str) -> GenerateLinkTokenRequest | None:
    if not facts.names or facts.gender is None or facts.birth_year is None:
        return None
    return GenerateLinkTokenRequest(
        abha_address=address,
        abha_number=next(iter(facts.abha_numbers), None),
        name=facts.names[0],
        gender=GENDER_LETTERS.get(facts.gender, "U"),
        year_of_birth=facts.birth_year,
    )


def advance(adapter: Adapter, tx: Tx, hip_id: str, abha_address: str) -> str:
    """Take the next step for all links of this ABHA address that wait; a sentence if it is later.

    May be called at any time, any number of times.
    """
    rows = links.waiting(tx, hip_id, abha_address)
    token = links.token_of(tx, adapter, hip_id, abha_address)
    if not rows or token is None:
        return ""
    if _in_force(adapter, token):
        _send(adapter, tx, token, rows)
        return ""
    links.move(tx, rows, CareContextLinkState.WAITING_FOR_TOKEN)
    if token.state is LinkTokenState.REQUESTED:
        return ""  # the answer, or its absence, decides
    delay = _ask(adapter, tx, token)
    if delay:
        return (
            "A link token was asked for a moment ago; the next request leaves in "
            f"{int(delay.total_seconds() // 60) + 1} minutes, as ABDM requires."
        )
    return ""


def ask_for_token(adapter: Adapter, tx: Tx, hip_id: str, request: GenerateLinkTokenRequest) -> None:
    """Have a link token at hand before there is anything to link; nothing where one is in force or
    asked for already."""
    token = links.token_of(tx, adapter, hip_id, request.abha_address)
    if token is None:
        token = _first_token(adapter, hip_id, request)
    elif token.state is LinkTokenState.REQUESTED or _in_force(adapter, token):
        return
    _ask(adapter, tx, replace(token, request=request))


def _in_force(adapter: Adapter, token: LinkToken) -> bool:
    ends = token.expires_at
    return token.state is LinkTokenState.ACTIVE and ends is not None and ends > adapter.clock()


def _first_token(adapter: Adapter, hip_id: str, request: GenerateLinkTokenRequest) -> LinkToken:
    return LinkToken(
        id=links.new_id(),
        hip_id=hip_id,
        abha_address=request.abha_address,
        state=LinkTokenState.EXPIRED,
        token=None,
        request=request,
        requested_at=adapter.clock() - BETWEEN_TOKEN_REQUESTS,
    )


def _ask(adapter: Adapter, tx: Tx, token: LinkToken) -> timedelta:
    """Queue a request for this token; how long it has to wait."""
    now = adapter.clock()
    delay = max(token.requested_at + BETWEEN_TOKEN_REQUESTS - now, timedelta(0))
    links.put_token(
        tx,
        adapter,
        replace(
            token,
            state=LinkTokenState.REQUESTED,
            token=None,
            requested_at=now + delay,
            expires_at=None,
            error=None,
            sentence=None,
        ),
    )
    outbox.queue(
        tx,
        adapter,
        self_started(adapter, token.hip_id),
        token.request,
        deadline=ANY_REPLY,
        delay=delay,
        subject=token.id,
    )
    return delay


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
