"""Create an ABHA by Aadhaar OTP, step by step (M0 and M1, section 9; cases CRT_ABHA_101 to 113).

    begin → OTP to the Aadhaar mobile → verify → [OTP to another mobile → verify] → address → link

One service makes the ABHA when the Aadhaar OTP is verified, another only after the mobile number.
There the OTP is known to be spent before anything else is asked, and a creation that fails is gone
on with (`go_on`), without another OTP.

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
from adapter.protocol.abha import Enrolled
from adapter.protocol.abha_refusals import AbhaRefused, Reason
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
    service = adapter.abha_of(hip_id)
    recorded = _recorded(adapter, desk, hip_id, consent)
    protected = service.protected("aadhaar", number)
    row = abha_transactions.new(adapter, Kind.ENROL, hip_id, desk.requester, patient_id=patient_id)
    row = abha_desk.begun(adapter, with_secret(replace(row, consent=recorded), login_id=protected))
    with abha_desk.asking(adapter, row):
        protected, sent = service.protecting("aadhaar", number, service.send_aadhaar_otp)
    return abha_desk.otp_sent(adapter, row, sent, login_id=protected)


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
    found = abha_desk.shown(adapter, desk, transaction_id)
    recorded = _recorded(adapter, desk, found.hip_id, consent)
    row = abha_desk.held(adapter, desk, transaction_id, Step.ENROL)
    service = adapter.abha_of(row.hip_id)
    row = replace(row, kind=Kind.ENROL, consent=recorded)
    with abha_desk.asking(adapter, row):
        if number is not None:
            login_id, sent = service.protecting("aadhaar", number, service.send_aadhaar_otp)
        else:
            login_id = row.secret.login_id
            sent = service.send_aadhaar_otp(login_id)
    row = replace(row, sends=0, wrong=0)
    return abha_desk.otp_sent(adapter, row, sent, login_id=login_id, by="", otp_to="")


def send_again(adapter: Adapter, row: AbhaTransaction) -> AbhaTransaction:
    """Send the Aadhaar OTP again; `row` is held for it."""
    service = adapter.abha_of(row.hip_id)
    with abha_desk.asking(adapter, row):
        sent = service.send_aadhaar_otp(row.secret.login_id, row.secret.transaction)
    return abha_desk.otp_sent(adapter, row, sent)


def verify(adapter: Adapter, row: AbhaTransaction, otp: str, mobile: str | None) -> AbhaTransaction:
    """Create the ABHA (or find that there is one) with the OTP; `row` is held for it.

    `mobile`: the number for communication. Where it is not the one at Aadhaar it is verified next.
    """
    with abha_desk.asking(adapter, row):
        if mobile is None:
            raise MalformedRequest("Give the mobile number for communication with the OTP.")
        number, password = entered.mobile_digits(mobile), entered.otp_digits(otp)
        service = adapter.abha_of(row.hip_id)
        came = service.enrol(row.secret.transaction, password, number)
        row = with_secret(row, transaction=came.transaction, login_id="", mobile=number)
        if isinstance(came, Enrolled):
            differs = mobile_differs(number, from_enrolment(came.profile).mobile)
            row = replace(row, state=AbhaState.VERIFIED, mobile_pending=differs)
            return _enrolled(adapter, row, came)
    row = abha_desk.kept(adapter, row, state=AbhaState.VERIFIED, mobile_pending=True)
    return go_on(adapter, row)


def go_on(adapter: Adapter, row: AbhaTransaction, mobile: str | None = None) -> AbhaTransaction:
    """Make the ABHA of whoever has proven their Aadhaar number, or send an OTP to their other
    mobile number first; `row` is held for it. `mobile`: to be used instead of the one given."""
    number = mobile or row.secret.mobile
    with abha_desk.asking(adapter, row):
        service = adapter.abha_of(row.hip_id)
        came = service.create(row.secret.transaction, number if row.mobile_pending else None)
        if isinstance(came, Enrolled):
            proven = AbhaState.MOBILE_VERIFIED
            state = proven if row.state is proven else AbhaState.VERIFIED
            row = replace(with_secret(row, mobile=number), state=state, mobile_pending=False)
            return _enrolled(adapter, row, came)
    return abha_desk.otp_sent(adapter, row, came, state=AbhaState.MOBILE_OTP_SENT, mobile=number)


def send_mobile_otp(
    adapter: Adapter, desk: Desk, transaction_id: str, mobile: str | None = None
) -> AbhaTransaction:
    """Send an OTP to the number for communication; another `mobile` may be given now."""
    number = entered.mobile_digits(mobile) if mobile else None
    row = abha_desk.held(adapter, desk, transaction_id, Step.SEND_MOBILE_OTP)
    if row.profile_id is None:
        return go_on(adapter, row, number)
    number = number or row.secret.mobile
    try:
        with abha_desk.asking(adapter, row):
            sent = adapter.abha_of(row.hip_id).send_mobile_otp(row.secret.transaction, number)
    except AbhaRefused as error:
        if error.reason is not Reason.MOBILE_PROVEN:
            raise
        # The answer to the right OTP was lost. The hold too has ended; the row is still ours.
        return _mobile_proven(adapter, with_secret(row, mobile=number))
    return abha_desk.otp_sent(adapter, row, sent, state=AbhaState.MOBILE_OTP_SENT, mobile=number)


def verify_mobile(adapter: Adapter, desk: Desk, transaction_id: str, otp: str) -> AbhaTransaction:
    """The number for communication is the person's own."""
    password = entered.otp_digits(otp)
    row = abha_desk.held(adapter, desk, transaction_id, Step.VERIFY_MOBILE_OTP)
    with abha_desk.asking(adapter, row):
        adapter.abha_of(row.hip_id).verify_mobile(row.secret.transaction, password)
        if row.profile_id is not None:
            return _mobile_proven(adapter, row)
    row = abha_desk.kept(adapter, row, state=AbhaState.MOBILE_VERIFIED, mobile_pending=False)
    return go_on(adapter, row)


