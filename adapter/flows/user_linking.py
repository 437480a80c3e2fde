"""LinkInit and LinkConfirm: the patient chose visits, and an OTP proves whose phone it is.

The OTP goes to the mobile on OUR record, never to one the caller names. OnLinkInitRequest follows
only once the message service took the OTP. Five wrong OTPs lock the session, counted over repeated
inits. Links count as linked when the gateway took OnLinkConfirmRequest: no later callback comes
(V3 contract 6.5; case USER_INIT_LINK_605).
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from adapter.flows.handler import LINK_REPLY, SENT, TAKEN, Commit, Handler, Outcome
from adapter.flows.linked import mark_linked
from adapter.protocol import ids
from adapter.protocol.errors import (
    CareContextNotFound,
    LinkSessionExpired,
    LinkSessionNotFound,
    OtpNotSent,
)
from adapter.protocol.messages import (
    CareContextEntry,
    Envelope,
    LinkConfirm,
    LinkInit,
    OnLinkConfirmRequest,
    OnLinkInitRequest,
    PatientEntry,
)
from adapter.rules.care_contexts import grouped
from adapter.rules.patients import folded, read_patient
from adapter.rules.states import CareContextLinkState, LinkSessionState
from adapter.runtime import Adapter
from adapter.stores import link_sessions, links, outbox
from adapter.stores.db import Tx
from adapter.stores.link_sessions import LinkSession
from adapter.stores.links import ContextLink

OTP_LIFE = timedelta(minutes=10)
MOST_TRIES = 5
PATIENCE = timedelta(seconds=50)


def on_link_init(adapter: Adapter, envelope: Envelope, message: LinkInit) -> Commit:
    """Check the choice against what was offered, make an OTP and queue it.

    Raises LinkSessionNotFound, LinkSessionExpired, CareContextNotFound, OtpNotSent (no mobile on
    record), FhirUnavailable.
    """
    if message.error is not None:
        return _stopped_by_gateway(message)
    with adapter.db.reading() as tx:
        session = link_sessions.by_transaction(tx, adapter, message.transaction_id)
    session = _usable(adapter, envelope, message, session)
    chosen = _chosen(session, message.patients)
    patient = adapter.fhir.patient(session.patient_id)
    mobiles = read_patient(patient).mobiles if patient else ()
    if not mobiles:
        raise OtpNotSent(
            f"Patient/{session.patient_id} has no mobile number; add one to the record, then the "
            "patient can link again."
        )
    now = adapter.clock()
    otp = f"{secrets.randbelow(1_000_000):06d}"
    reference = ids.new_request_id()

    def commit(tx: Tx) -> None:
        moved = link_sessions.choose(
            tx,
            adapter,
            session.transaction_id,
            chosen=chosen,
            link_reference=reference,
            otp_hash=adapter.sealer.keyed_hash(otp, purpose=_purpose(reference)),
            otp_hint=f"XXXXXXXX{mobiles[0][-2:]}",
            otp_expires_at=now + OTP_LIFE,
            expires_at=max(session.expires_at, now + OTP_LIFE),
            init_request_id=envelope.request_id,
        )
        if not moved:
            raise LinkSessionExpired("The link session ended while its OTP was being made.")
        outbox.queue_otp(
            tx,
            adapter,
            mobile=mobiles[0],
            text=f"{otp} is your OTP to link your health records. It is valid for 10 minutes. "
            "Do not share it with anyone.",
            code=otp,
            subject=reference,
            deadline=LINK_REPLY,
        )

    return commit


def after_otp(adapter: Adapter, tx: Tx, link_reference: str, outcome: Outcome) -> None:
    """Answer LinkInit: the message service took the OTP (masked hint), or it did not (error)."""
    session = link_sessions.by_link_reference(tx, adapter, link_reference)
    if session is None:
        return
    reply = OnLinkInitRequest(session.transaction_id, error=OtpNotSent.__name__)
    if outcome == SENT:
        reply = OnLinkInitRequest(
            session.transaction_id,
            link_reference=link_reference,
            hint=session.otp_hint or "",
            expires_at=session.otp_expires_at,
        )
    envelope = Envelope(session.dialect, hip_id=session.hip_id, response_to=session.init_request_id)
    outbox.queue(
        tx,
        adapter,
        envelope,
        reply,
        deadline=LINK_REPLY,
        conversation=f"link:{session.transaction_id}",
    )


def on_link_confirm(adapter: Adapter, envelope: Envelope, message: LinkConfirm) -> Commit:
    """Compare the OTP; all of it in the one transaction, so that no two tries are counted as one.

    The reply is OnLinkConfirmRequest with exactly the chosen entries, or its error.
    """

    def commit(tx: Tx) -> None:
        session = link_sessions.by_link_reference(tx, adapter, message.link_reference)
        error = _judge(adapter, tx, envelope, message, session)
        if error is not None or session is None:
            reply = OnLinkConfirmRequest(error=error)
        else:
            reply = OnLinkConfirmRequest(session.chosen)
            links.put_contexts(tx, _links(adapter, session))
        outbox.queue(
            tx,
            adapter,
            envelope.reply(),
            reply,
            deadline=LINK_REPLY,
            subject=message.link_reference if error is None else None,
        )

    return commit


def after_confirm(adapter: Adapter, tx: Tx, link_reference: str, outcome: Outcome) -> None:
    """The gateway took our confirmation: linked. It refused it: not linked, and may be tried
    again by a new discovery."""
    rows = links.in_batch(tx, link_reference) if link_reference else []
    if outcome in TAKEN:
        mark_linked(adapter, tx, rows)
    elif rows:
        links.move(
            tx,
            rows,
            CareContextLinkState.FAILED,
            error=outcome,
            sentence="The gateway did not take our confirmation; the patient has to link again.",
        )


def refuse_init(
    _envelope: Envelope, message: LinkInit, error: str
) -> tuple[OnLinkInitRequest, timedelta]:
    """OnLinkInitRequest with the error and no link."""
    return OnLinkInitRequest(message.transaction_id, error=error), LINK_REPLY


def refuse_confirm(
    _envelope: Envelope, _message: LinkConfirm, error: str
) -> tuple[OnLinkConfirmRequest, timedelta]:
    """OnLinkConfirmRequest with the error and no patient."""
    return OnLinkConfirmRequest(error=error), LINK_REPLY


def _stopped_by_gateway(message: LinkInit) -> Commit:
    """The gateway ended the flow itself (already linked, say): no reply is asked for."""

    def commit(tx: Tx) -> None:
        link_sessions.move(tx, message.transaction_id, LinkSessionState.EXPIRED, otp_hash=None)

    return commit


def _usable(
    adapter: Adapter, envelope: Envelope, message: LinkInit, session: LinkSession | None
) -> LinkSession:
    if (
        session is None
        or session.hip_id != envelope.hip_id
        or (message.abha_address and folded(message.abha_address) != folded(session.abha_address))
    ):
        raise LinkSessionNotFound("No discovery of this patient has that transaction id.")
    ended = session.state not in (LinkSessionState.DISCOVERED, LinkSessionState.OTP_SENT)
    if ended or adapter.clock() >= session.expires_at or session.tries >= MOST_TRIES:
        raise LinkSessionExpired("This linking has ended; the patient has to discover again.")
    return session


def _chosen(session: LinkSession, wanted: tuple[PatientEntry, ...]) -> tuple[PatientEntry, ...]:
    """The chosen entries with our own displays. Raises CareContextNotFound for any not offered."""
    offered = {
        (entry.hi_type, context.reference_number): context
        for entry in session.offered
        for context in entry.care_contexts
    }
    keys = [
        (hi_type, context.reference_number)
        for entry in wanted
        for context in entry.care_contexts
        # Without a HI type the care context is meant with all that it was offered with.
        for hi_type in ([entry.hi_type] if entry.hi_type else _offered_types(session, context))
    ]
    if not keys or any(key not in offered for key in keys):
        raise CareContextNotFound("A care context was chosen that the discovery did not offer.")
    pairs: list[tuple[CareContextEntry, str]] = [(offered[key], key[0]) for key in keys]
    return grouped(session.offered[0].reference_number, session.offered[0].display, pairs)


def _offered_types(session: LinkSession, wanted: CareContextEntry) -> list[str]:
    found = [
        entry.hi_type
        for entry in session.offered
        if wanted.reference_number in {each.reference_number for each in entry.care_contexts}
    ]
    return found or [""]


def _judge(
    adapter: Adapter,
    tx: Tx,
    envelope: Envelope,
    message: LinkConfirm,
    session: LinkSession | None,
) -> str | None:
    """The error that this confirmation earns, or None: confirmed. Writes what it costs."""
    if session is None or session.hip_id != envelope.hip_id:
        return "LinkSessionNotFound"
    if session.state is LinkSessionState.LOCKED:
        return "OtpLocked"
    if session.state is not LinkSessionState.OTP_SENT or session.otp_hash is None:
        return "LinkSessionExpired"
    if session.otp_expires_at is None or adapter.clock() >= session.otp_expires_at:
        link_sessions.move(tx, session.transaction_id, LinkSessionState.EXPIRED, otp_hash=None)
        return "OtpExpired"
    purpose = _purpose(message.link_reference)
    if adapter.sealer.matches(message.otp, session.otp_hash, purpose=purpose):
        link_sessions.move(tx, session.transaction_id, LinkSessionState.CONFIRMED, otp_hash=None)
        return None
    link_sessions.count_try(tx, session.transaction_id)
    if session.tries + 1 >= MOST_TRIES:
        link_sessions.move(tx, session.transaction_id, LinkSessionState.LOCKED, otp_hash=None)
        return "OtpLocked"
    return "OtpInvalid"


def _links(adapter: Adapter, session: LinkSession) -> list[ContextLink]:
    return [
        ContextLink(
            id=links.new_id(),
            hip_id=session.hip_id,
            patient_id=session.patient_id,
            patient_reference=entry.reference_number,
            reference=context.reference_number,
            hi_type=entry.hi_type,
            display=context.display,
            abha_address=session.abha_address,
            state=CareContextLinkState.SENT,
            requester="patient",
            created_at=adapter.clock(),
            batch=session.link_reference,
        )
        for entry in session.chosen
        for context in entry.care_contexts
    ]


def _purpose(link_reference: str) -> str:
    return f"otp:{link_reference}"


INIT_HANDLER = Handler(on_link_init, refuse_init, PATIENCE, waited_for=True)
CONFIRM_HANDLER = Handler(on_link_confirm, refuse_confirm, PATIENCE, waited_for=True)
