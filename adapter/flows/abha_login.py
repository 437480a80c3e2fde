"""Find and link an ABHA that exists: by number, address, mobile or Aadhaar, always with an OTP.

    search → begin → OTP → verify → [choose among several] → profile → link

By mobile number ABDM gives a transfer token first, and the account has to be chosen with it; a
search by mobile shows masked accounts before any OTP. Source: M0 and M1, section 10; cases
VRFY_ABHA_101 to 405.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from adapter.flows import abha_desk, abha_enrolment, abha_linking
from adapter.flows.abha_desk import Desk
from adapter.protocol import abha, ids
from adapter.protocol.abha import Account, LoginWay, UserTokens
from adapter.protocol.abha_refusals import AbhaRefused, Reason
from adapter.protocol.errors import Conflict, MalformedRequest, NotFound
from adapter.rules import aadhaar as entered
from adapter.rules.abha_profile import from_account
from adapter.rules.abha_steps import Kind, Step
from adapter.rules.states import AbhaState
from adapter.runtime import Adapter
from adapter.stores import abha_profiles, abha_transactions
from adapter.stores.abha_transactions import AbhaTransaction, with_secret
from adapter.upstream.abha_client import AbhaClient


@dataclass(frozen=True)
class Found:
    """What a search told: whether the ABHA may be used, and where an OTP may go ("aadhaar",
    "mobile")."""

    status: str
    active: bool
    name: str | None
    mobile: str | None
    otp_to: tuple[str, ...]


def search(
    adapter: Adapter,
    hip_id: str,
    *,
    abha_number: str | None = None,
    abha_address: str | None = None,
) -> Found:
    """What ABDM says of an ABHA number or address, and the ways to log in that it offers.

    Raises MalformedRequest, AbhaRefused (not found, deactivated), RetryLater.
    """
    service = adapter.abha_of(hip_id)
    if abha_number:
        value = _value("abha_number", abha_number)
        data = service.search_number(value)
        by = "abha_number"
    elif abha_address:
        data = service.search_address(_value("abha_address", abha_address))
        by = "abha_address"
    else:
        raise MalformedRequest("Give an ABHA number or an ABHA address to search for.")
    status = str(data.get("status") or "ACTIVE")
    return Found(
        status=status,
        active=status.upper() == "ACTIVE",
        name=_text(data, "fullName"),
        mobile=_text(data, "mobile"),
        otp_to=_offered(data, by),
    )


def begin(
    adapter: Adapter,
    desk: Desk,
    hip_id: str,
    by: str,
    value: str,
    otp_to: str,
    *,
    patient_id: str | None = None,
) -> AbhaTransaction:
    """Send an OTP to log in with; `by`: abha_number, abha_address, mobile or aadhaar; `otp_to`:
    aadhaar or mobile. An Aadhaar number without ABHA ends NOT_FOUND, and creation may go on.
    """
    service = adapter.abha_of(hip_id)
    way = _way(service, by, otp_to)
    plain = _value(by, value)
    protected = service.protected(by, plain)
    row = abha_transactions.new(adapter, Kind.LOGIN, hip_id, desk.requester, patient_id=patient_id)
    row = with_secret(replace(row), by=by, otp_to=otp_to, login_id=protected)
    abha_desk.begun(adapter, row)
    try:
        with abha_desk.asking(adapter, row):
            protected, sent = service.protecting(
                by, plain, lambda each: service.send_login_otp(way, each)
            )
    except AbhaRefused as error:
        return _not_found(adapter, row, error)
    return abha_desk.otp_sent(adapter, row, sent, login_id=protected)


def find_by_mobile(
    adapter: Adapter, desk: Desk, hip_id: str, mobile: str, *, patient_id: str | None = None
) -> AbhaTransaction:
    """The masked accounts of a mobile number, to choose one of. No OTP goes out yet."""
    number = entered.mobile_digits(mobile)
    row = abha_transactions.new(adapter, Kind.LOGIN, hip_id, desk.requester, patient_id=patient_id)
    row = abha_desk.begun(adapter, with_secret(row, by="index"))
    with abha_desk.asking(adapter, row):
        transaction, accounts = adapter.abha_of(hip_id).search_mobile(number)
    row = with_secret(row, transaction=transaction, accounts=accounts)
    return abha_desk.stored(adapter, row, state=AbhaState.CHOOSING)


def send_again(adapter: Adapter, row: AbhaTransaction) -> AbhaTransaction:
    """Send the OTP again; `row` is held for it."""
    secret, service = row.secret, adapter.abha_of(row.hip_id)
    with abha_desk.asking(adapter, row):
        way = _way(service, secret.by, secret.otp_to)
        sent = service.send_login_otp(way, secret.login_id, secret.transaction)
    return abha_desk.otp_sent(adapter, row, sent)


def verify(adapter: Adapter, row: AbhaTransaction, otp: str) -> AbhaTransaction:
    """The OTP that the person read out; `row` is held for it."""
    service = adapter.abha_of(row.hip_id)
    try:
        with abha_desk.asking(adapter, row):
            way = _way(service, row.secret.by, row.secret.otp_to)
            password = entered.otp_digits(otp)
            verified = service.verify_login(way, row.secret.transaction, password)
    except AbhaRefused as error:
        return _not_found(adapter, row, error)
    row = with_secret(row, transaction=verified.transaction or row.secret.transaction, login_id="")
    if verified.tokens.refresh_token or way.by != "mobile":
        return _logged_in(adapter, row, verified.tokens)
    row = with_secret(row, transfer_token=verified.tokens.token, accounts=verified.accounts)
    return abha_desk.stored(adapter, row, state=AbhaState.CHOOSING, sends=0, sent_at=None, wrong=0)


def choose(
    adapter: Adapter, desk: Desk, transaction_id: str, key: str, otp_to: str = "mobile"
) -> AbhaTransaction:
    """One of several accounts: after a search an OTP goes out for it, after a login it is used."""
    row = abha_desk.held(adapter, desk, transaction_id, Step.CHOOSE_ACCOUNT)
    service = adapter.abha_of(row.hip_id)
    with abha_desk.asking(adapter, row):
        account = _account(row, key)
        if not row.secret.transfer_token:
            way = _way(service, "index", otp_to)
            if account.methods and way.offered_as not in account.methods:
                others = ", ".join(abha.otp_targets(account.methods)) or "none"
                raise MalformedRequest(f"ABDM sends an OTP for this account to: {others}.")
            protected, sent = service.protecting(
                "index",
                account.key,
                lambda each: service.send_login_otp(way, each, row.secret.transaction),
            )
        else:
            number = account.abha_number or ""
            tokens = service.choose(row.secret.transfer_token, number, row.secret.transaction)
    if not row.secret.transfer_token:
        return abha_desk.otp_sent(
            adapter, row, sent, login_id=protected, otp_to=otp_to, accounts=()
        )
    return _logged_in(adapter, with_secret(row, transfer_token="", accounts=()), tokens)


def fetch_profile(adapter: Adapter, desk: Desk, transaction_id: str) -> AbhaTransaction:
    """Fetch the profile, or make the ABHA, that could not be had when the OTP was verified."""
    row = abha_desk.held(adapter, desk, transaction_id, Step.FETCH_PROFILE)
    return abha_enrolment.go_on(adapter, row) if row.kind is Kind.ENROL else _fetched(adapter, row)


def resend(adapter: Adapter, desk: Desk, transaction_id: str) -> AbhaTransaction:
    """Send the OTP of any transaction again."""
    row = abha_desk.held(adapter, desk, transaction_id, Step.SEND_OTP)
    again = abha_enrolment.send_again if row.kind is Kind.ENROL else send_again
    return again(adapter, row)


def verify_any(
    adapter: Adapter, desk: Desk, transaction_id: str, otp: str, mobile: str | None = None
) -> AbhaTransaction:
    """The OTP of any transaction; `mobile`: the number for communication, where one is created."""
    entered.otp_digits(otp)
    if mobile is not None:
        entered.mobile_digits(mobile)
    row = abha_desk.held(adapter, desk, transaction_id, Step.VERIFY_OTP)
    if row.kind is Kind.ENROL:
        return abha_enrolment.verify(adapter, row, otp, mobile)
    return verify(adapter, row, otp)


def link(
    adapter: Adapter,
    desk: Desk,
    transaction_id: str,
    *,
    patient_id: str | None = None,
    new: bool = False,
) -> AbhaTransaction:
    """Link the ABHA of any transaction with a patient (see `abha_linking.link_profile`)."""
    row = abha_desk.held(adapter, desk, transaction_id, Step.LINK)
    with abha_desk.asking(adapter, row):
        linked = abha_linking.link_profile(
            adapter,
            row.profile_id or "",
            requester=desk.requester,
            hip_id=row.hip_id,
            patient_id=patient_id or row.patient_id,
            new=new,
        )
    return abha_desk.stored(adapter, row, state=AbhaState.LINKED, patient_id=linked.patient_id)


def _logged_in(adapter: Adapter, row: AbhaTransaction, tokens: UserTokens) -> AbhaTransaction:
    """Keep the tokens before anything else is asked: the OTP is spent."""
    row = abha_desk.kept(adapter, with_secret(row, tokens=tokens), state=AbhaState.VERIFIED)
    return _fetched(adapter, row)


def _fetched(adapter: Adapter, row: AbhaTransaction) -> AbhaTransaction:
    tokens = row.secret.tokens
    if tokens is None:
        raise Conflict("This transaction has no session of the patient's; start again.")
    of_address = row.secret.by == "abha_address"
    with abha_desk.asking(adapter, row):
        service = adapter.abha_of(row.hip_id)
        told = from_account(service.profile(tokens.token, of_address=of_address))
        if not (told.abha_number or told.health_id):
            raise NotFound("ABDM told neither ABHA number nor address of this account.")
        with adapter.db.transaction() as tx:
            profile = abha_profiles.note(
                tx,
                adapter,
                told,
                source="login",
                hip_id=row.hip_id,
                verified=True,
                tokens=abha_profiles.ends(
                    adapter, tokens, hip_id=row.hip_id, of_address=of_address
                ),
            )
    return abha_desk.stored(adapter, with_secret(row, tokens=None), profile_id=profile.id)


def _not_found(adapter: Adapter, row: AbhaTransaction, error: AbhaRefused) -> AbhaTransaction:
    """No ABHA for an Aadhaar number: its ciphertext waits for the consent to create one."""
    if error.reason is not Reason.NOT_FOUND or row.secret.by != "aadhaar":
        raise error
    row = replace(row, state=AbhaState.NOT_FOUND, sends=0, sent_at=None)
    with adapter.db.transaction() as tx:
        # The hold has ended with the refusal; the row is still this step's.
        abha_transactions.store(
            tx, adapter, replace(row, error=type(error).__name__, sentence=error.sentence)
        )
    return abha_desk.stepped(adapter, row, sentence=error.sentence)


def _account(row: AbhaTransaction, key: str) -> Account:
    for account in row.secret.accounts:
        if key in (account.key, account.abha_number, account.abha_address) and key:
            return account
    raise MalformedRequest("Choose one of the accounts that were found, by its key.")


def _way(service: AbhaClient, by: str, otp_to: str) -> LoginWay:
    way = service.ways.get((by, otp_to))
    if way is None:
        ways = ", ".join(
            f"{name} with the OTP to {to}" for name, to in service.ways if name != "index"
        )
        raise MalformedRequest(f"There is no such way to log in; there are: {ways}.")
    return way


def _value(by: str, value: str) -> str:
    """What is entered, checked, in the form that ABDM takes."""
    if by == "aadhaar":
        return entered.aadhaar_digits(value)
    if by == "mobile":
        return entered.mobile_digits(value)
    if by == "abha_number":
        try:
            return ids.dashed(value)
        except ValueError:
            raise MalformedRequest("An ABHA number has 14 digits; check it.") from None
    if not ids.is_abha_address(value.strip()):
        raise MalformedRequest("An ABHA address looks like name@sbx or name@abdm; check it.")
    return value.strip()


def _offered(data: Mapping[str, Any], by: str) -> tuple[str, ...]:
    offered = set(data.get("authMethods") or ()) - set(data.get("blockedAuthMethods") or ())
    return abha.otp_targets(offered, by)


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    return value if isinstance(value, str) and value else None