def _mobile_proven(adapter: Adapter, row: AbhaTransaction) -> AbhaTransaction:
    """Note the number for communication with the ABHA that is there."""
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


def _enrolled(adapter: Adapter, row: AbhaTransaction, enrolled: Enrolled) -> AbhaTransaction:
    """Keep the ABHA that was made or found, with its tokens; `row` says what is left to do."""
    told, number = from_enrolment(enrolled.profile), row.secret.mobile
    if not mobile_differs(number, told.mobile):
        told = replace(told, mobile=number)
    with adapter.db.transaction() as tx:
        profile = abha_profiles.note(
            tx,
            adapter,
            told,
            source="enrolment",
            hip_id=row.hip_id,
            verified=True,
            tokens=abha_profiles.ends(adapter, enrolled.tokens, hip_id=row.hip_id),
            new=enrolled.new,
            consent=row.consent,
        )
        row = abha_desk.stepped(
            adapter,
            with_secret(row, transaction=enrolled.transaction),
            profile_id=profile.id,
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


def suggestions(adapter: Adapter, desk: Desk, transaction_id: str) -> tuple[str, ...]:
    """Free ABHA addresses to choose from, without suffix."""
    row = abha_desk.held(adapter, desk, transaction_id, Step.SUGGEST_ADDRESS)
    with abha_desk.asking(adapter, row):
        found = adapter.abha_of(row.hip_id).suggestions(row.secret.transaction)
    abha_desk.stored(adapter, row)
    return found


def set_address(adapter: Adapter, desk: Desk, transaction_id: str, address: str) -> AbhaTransaction:
    """Give the new ABHA the address that the person chose; a taken one is refused by ABDM."""
    local = entered.address_choice(address)
    row = abha_desk.held(adapter, desk, transaction_id, Step.SET_ADDRESS)
    with abha_desk.asking(adapter, row):
        given = adapter.abha_of(row.hip_id).set_address(row.secret.transaction, local)
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


def _recorded(adapter: Adapter, desk: Desk, hip_id: str, consent: Consent) -> dict[str, Any]:
    """The consent as it is kept with the transaction and the profile."""
    taken = adapter.abha_of(hip_id).consent_version
    if not consent.agreed:
        raise MalformedRequest("No ABHA is created without the person's consent; record it first.")
    if consent.version != taken:
        raise MalformedRequest(
            f"ABDM takes consent in version {taken}; show that text and record it."
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
