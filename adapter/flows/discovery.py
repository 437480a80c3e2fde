"""DiscoverCareContexts: a patient looks for records here, and is shown what is not linked yet.

Nothing is linked by a discovery; it leaves a link session that `user_linking` goes on with. Of a
patient who is not found, or not found alone, nothing is told (V3 contract 6.5; cases
USER_INIT_LINK_603, 604, 606).
"""

from __future__ import annotations

from datetime import timedelta

import mappings
from adapter.flows.handler import DISCOVER_REPLY, Commit, Handler
from adapter.flows.lookup import only_facility
from adapter.protocol.errors import NoUnlinkedCareContexts
from adapter.protocol.messages import DiscoverCareContexts, Envelope, OnDiscoverRequest
from adapter.rules.care_contexts import care_context, patient_entries, unlinked
from adapter.rules.matching import match, verified_values
from adapter.rules.patients import ABHA_DIGITS, read_patient
from adapter.rules.shareable import patient_ended
from adapter.rules.states import LinkSessionState
from adapter.runtime import Adapter
from adapter.stores import facilities, link_sessions, links, opt_outs, outbox
from adapter.stores.db import Tx
from adapter.stores.link_sessions import LinkSession

#: An idle discovery lapses; the patient may discover again at any time.
SESSION_LIFE = timedelta(minutes=30)
#: The answer is worth nothing after 10 s, so a store that is away is not waited for longer.
PATIENCE = timedelta(seconds=8)


def on_discover(adapter: Adapter, envelope: Envelope, message: DiscoverCareContexts) -> Commit:
    """Match the patient, list the unlinked care contexts of this facility, open a link session.

    Raises PatientNotFound, MultiplePatients, NoUnlinkedCareContexts, FhirUnavailable.
    """
    hip_id = envelope.hip_id or ""
    candidates = _candidates(adapter, message)
    found = {each["id"]: each for each in candidates if not patient_ended(each)}
    matched = match(
        message,
        [read_patient(patient) for patient in found.values()],
        age_band=adapter.config.discovery_age_band,
    )
    patient = found[matched.patient_id]
    with adapter.db.reading() as tx:
        served = facilities.served(tx)
        linked = links.linked_pairs(tx, hip_id, matched.patient_id, message.abha_address)
        opted_out = opt_outs.among(tx, [matched.patient_id])
    facility = only_facility(adapter, served)
    contexts = [
        care_context(records, mappings.hi_types(records), served)
        for records in adapter.fhir.care_contexts_of(matched.patient_id, facility=facility)
    ]
    entries = patient_entries(patient, unlinked(contexts, hip_id, linked))
    if opted_out:
        raise NoUnlinkedCareContexts(
            f"Patient/{matched.patient_id} opted out, so nothing is shown."
        )
    if not entries:
        raise NoUnlinkedCareContexts(
            f"Patient/{matched.patient_id} has no visit left to link at this facility."
        )
    now = adapter.clock()
    session = LinkSession(
        transaction_id=message.transaction_id,
        hip_id=hip_id,
        abha_address=message.abha_address,
        patient_id=matched.patient_id,
        state=LinkSessionState.DISCOVERED,
        offered=entries,
        dialect=envelope.dialect,
        created_at=now,
        expires_at=now + SESSION_LIFE,
    )

    def commit(tx: Tx) -> None:
        link_sessions.open_session(tx, adapter, session)
        outbox.queue(
            tx,
            adapter,
            envelope.reply(),
            OnDiscoverRequest(message.transaction_id, entries, matched.matched_by),
            deadline=DISCOVER_REPLY,
            conversation=f"link:{message.transaction_id}",
        )

    return commit


def _candidates(adapter: Adapter, message: DiscoverCareContexts) -> list[dict[str, object]]:
    """Every own patient who shares an ABHA address, a verified ABHA number or mobile."""
    found = adapter.fhir.find_patients(abha_address=message.abha_address)
    for number in verified_values(message, "ABHA_NUMBER"):
        if len(number) == ABHA_DIGITS:
            found += adapter.fhir.find_patients(abha_number=number)
    for mobile in verified_values(message, "MOBILE"):
        found += adapter.fhir.find_patients(mobile=mobile)
    return found


def refuse(
    _envelope: Envelope, message: DiscoverCareContexts, error: str
) -> tuple[OnDiscoverRequest, timedelta]:
    """OnDiscoverRequest with the error and no patient."""
    return OnDiscoverRequest(message.transaction_id, error=error), DISCOVER_REPLY


HANDLER = Handler(on_discover, refuse, PATIENCE, waited_for=True)
