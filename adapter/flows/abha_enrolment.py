"""Create an ABHA by Aadhaar OTP, step by step (M0 and M1, section 9; cases CRT_ABHA_101 to 113).

    begin → OTP to the Aadhaar mobile → verify → [OTP to another mobile → verify] → address → link

The Aadhaar number is checked before any call, leaves only encrypted, and is kept nowhere: what
waits sealed for sending the OTP again, or for creating after a search by Aadhaar (VRFY_ABHA_403),
is the ciphertext that ABDM alone can open. No ABHA is created without the person's consent on
record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from adapter.flows import abha_desk
from adapter.flows.abha_desk import Desk
from adapter.protocol import abha, timestamps
from adapter.protocol.errors import Conflict, MalformedRequest
from adapter.rules import aadhaar as entered
from adapter.rules.abha_profile import Profile, from_enrolment, merged, mobile_differs
from adapter.rules.abha_steps import Kind, Step
from adapter.rules.states import AbhaState
from adapter.runtime import Adapter
from adapter.stores import abha_profiles, abha_transactions, audit, outbox
from adapter.stores.abha_transactions import AbhaTransaction, with_secret

LONGEST_CONSENT = 10_000


@dataclass(frozen=True)
class Consent:
    """What the person agreed to: the version, and the very text as it was shown, in a language."""

    agreed: bool
    version: str
    text: str
    language: str = "en"


def begin(
    adapter: Adapter,
    desk: Desk,
    hip_id: str,
    aadhaar: str,
    consent: Consent,
    *,
    patient_id: str | None = None,
) -> AbhaTransaction:
    """Send an OTP to the mobile of this Aadhaar number; the transaction that goes on from there.

    Raises MalformedRequest before any call (number, consent), UpstreamError (the transaction waits,
    unless it never began).
    """
    number = entered.aadhaar_digits(aadhaar)
    recorded = _recorded(adapter, desk, consent)
    encrypted = adapter.abha.encrypted(number)
    row = abha_transactions.new(adapter, Kind.ENROL, hip_id, desk.requester, patient_id=patient_id)
    row = abha_desk.begun(adapter, with_secret(replace(row, consent=recorded), login_id=encrypted))
    with abha_desk.asking(adapter, row):
        encrypted, sent = adapter.abha.protecting(number, adapter.abha.send_aadhaar_otp)
    return _otp_sent(adapter, row, sent, login_id=encrypted)


def continue_from_search(
    adapter: Adapter,
    desk: Desk,
    transaction_id: str,
    consent: Consent,
    *,
    aadhaar: str | None = None,
) -> AbhaTransaction:
    """Create the ABHA that a search by Aadhaar did not find, without asking for the number again.

    `aadhaar`: only where ABDM has replaced its key meanwhile and refuses the waiting ciphertext.
    """
    number = entered.aadhaar_digits(aadhaar) if aadhaar else None
    recorded = _recorded(adapter, desk, consent)
    row = abha_desk.held(adapter, desk, transaction_id, Step.ENROL)
    row = replace(row, kind=Kind.ENROL, consent=recorded)
    with abha_desk.asking(adapter, row):
        if number is not None:
            login_id, sent = adapter.abha.protecting(number, adapter.abha.send_aadhaar_otp)
        else:
            login_id = row.secret.login_id
            sent = adapter.abha.send_aadhaar_otp(login_id)
    row = replace(row, sends=0, wrong=0)
    return _otp_sent(adapter, row, sent, login_id=login_id, by="", otp_to="")


def send_again(adapter: Adapter, row: AbhaTransaction) -> AbhaTransaction:
    """Send the Aadhaar OTP again; `row` is held for it."""
    with abha_desk.asking(adapter, row):
        sent = adapter.abha.send_aadhaar_otp(row.secret.login_id, row.secret.transaction)
    return _otp_sent(adapter, row, sent)


def verify(adapter: Adapter, row: AbhaTransaction, otp: str, mobile: str | None) -> AbhaTransaction:
    """Create the ABHA (or find that there is one) with the OTP; `row` is held for it.

    `mobile`: the number for communication. Where it is not the one at Aadhaar it is verified next.
    """
    with abha_desk.asking(adapter, row):
        if mobile is None:
            raise MalformedRequest("Give the mobile number for communication with the OTP.")
        number, password = entered.mobile_digits(mobile), entered.otp_digits(otp)
        enrolled = adapter.abha.enrol(row.secret.transaction, password, number)
        told = from_enrolment(enrolled.profile)
        pending = mobile_differs(number, told.mobile)
        if not pending:
            told = replace(told, mobile=number)
        row = with_secret(row, transaction=enrolled.transaction, login_id="", mobile=number)
        with adapter.db.transaction() as tx:
            profile = abha_profiles.note(
                tx,
                adapter,
                told,
                source="enrolment",
                hip_id=row.hip_id,
                verified=True,
                tokens=abha_profiles.ends(adapter, enrolled.tokens),
                new=enrolled.new,
                consent=row.consent,
            )
            row = abha_desk.stepped(
                adapter,
                row,
                state=AbhaState.VERIFIED,
                profile_id=profile.id,
                mobile_pending=pending,
                sends=0,
                sent_at=None,
                wrong=0,
            )
            if not abha_transactions.store(tx, adapter, row):
                raise Conflict("This step took too long and another began; look again.")
            if enrolled.new:
                outbox.queue_audit(
                    tx,
                    adapter,
                    audit.abha_created(
                        adapter, hip_id=row.hip_id, transaction_id=row.id, user=row.requester
                    ),
                )
    adapter.wake()
    return row


def send_mobile_otp(
    adapter: Adapter, desk: Desk, transaction_id: str, mobile: str | None = None
) -> AbhaTransaction:
    """Send an OTP to the number for communication; another `mobile` may be given now."""
    number = entered.mobile_digits(mobile) if mobile else None
    row = abha_desk.held(adapter, desk, transaction_id, Step.SEND_MOBILE_OTP)
    number = number or row.secret.mobile
    with abha_desk.asking(adapter, row):
        sent = adapter.abha.send_mobile_otp(row.secret.transaction, number)
    return _otp_sent(adapter, row, sent, state=AbhaState.MOBILE_OTP_SENT, mobile=number)


def verify_mobile(adapter: Adapter, desk: Desk, transaction_id: str, otp: str) -> AbhaTransaction:
    """The number for communication is the person's own."""
    password = entered.otp_digits(otp)
    row = abha_desk.held(adapter, desk, transaction_id, Step.VERIFY_MOBILE_OTP)
    with abha_desk.asking(adapter, row):
        adapter.abha.verify_mobile(row.secret.transaction, password)
        _add(adapter, row, Profile(mobile=row.secret.mobile))
    return abha_desk.stored(
        adapter,
        row,
        state=AbhaState.MOBILE_VERIFIED,
        mobile_pending=False,
        sends=0,
        sent_at=None,
        wrong=0,
    )


