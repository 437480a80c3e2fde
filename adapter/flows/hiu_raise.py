"""A consent request is raised: checked before any call, written to FHIR, then to SQL and sent.

What ABDM makes of it is `hiu_consent`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from adapter.flows.handler import ANY_REPLY, TAKEN, Commit, Handler, Outcome
from adapter.flows.hiu_shared import answered
from adapter.protocol import ids, routes
from adapter.protocol.errors import MalformedRequest, NotFound, RetryLater
from adapter.protocol.messages import (
    ConsentRequestInit,
    Envelope,
    FindPatientRequest,
    OnFindPatient,
)
from adapter.protocol.refusals import reaction
from adapter.rules import consent_request, hiu_consent_resource
from adapter.rules.consent_request import Asked
from adapter.rules.patients import folded, read_patient
from adapter.rules.states import ConsentRequestState as State
from adapter.runtime import Adapter
from adapter.stores import audit, consent_requests, outbox, outbox_rows
from adapter.stores.consent_requests import ConsentRequest
from adapter.stores.db import Tx
from adapter.stores.outbox_rows import OutboxRow

#: How long the question whether an address exists is worth asking.
FIND_REPLY = timedelta(seconds=60)
BETWEEN_LOOKS = timedelta(seconds=10)
_UNANSWERED = (
    "ABDM took the request but did not answer it. Check that the HIU service is registered and the "
    "bridge URL leads here; then raise it again. An answer that still comes is taken."
)


def raise_request(
    adapter: Adapter, body: Mapping[str, Any], *, user: str, hiu_ids: Collection[str]
) -> ConsentRequest:
    """Ask a patient for consent; `body` with the fields of `rules.consent_request`.

    `user`: who acts; `hiu_ids`: the facilities they may ask for. FHIR comes first: a crash between
    the two leaves a Consent that proposes something and no request, never the reverse. Raises
    MalformedRequest with a sentence for each fault, NotFound (no such facility of theirs),
    FhirUnavailable; nothing has left then.
    """
    now = adapter.clock()
    system = adapter.config.public_url or "hims"
    asked = consent_request.read(body, now=now, user=user, user_system=system)
    hiu_id = _asking(asked, hiu_ids)
    patient_id, init = _about(adapter, asked)
    row = ConsentRequest(
        id=ids.new_request_id(),
        hiu_id=hiu_id,
        dialect=adapter.config.api_version_of(hiu_id),
        requester=user,
        state=State.CREATED,
        shown=State.CREATED,
        created_at=now,
        patient_id=patient_id,
    )
    adapter.fhir.put(
        hiu_consent_resource.requested(row.id, init, hiu_id=hiu_id, requester=user, at=now)
    )
    with adapter.db.transaction() as tx:
        consent_requests.add(tx, row)
        envelope = Envelope(row.dialect, hiu_id=hiu_id)
        if routes.offers(row.dialect, FindPatientRequest):
            find = FindPatientRequest(init.abha_address)
            outbox.queue(tx, adapter, envelope, find, deadline=FIND_REPLY, subject=row.id)
        outbox.queue(tx, adapter, envelope, init, deadline=ANY_REPLY, subject=row.id)
        event = audit.consent_requested(
            adapter, hiu_id=hiu_id, patient_id=patient_id, request_id=row.id, user=user
        )
        outbox.queue_audit(tx, adapter, event)
    adapter.wake()
    return row


def not_before(adapter: Adapter, tx: Tx, row: OutboxRow) -> datetime | None:
    """A request waits until ABDM has said whether the address exists, where it can be asked; a
    question that stays unanswered holds nothing up."""
    asked = outbox.newest(tx, FindPatientRequest.__name__, row.subject or "")
    open_states = (outbox_rows.State.WAITING, outbox_rows.State.AWAITING)
    if asked is None or asked.state not in open_states:
        return None
    return adapter.clock() + BETWEEN_LOOKS


def on_find_patient(adapter: Adapter, envelope: Envelope, message: OnFindPatient) -> Commit:
    """The address exists: the request leaves. It does not: FAILED, and nothing is asked."""
    found = answered(adapter, envelope, FindPatientRequest)
    request_id = found.subject or ""

    def commit(tx: Tx) -> None:
        now = adapter.clock()
        refusal = reaction(FindPatientRequest.__name__, message.error) if message.error else None
        if refusal is None or isinstance(refusal, RetryLater):
            outbox.bring_forward(tx, ConsentRequestInit.__name__, request_id, now)
            return
        error = type(refusal).__name__
        if not outbox.withdraw(tx, request_id, now, error, refusal.sentence):
            return  # it has left: its own answer decides
        sentence = (
            f"ABDM knows no such ABHA address ({refusal.sentence}) Correct it, then ask again."
        )
        consent_requests.move(
            tx, request_id, State.FAILED, done_at=now, error=error, sentence=sentence[:500]
        )

    return commit


def after_find(adapter: Adapter, tx: Tx, request_id: str, outcome: Outcome) -> None:
    """Taken: the answer decides. Else the request leaves unchecked, and its own answer decides."""
    if outcome not in TAKEN:
        outbox.bring_forward(tx, ConsentRequestInit.__name__, request_id, adapter.clock())


def _asking(asked: Asked, hiu_ids: Collection[str]) -> str:
    if asked.hiu_id is not None:
        if asked.hiu_id not in hiu_ids:
            raise NotFound("None of your facilities has this HIU service id.")
        return asked.hiu_id
    if len(hiu_ids) != 1:
        raise MalformedRequest("hiu is missing: name the service id of the facility that asks.")
    return next(iter(hiu_ids))


def _about(adapter: Adapter, asked: Asked) -> tuple[str | None, ConsentRequestInit]:
    """The own Patient, if there is one, and the request with the patient's ABHA address.

    V3 takes no ABHA number here, so a number is looked up among the hospital's own patients.
    """
    if asked.abha_number is None:
        found = adapter.fhir.find_patients(abha_address=asked.init.abha_address)
        return (found[0]["id"] if len(found) == 1 else None), asked.init
    found = adapter.fhir.find_patients(abha_number=asked.abha_number)
    addresses = {
        folded(address): address
        for patient in found
        for address in read_patient(patient).abha_addresses
    }
    if len(addresses) != 1:
        what = "several ABHA addresses of" if addresses else "no ABHA address of"
        raise MalformedRequest(
            f"patient_abha: the records here know {what} this ABHA number; give the patient's ABHA "
            "address instead, since ABDM takes a consent request by address only."
        )
    (address,) = addresses.values()
    return (
        found[0]["id"] if len(found) == 1 else None,
        replace(asked.init, abha_address=address),
    )


def after_init(adapter: Adapter, tx: Tx, request_id: str, outcome: Outcome) -> None:
    """Taken: on-init decides. Refused for good or never answered: FAILED, with the reason."""
    if outcome in TAKEN:
        return
    reason = outbox.sentence_of(tx, ConsentRequestInit.__name__, request_id)
    sentence = _UNANSWERED if outcome == "Unanswered" else reason or outcome
    consent_requests.move(
        tx,
        request_id,
        State.FAILED,
        done_at=adapter.clock(),
        error=outcome,
        sentence=sentence,
    )


FIND_HANDLER = Handler(on_find_patient, None, timedelta(minutes=5))
