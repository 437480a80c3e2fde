"""HipHealthInformationRequest: may this be served? Then acknowledge, and only then prepare.

Everything that can be refused is refused here, before ACKNOWLEDGED: consent, dates, HI types, care
contexts, key material, push URL (V3 contract 6.7, case HIP_INIT_SHARE_CARECONTEXT). Transfer, care
contexts and acknowledgement are one commit; pages are made once the gateway took the
acknowledgement. Where it refuses it (a request it has closed meanwhile: 401), nothing is pushed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from adapter.crypto.fidelius import check_peer
from adapter.flows.handler import DATA_REPLY, TAKEN, Commit, Handler, Outcome
from adapter.protocol import ids
from adapter.protocol.errors import (
    CareContextNotFound,
    ConsentExpired,
    ConsentNotFound,
    ConsentRevoked,
    KeyMaterialInvalid,
    RequestNotServable,
    RetryLater,
)
from adapter.protocol.messages import (
    Envelope,
    HipHealthInformationOnRequest,
    HipHealthInformationRequest,
)
from adapter.rules import care_contexts, consent_resource
from adapter.rules.consent import ConsentFacts, may_serve
from adapter.rules.patients import folded, read_patient
from adapter.rules.states import ConsentState, TransferState
from adapter.runtime import Adapter
from adapter.stores import consent_ends, facilities, links, outbox, transfers
from adapter.stores.db import Tx
from adapter.stores.transfers import Request, Transfer
from adapter.upstream.push import host_of
from mappings.documents import DOCUMENT_TYPES

#: Notice and request may overtake each other by a little.
CONSENT_WAIT = timedelta(seconds=30)
#: A FHIR outage is waited out as long as pages could still be delivered in time afterwards.
PATIENCE = timedelta(minutes=15)

_ENDED = {ConsentState.REVOKED: ConsentRevoked, ConsentState.EXPIRED: ConsentExpired}


def on_health_information_request(
    adapter: Adapter, envelope: Envelope, message: HipHealthInformationRequest
) -> Commit:
    """Check the request and acknowledge it.

    Raises each ProtocolError by which it may be refused; RetryLater and FhirUnavailable where it
    can't be judged yet.
    """
    hip_id = envelope.hip_id or ""
    now = adapter.clock()
    with adapter.db.reading() as tx:
        received = transfers.received_at(tx, type(message).__name__, envelope.request_id) or now
        known = transfers.by_transaction(tx, adapter, message.transaction_id)
    if known is not None:
        return _repeated(adapter, envelope, known)
    consent = _consent(adapter, message.consent_id, waited=now - received)
    permitted = may_serve(
        consent,
        hip_id=hip_id,
        requested=message.date_range,
        offered_hi_types=DOCUMENT_TYPES,
        now=now,
    )
    patient_ids = _patients(adapter, hip_id, consent.patient_address, permitted.care_contexts)
    key = message.key_material
    if key.algorithm.upper() != "ECDH" or key.curve.lower() != "curve25519":
        raise KeyMaterialInvalid("The key material names another algorithm or curve than ABDM's.")
    check_peer(key.public_key, key.nonce)
    adapter.push.check(message.data_push_url)
    row = Transfer(
        id=ids.new_request_id(),
        transaction_id=message.transaction_id,
        consent_id=message.consent_id,
        hip_id=hip_id,
        hiu_id=consent.hiu_id,
        patient_id=patient_ids[0],
        dialect=envelope.dialect,
        state=TransferState.ACKNOWLEDGED,
        request=Request(
            push_url=message.data_push_url,
            public_key=key.public_key,
            nonce=key.nonce,
            start=message.date_range.start,
            end=message.date_range.end,
            hi_types=permitted.hi_types,
            patient_ids=patient_ids,
        ),
        push_host=host_of(message.data_push_url)[:255],
        created_at=now,
        due_at=received + timedelta(seconds=adapter.config.transfer_deadline),
        deadline=received + timedelta(seconds=adapter.config.transfer_deadline),
    )

    def commit(tx: Tx) -> None:
        _not_ended(tx, message.consent_id)
        if not transfers.add(tx, adapter, row, permitted.care_contexts):
            raise RetryLater("The same transaction is being worked on already.")
        _acknowledge(adapter, tx, envelope, row.transaction_id, subject=row.id)

    return commit


def after_on_request(adapter: Adapter, tx: Tx, transfer_id: str, outcome: Outcome) -> None:
    """The gateway took the acknowledgement: prepare now. It did not: nothing will be pushed."""
    if not transfer_id:
        return
    now = adapter.clock()
    if outcome in TAKEN:
        transfers.move(tx, transfer_id, TransferState.PREPARING, due_at=now)
        return
    sentence = f"The gateway did not take our acknowledgement ({outcome}), so nothing was pushed."
    transfers.end(tx, transfer_id, TransferState.CANCELLED, now, outcome, sentence)


def refuse(
    _envelope: Envelope, message: HipHealthInformationRequest, error: str
) -> tuple[HipHealthInformationOnRequest, timedelta]:
    """HipHealthInformationOnRequest with the error; nothing is pushed."""
    return HipHealthInformationOnRequest(message.transaction_id, error=error), DATA_REPLY


def _repeated(adapter: Adapter, envelope: Envelope, known: Transfer) -> Commit:
    """The same transaction under another REQUEST-ID: acknowledged again, never transferred again.

    Raises RequestNotServable once it has ended without success.
    """
    if known.state in (TransferState.FAILED, TransferState.CANCELLED):
        raise RequestNotServable("This transaction has ended; the HIU has to request again.")
    return lambda tx: _acknowledge(adapter, tx, envelope, known.transaction_id, subject=None)


def _acknowledge(
    adapter: Adapter, tx: Tx, envelope: Envelope, transaction_id: str, *, subject: str | None
) -> None:
    outbox.queue(
        tx,
        adapter,
        envelope.reply(),
        HipHealthInformationOnRequest(transaction_id),
        deadline=DATA_REPLY,
        subject=subject,
    )


def _consent(adapter: Adapter, artefact_id: str, *, waited: timedelta) -> ConsentFacts:
    """The stored consent. Raises ConsentRevoked, ConsentExpired, ConsentNotFound, RetryLater."""
    with adapter.db.reading() as tx:
        _not_ended(tx, artefact_id)
    resource = adapter.fhir.consent(ids.consent_id("hip", artefact_id))
    if resource is not None:
        return consent_resource.read(resource)
    if waited < CONSENT_WAIT:
        raise RetryLater("The consent is not here yet; its notice may be on the way.")
    raise ConsentNotFound("No consent of this id was ever notified to this facility.")


def _not_ended(tx: Tx, artefact_id: str) -> None:
    ended = consent_ends.ended_state(tx, artefact_id)
    if ended is not None:
        raise _ENDED[ended]("The consent has ended; a new one is needed.")


def _patients(
    adapter: Adapter, hip_id: str, abha_address: str, references: Sequence[str]
) -> tuple[str, ...]:
    """The ids of the patient whose care contexts these are, all of this facility.

    What was linked through this adapter is known from its links; anything else (linked by another
    system before, or after a loss of the adapter's own tables) is looked up in FHIR: the visit's
    patient must bear the artefact's ABHA address, and its facility must be this one. Raises
    CareContextNotFound unless all are known.
    """
    with adapter.db.reading() as tx:
        linked = links.patients_of(tx, hip_id, abha_address, references)
        served = facilities.served(tx)
    patient_ids = set(linked.values())
    missing = [reference for reference in references if reference not in linked]
    if missing:
        # An address that the record carries as an old one is the patient's no more.
        bearers = {
            patient["id"]
            for patient in adapter.fhir.find_patients(abha_address=abha_address)
            if folded(abha_address) in map(folded, read_patient(patient).abha_addresses)
        }
        for records in adapter.fhir.records_of(tuple(missing)):
            owner = records.patient["id"] if records.patient else None
            at_home = care_contexts.facility_of(records, served) == hip_id
            if owner in bearers and at_home:
                patient_ids.add(str(owner))
                missing.remove(care_contexts.reference_of(records.root))
    if missing or not patient_ids:
        raise CareContextNotFound(
            f"{len(missing)} of the consent's care contexts are not visits of this patient at this "
            "facility."
        )
    return tuple(sorted(patient_ids))


HANDLER = Handler(on_health_information_request, refuse, PATIENCE)