def suggestions(adapter: Adapter, desk: Desk, transaction_id: str) -> tuple[str, ...]:
    """Free ABHA addresses to choose from, without suffix."""
    row = abha_desk.held(adapter, desk, transaction_id, Step.SUGGEST_ADDRESS)
    with abha_desk.asking(adapter, row):
        found = adapter.abha.suggestions(row.secret.transaction)
    abha_desk.stored(adapter, row)
    return found


def set_address(adapter: Adapter, desk: Desk, transaction_id: str, address: str) -> AbhaTransaction:
    """Give the new ABHA the address that the person chose; a taken one is refused by ABDM."""
    local = entered.address_choice(address)
    row = abha_desk.held(adapter, desk, transaction_id, Step.SET_ADDRESS)
    with abha_desk.asking(adapter, row):
        given = adapter.abha.set_address(row.secret.transaction, local)
        _add(adapter, row, Profile(health_id=given))
    return abha_desk.stored(adapter, row)


def _add(adapter: Adapter, row: AbhaTransaction, told: Profile) -> None:
    """Add to the profile that this transaction is about."""
    with adapter.db.transaction() as tx:
        known = abha_profiles.by_id(tx, adapter, row.profile_id or "", hold=True)
        if known is None:
            raise Conflict("The profile of this transaction is gone; start again.")
        abha_profiles.put(
            tx,
            adapter,
            replace(known, profile=merged(known.profile, told), updated_at=adapter.clock()),
        )


def _otp_sent(
    adapter: Adapter,
    row: AbhaTransaction,
    sent: abha.OtpSent,
    *,
    state: AbhaState = AbhaState.OTP_SENT,
    **secret: Any,
) -> AbhaTransaction:
    hint = abha.hint(sent.message)
    row = with_secret(row, transaction=sent.transaction, hint=hint, **secret)
    return abha_desk.stored(
        adapter,
        row,
        state=state,
        sends=row.sends + 1,
        sent_at=adapter.clock(),
    )


def _recorded(adapter: Adapter, desk: Desk, consent: Consent) -> dict[str, Any]:
    """The consent as it is kept with the transaction and the profile."""
    if not consent.agreed:
        raise MalformedRequest("No ABHA is created without the person's consent; record it first.")
    if consent.version != abha.CONSENT_VERSION:
        raise MalformedRequest(
            f"ABDM takes consent in version {abha.CONSENT_VERSION}; show that text and record it."
        )
    if not consent.text.strip() or len(consent.text) > LONGEST_CONSENT:
        raise MalformedRequest("Send the consent's text as it was shown to the person.")
    return {
        "code": abha.CONSENT_CODE,
        "version": consent.version,
        "language": consent.language,
        "text": consent.text,
        "recorded_at": timestamps.format(adapter.clock()),
        "recorded_by": desk.requester,
    }
