"""HipConsentNotify: a consent was granted, revoked or expired. Every notice is acknowledged.

The artefact is a FHIR Consent under an id derived from its own, stored before it is acknowledged.
An end takes effect at once and for good, whatever overtakes it:

- The end is first noted in SQL and open transfers are cancelled there, even while FHIR is down;
  then the Consent becomes a tombstone without the artefact (cases HIP_INIT_REVOKE_CONSENT,
  HIP_INIT_EXPIRE_CONSENT); then comes the acknowledgement.
- A GRANTED notice looks for that note before its PUT and again in its commit. A grant worked on at
  the same moment as its revocation therefore either comes first, or sees the note and writes the
  tombstone itself. An end of an unknown artefact is noted too, so a late grant opens nothing.
"""

from __future__ import annotations

from datetime import timedelta

from adapter.flows.handler import ANY_REPLY, Commit, Handler
from adapter.protocol.errors import RetryLater
from adapter.protocol.messages import ConsentArtefact, Envelope, HipConsentNotify
from adapter.protocol.messages import HipConsentOnNotifyRequest as Acknowledgement
from adapter.rules import consent_resource
from adapter.rules.states import ConsentState, TransferState
from adapter.runtime import Adapter
from adapter.stores import audit, consent_ends, outbox, transfers
from adapter.stores.db import Tx
from adapter.stores.transfers import Transfer

#: An artefact is only acknowledged once stored, so a FHIR outage is waited out.
PATIENCE = timedelta(hours=23)

_ENDS = {"REVOKED": ConsentState.REVOKED, "EXPIRED": ConsentState.EXPIRED}


def on_hip_consent_notify(
    adapter: Adapter, envelope: Envelope, message: HipConsentNotify
) -> Commit:
    """Store what the notice says, then acknowledge. Raises FhirUnavailable."""
    if message.status in _ENDS:
        return _end(adapter, envelope, message.consent_id, _ENDS[message.status])
    if message.status == "GRANTED" and message.artefact is not None:
        return _grant(adapter, envelope, message, message.artefact)
    # REQUESTED and DENIED concern the HIU; a HIP stores nothing, and acknowledges all the same.
    return lambda tx: _acknowledge(adapter, tx, envelope, message.consent_id)


def _grant(
    adapter: Adapter, envelope: Envelope, message: HipConsentNotify, artefact: ConsentArtefact
) -> Commit:
    with adapter.db.reading() as tx:
        ended = consent_ends.ended_state(tx, message.consent_id)
    if ended is not None:
        # Terminal states never reopen: the late grant only leaves its trace in the audit trail.
        return _end(adapter, envelope, message.consent_id, ended, ignored="GRANTED")
    adapter.fhir.put(consent_resource.granted(artefact, message.signature, envelope.hip_id))

    def commit(tx: Tx) -> None:
        if consent_ends.ended_state(tx, message.consent_id) is not None:
            raise RetryLater("The consent ended while its grant was being stored.")
        outbox.queue_audit(
            tx,
            adapter,
            audit.consent_received(
                adapter,
                hip_id=envelope.hip_id,
                hiu_id=artefact.hiu_id,
                artefact_id=message.consent_id,
            ),
        )
        _acknowledge(adapter, tx, envelope, message.consent_id)

    return commit


def _end(
    adapter: Adapter,
    envelope: Envelope,
    artefact_id: str,
    state: ConsentState,
    *,
    ignored: str | None = None,
) -> Commit:
    now = adapter.clock()
    with adapter.db.transaction() as tx:
        consent_ends.mark_ended(tx, adapter, artefact_id, state, now)
        ended = consent_ends.ended_state(tx, artefact_id) or state
        for transfer_id in transfers.open_under(tx, artefact_id):
            cancel(adapter, tx, transfer_id, ended)
    adapter.fhir.put(consent_resource.ended(artefact_id, ended, envelope.hip_id, now))

    def commit(tx: Tx) -> None:
        event = (
            audit.refused(adapter, envelope, "HipConsentNotify", "IllegalTransition")
            if ignored
            else audit.consent_ended(
                adapter, hip_id=envelope.hip_id, artefact_id=artefact_id, status=ended
            )
        )
        outbox.queue_audit(tx, adapter, event)
        _acknowledge(adapter, tx, envelope, artefact_id)

    return commit


def cancel(adapter: Adapter, tx: Tx, transfer_id: str, consent: ConsentState) -> None:
    """No page of this transfer leaves any more. What left before is audited; ABDM, which ended the
    consent itself, gets no report (nothing is sent after revoke or expiry, V3 contract 10)."""
    row = transfers.by_id(tx, adapter, transfer_id)
    if row is None:
        return
    word = "expired" if consent is ConsentState.EXPIRED else "was revoked"
    sentence = f"The consent {word}; nothing more leaves under it."
    transfers.give_up_pages(tx, transfer_id, sentence)
    error = "ConsentExpired" if consent is ConsentState.EXPIRED else "ConsentRevoked"
    if not transfers.end(
        tx, transfer_id, TransferState.CANCELLED, adapter.clock(), error, sentence
    ):
        return
    audit_disclosure(adapter, tx, row, transfers.disclosed(tx, transfer_id), error)


def audit_disclosure(
    adapter: Adapter, tx: Tx, row: Transfer, references: list[str], outcome: str | None
) -> None:
    """Queue the AuditEvent that says which care contexts left under this transfer."""
    outbox.queue_audit(
        tx,
        adapter,
        audit.disclosed(
            adapter,
            hip_id=row.hip_id,
            hiu_id=row.hiu_id,
            patient_id=row.patient_id,
            artefact_id=row.consent_id,
            transaction_id=row.transaction_id,
            references=references,
            outcome=outcome,
        ),
    )


def _acknowledge(adapter: Adapter, tx: Tx, envelope: Envelope, artefact_id: str) -> None:
    outbox.queue(tx, adapter, envelope.reply(), Acknowledgement(artefact_id), deadline=ANY_REPLY)


def refuse(
    _envelope: Envelope, message: HipConsentNotify, error: str
) -> tuple[Acknowledgement, timedelta]:
    """The acknowledgement carries the error: the artefact could not be stored in a day."""
    return Acknowledgement(message.consent_id, error=error), ANY_REPLY


HANDLER = Handler(on_hip_consent_notify, refuse, PATIENCE)
