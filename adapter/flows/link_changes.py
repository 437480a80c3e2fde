"""What becomes of links when their visit or patient changes. ABDM publishes no way to unlink.

| Change | Outcome |
|---|---|
| visit or record cancelled, not done, entered in error, deleted, another patient's | WITHDRAWN |
| patient merged into another, or inactive | WITHDRAWN; linked under the other patient's record |
| patient opted out | WITHDRAWN until they take part again |
| ABHA deactivated | WITHDRAWN until ABDM gives a link token again |
| ABHA address taken off the record | linked: WITHDRAWN; not yet linked: NO_ABHA |
| another ABHA address on the record | linked anew under it; `remark` says what ABDM still lists |

WITHDRAWN: not linked, not offered, not released (`hip_prepare`, `hip_push` look), though ABDM may
still list it; the sentence and an AuditEvent tell the operator. Once the reason is gone, a link
that ABDM has already holds again, any other is made. All of it may be repeated at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from adapter.protocol.errors import NotFound
from adapter.rules.patients import PatientFacts, folded, read_patient
from adapter.rules.shareable import patient_ended
from adapter.rules.states import CareContextLinkState as State
from adapter.runtime import Adapter
from adapter.stores import abha_profiles, audit, links, opt_outs, outbox
from adapter.stores.db import Tx
from adapter.stores.links import ContextLink

log = structlog.get_logger(__name__)

RECORD_ENDED, PATIENT_ENDED, OPTED_OUT = "RecordEnded", "PatientEnded", "OptedOut"
#: The requester of links that patients made in their app.
PATIENT = "patient"
DEACTIVATED, ADDRESS_REMOVED = "AbhaDeactivated", "AddressRemoved"

#: What whoever notes an opt-out has to know.
AFTER_OPT_OUT = (
    "Nothing of this patient is linked or released any more. ABDM may still list what was linked "
    "before; the patient can remove it in their app."
)
_RELEASED_NO_MORE = "Nothing of it is released any more; ABDM may still list it."
_OPTED_OUT = "The patient opted out."
_DEACTIVATED = (
    "The patient's ABHA is deactivated; once it is active again, link again or fetch its profile."
)
_NO_ADDRESS = "Its ABHA address was taken off the patient's record."
_EARLIER_ADDRESS = (
    "ABDM still lists this under an earlier ABHA address of the patient, where nothing is released "
    "any more; the patient can remove it in their app."
)


def patient_changed(
    adapter: Adapter, tx: Tx, patient: dict[str, Any], *, again: bool = False
) -> str:
    """Bring the links of an own Patient in line with the record.

    `again`: ask ABDM anew about an ABHA known as deactivated. Returns why nothing of the patient
    may be linked, as a sentence, or "".
    """
    facts = read_patient(patient)
    links.hold_tokens(tx, facts.abha_addresses)
    rows = links.of_patient(tx, facts.patient_id)
    reason, sentence = _why_not(tx, adapter, patient, facts, again=again)
    if reason:
        withdraw(adapter, tx, rows, reason, sentence)
        return sentence
    _follow_address(adapter, tx, [row for row in rows if not _fits(row, facts)], facts)
    withdrawn = [row for row in links.of_patient(tx, facts.patient_id) if _is_withdrawn(row)]
    back = [row for row in withdrawn if row.error != ADDRESS_REMOVED or _fits(row, facts)]
    _restore(tx, [row for row in back if row.error != RECORD_ENDED], facts)
    return ""


def patient_gone(adapter: Adapter, tx: Tx, patient_id: str) -> None:
    """There is no such own Patient any more."""
    sentence = f"Patient/{patient_id} is not on the FHIR server any more."
    withdraw(adapter, tx, links.of_patient(tx, patient_id), PATIENT_ENDED, sentence)


def record_changed(
    adapter: Adapter, tx: Tx, reference: str, patient: dict[str, Any], ended: str
) -> None:
    """Bring the links of a root record (care context reference `Encounter-17`) in line with it.

    `patient`: whose it is now; `ended`: why it may not be shared, "" if it may. Call
    `patient_changed` before.
    """
    if ended:
        record_ended(adapter, tx, reference, ended)
        return
    facts = read_patient(patient)
    rows = links.of_reference(tx, reference)
    others = [row for row in rows if row.patient_id != facts.patient_id]
    moved = f"It is Patient/{facts.patient_id}'s now, and linked as theirs."
    withdraw(adapter, tx, others, RECORD_ENDED, moved)
    own = [row for row in rows if row.patient_id == facts.patient_id]
    _restore(tx, [row for row in own if _is_withdrawn(row) and row.error == RECORD_ENDED], facts)


def record_ended(adapter: Adapter, tx: Tx, reference: str, sentence: str) -> None:
    """A root record may not be shared, for the reason in `sentence`: cancelled, entered in error,
    deleted."""
    withdraw(adapter, tx, links.of_reference(tx, reference), RECORD_ENDED, sentence)


def abha_deactivated(adapter: Adapter, tx: Tx, abha_address: str) -> None:
    """ABDM said that the holder has deactivated this ABHA."""
    withdraw(adapter, tx, links.of_address(tx, abha_address), DEACTIVATED, _DEACTIVATED)


def opt_out(adapter: Adapter, patient_id: str, requester: str) -> None:
    """The patient wants nothing linked or released; in force when this returns.

    Raises NotFound (no such own patient), FhirUnavailable.
    """
    _own_patient(adapter, patient_id)
    with adapter.db.transaction() as tx:
        opt_outs.add(tx, adapter, patient_id, requester, adapter.clock())
        withdraw(adapter, tx, links.of_patient(tx, patient_id), OPTED_OUT, _OPTED_OUT, requester)
    adapter.wake()


def opt_in(adapter: Adapter, patient_id: str) -> None:
    """The patient takes part again. Raises NotFound (no such own patient), FhirUnavailable."""
    patient = _own_patient(adapter, patient_id)
    with adapter.db.transaction() as tx:
        opt_outs.remove(tx, patient_id)
        patient_changed(adapter, tx, patient)
    adapter.wake()


def _own_patient(adapter: Adapter, patient_id: str) -> dict[str, Any]:
    patient = adapter.fhir.patient(patient_id)
    if patient is None:
        raise NotFound("There is no patient with this id.")
    return patient


def withdraw(
    adapter: Adapter,
    tx: Tx,
    rows: Sequence[ContextLink],
    reason: str,
    sentence: str,
    requester: str | None = None,
) -> None:
    """Links become WITHDRAWN for this reason; those that are already keep theirs, unless the
    record itself has ended."""
    fresh = [row for row in rows if row.state is not State.WITHDRAWN]
    changed = fresh + [
        row for row in rows if row.state is State.WITHDRAWN and reason == RECORD_ENDED != row.error
    ]
    if not changed:
        return
    told = f"{sentence} {_RELEASED_NO_MORE}"[:500]
    links.move(tx, changed, State.WITHDRAWN, error=reason, sentence=told, update_due_at=None)
    listed = [row for row in fresh if row.state in (State.LINKED, State.SENT)]
    by_owner: dict[tuple[str, str], list[str]] = {}
    for row in listed:
        by_owner.setdefault((row.hip_id, row.patient_id), []).append(row.reference)
    for (hip_id, patient_id), references in by_owner.items():
        log.warning("linked care contexts are withdrawn", hip_id=hip_id, reason=reason)
        event = audit.withdrawn(
            adapter,
            hip_id=hip_id,
            patient_id=patient_id,
            references=dict.fromkeys(references),
            user=requester,
        )
        outbox.queue_audit(tx, adapter, event)


def _why_not(
    tx: Tx, adapter: Adapter, patient: dict[str, Any], facts: PatientFacts, *, again: bool
) -> tuple[str, str]:
    """(reason, sentence) why nothing of the patient may be shared; ("", "") if it may."""
    ended = patient_ended(patient)
    if ended:
        return PATIENT_ENDED, ended
    if opt_outs.among(tx, [facts.patient_id]):
        return OPTED_OUT, _OPTED_OUT
    address = next(iter(facts.abha_addresses), None)
    if address and not again:
        profiles = abha_profiles.by_identifiers(tx, adapter, None, address)
        inactive = (
            not profiles[0].active if profiles else links.token_error(tx, address) == DEACTIVATED
        )
        if inactive:
            return DEACTIVATED, _DEACTIVATED
    return "", ""


def _follow_address(
    adapter: Adapter, tx: Tx, rows: Sequence[ContextLink], facts: PatientFacts
) -> None:
    """Links under an ABHA address that the record does not carry any more."""
    listed = [row for row in rows if row.linked_at or row.state in (State.LINKED, State.SENT)]
    open_ = [row for row in rows if row not in listed and row.state is not State.WITHDRAWN]
    address = next(iter(facts.abha_addresses), None)
    if address is None:
        withdraw(adapter, tx, listed, ADDRESS_REMOVED, _NO_ADDRESS)
        links.move(tx, open_, State.NO_ABHA, abha_address=None, batch=None)
        return
    ended = [row for row in listed if row.error == RECORD_ENDED]
    moved = [row for row in listed if row not in ended]
    withdraw(adapter, tx, moved, ADDRESS_REMOVED, _NO_ADDRESS)
    # The earlier link's answer must not count for the new one, so its batch is forgotten.
    values = {"abha_address": address, "batch": None, "error": None, "sentence": None}
    links.move(tx, moved, State.PENDING, linked_at=None, remark=_EARLIER_ADDRESS, **values)
    for row in open_:
        links.note(tx, row.id, **values)
    links.move(tx, [row for row in open_ if row.state is State.FAILED], State.PENDING)


def _restore(tx: Tx, rows: Sequence[ContextLink], facts: PatientFacts) -> None:
    """The reason of these WITHDRAWN links is gone."""
    address = next(iter(facts.abha_addresses), None)
    clean = {"error": None, "sentence": None}
    # Of an ABHA that was deactivated nobody knows what ABDM kept: it is asked.
    holds = [
        row for row in rows if row.linked_at and row.error != DEACTIVATED and _fits(row, facts)
    ]
    links.move(tx, holds, State.LINKED, **clean)
    others = [row for row in rows if row not in holds]
    state = State.PENDING if address else State.NO_ABHA
    links.move(tx, others, state, abha_address=address, batch=None, **clean)


def _fits(row: ContextLink, facts: PatientFacts) -> bool:
    """Whether the record still says what the link was made by. A patient who linked in their own
    app has proven the address by OTP; no record needs to carry it."""
    address = folded(row.abha_address or "")
    return not address or row.requester == PATIENT or address in map(folded, facts.abha_addresses)


def _is_withdrawn(row: ContextLink) -> bool:
    return row.state is State.WITHDRAWN
