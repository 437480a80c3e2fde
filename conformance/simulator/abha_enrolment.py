"""Creating an ABHA: Aadhaar OTP, enrolment, communication mobile, address.

Source: M0/M1 document, section 9.
"""

from typing import Any

from conformance.simulator import abha_otp, abha_people, abha_tokens
from conformance.simulator.abha_errors import (
    AADHAAR_OTP_EXPIRED,
    NO_AADHAAR_MOBILE,
    NO_SUCH_AADHAAR,
    OTP_EXPIRED,
    BodyRefusal,
    abha_refusal,
    field_refusal,
    invalid,
)
from conformance.simulator.abha_state import Account, Challenge, Person, Transaction
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import Refusal

ENROL = frozenset({"abha-enrol"})
ENROL_MOBILE = frozenset({"abha-enrol", "mobile-verify"})
ENROL_EMAIL = frozenset({"abha-enrol", "email-verify"})
CREATED, EXISTS = "Account created successfully", "This account already exist"


def request_otp(simulator: Simulator, call: Call) -> Reply:
    """A code to the Aadhaar's mobile, to a communication mobile, or to an e-mail address."""
    plain = simulator.abha_keys.decrypt(call.body["loginId"])
    if plain is None:
        raise invalid("loginId", "the loginId does not decrypt")
    scope = frozenset(call.body["scope"])
    with simulator.state.changed:
        if scope == ENROL:
            return _aadhaar_otp(simulator, call, plain)
        return _contact_otp(simulator, call, plain, scope)


def _aadhaar_otp(simulator: Simulator, call: Call, aadhaar: str) -> Reply:
    if not abha_people.is_aadhaar(aadhaar):
        raise invalid("loginId", "no Aadhaar number")
    person = aadhaar_holder(simulator, aadhaar)
    if txn_id := call.body.get("txnId"):
        transaction = abha_otp.resumed(simulator, call, txn_id, invalid("txnId"))
        if transaction.challenge is None or transaction.challenge.subject != aadhaar:
            raise invalid("txnId", "the transaction belongs to another login id")
    else:
        transaction = abha_otp.begin(simulator, call, [])
    abha_otp.send(simulator, transaction, Challenge(ENROL, aadhaar, "aadhaar", person.mobile))
    return sent(
        transaction, "OTP sent to Aadhaar registered mobile number ending with", person.mobile
    )


def aadhaar_holder(simulator: Simulator, aadhaar: str) -> Person:
    """Whom UIDAI can send a code; raises 1204 (422) with its error. The state is held."""
    person = simulator.state.abha.people.get(aadhaar)
    if person is None:
        raise abha_refusal("ABDM-1204", NO_SUCH_AADHAAR, status=422)
    if not person.mobile:
        raise abha_refusal("ABDM-1204", NO_AADHAAR_MOBILE, status=422)
    return person


def sent(transaction: Transaction, words: str, mobile: str) -> Reply:
    """The answer to any code that was sent to a mobile."""
    message = f"{words} {abha_people.masked_mobile(mobile)}"
    return Reply(200, {"txnId": transaction.id, "message": message})


def _contact_otp(simulator: Simulator, call: Call, to: str, scope: frozenset[str]) -> Reply:
    account, transaction = _enrolled(simulator, call, call.body["txnId"], invalid("txnId"))
    if scope == ENROL_EMAIL:
        abha_otp.send(simulator, transaction, Challenge(scope, to, "abdm", to))
        return Reply(200, {"txnId": transaction.id, "message": "OTP sent to the e-mail address"})
    mobile = plain_mobile(to)
    if account.mobile == mobile:
        raise field_refusal(
            mobile="This mobile number is already verified and linked with the ABHA number"
        )
    abha_otp.send(simulator, transaction, Challenge(scope, mobile, "abdm", mobile))
    return sent(transaction, "OTP sent to mobile number ending with", mobile)


def plain_mobile(text: str) -> str:
    """The ten digits of a mobile; raises 400 for the loginId if it is none."""
    digits = text.removeprefix("+91")
    if len(digits) != 10 or not digits.isascii() or not digits.isdigit() or digits[0] == "0":
        raise field_refusal("no mobile number", loginId="Invalid Mobile Number")
    return digits


def _enrolled(
    simulator: Simulator, call: Call, txn_id: str, unknown: Refusal
) -> tuple[Account, Transaction]:
    transaction = abha_otp.resumed(simulator, call, txn_id, unknown)
    if transaction.enrolled is None:
        raise unknown
    return simulator.state.abha.accounts[transaction.enrolled], transaction


# -- enrolment -------------------------------------------------------------------------------


def enrol(simulator: Simulator, call: Call) -> Reply:
    """Create the ABHA of the Aadhaar holder, or find the one that exists."""
    otp = call.body["authData"]["otp"]
    code = abha_otp.plain_otp(simulator, otp["otpValue"])
    with simulator.state.changed:
        transaction = abha_otp.resumed(simulator, call, otp["txnId"], invalid("txnId"))
        check_aadhaar_otp(simulator, transaction, ENROL, code)
        assert transaction.challenge is not None  # noqa: S101 - it was checked just now
        person = simulator.state.abha.people[transaction.challenge.subject]
        existing = abha_people.account_of(simulator, person.aadhaar)
        if existing is not None:
            abha_tokens.refuse_deactivated(existing)
        account = existing or _created(simulator, call, person, otp["mobile"][-10:])
        transaction.enrolled = account.number
        transaction.accounts = [account.number]
        return Reply(
            200,
            {
                "message": EXISTS if existing else CREATED,
                "txnId": transaction.id,
                "tokens": abha_tokens.issued(simulator, account, transaction.id),
                "ABHAProfile": _profile(account),
                "isNew": existing is None,
            },
        )


def check_aadhaar_otp(
    simulator: Simulator, transaction: Transaction, scope: frozenset[str], code: str
) -> None:
    """Raises 1204 (422) with UIDAI's error unless the code is right. The state is held."""
    outcome = abha_otp.check(simulator, transaction, scope, code)
    if outcome == "expired":
        raise abha_refusal("ABDM-1204", AADHAAR_OTP_EXPIRED, status=422)
    if outcome == "wrong":
        raise abha_refusal("ABDM-1204", status=422)


def _created(simulator: Simulator, call: Call, person: Person, mobile: str) -> Account:
    created_by = simulator.state.abha.created_by
    if created_by.get(call.client_id, 0) >= simulator.config.abha_creations:
        raise abha_refusal("ABDM-1227", status=422)
    refuse_crowded(simulator, mobile)
    account = abha_people.create_account(
        simulator, person, mobile if mobile == person.mobile else None
    )
    created_by[call.client_id] = created_by.get(call.client_id, 0) + 1
    return account


def refuse_crowded(simulator: Simulator, mobile: str) -> None:
    """Raises 1124 (422) if a mobile serves as many accounts as it may."""
    if len(abha_people.accounts_with(simulator, mobile)) >= simulator.config.abha_per_mobile:
        raise abha_refusal("ABDM-1124", status=422)


def _profile(account: Account) -> dict[str, Any]:
    person = account.person
    return {
        "firstName": person.first_name,
        "middleName": person.middle_name,
        "lastName": person.last_name,
        "dob": f"{person.born:%d-%m-%Y}",
        "gender": person.gender,
        "photo": account.photo,
        "mobile": abha_people.masked_mobile(account.mobile) if account.mobile else None,
        "email": account.email,
        "phrAddress": [account.preferred],
        "address": person.address,
        "districtCode": person.district_code,
        "stateCode": person.state_code,
        "pinCode": person.pincode,
        "abhaType": "STANDARD",
        "stateName": person.state,
        "districtName": person.district,
        "ABHANumber": account.number,
        "abhaStatus": account.status,
    }


# -- mobile and address ----------------------------------------------------------------------


def verify_contact(simulator: Simulator, call: Call) -> Reply:
    """The code that came to the communication mobile or the e-mail address."""
    otp, scope = call.body["authData"]["otp"], frozenset(call.body["scope"])
    code = abha_otp.plain_otp(simulator, otp["otpValue"])
    with simulator.state.changed:
        account, transaction = _enrolled(simulator, call, otp["txnId"], invalid("txnId"))
        outcome = abha_otp.check(simulator, transaction, scope, code)
        if outcome != "right":
            if outcome == "wrong" and simulator.config.abha_wrong_mobile_otp == "description":
                raise BodyRefusal({"txnId": transaction.id, "description": "Invalid OTP value"})
            message = OTP_EXPIRED if outcome == "expired" else "Invalid OTP value"
            failed = {"txnId": transaction.id, "authResult": "failed", "message": message}
            return Reply(200, {**failed, "accounts": []})
        assert transaction.challenge is not None  # noqa: S101 - it was checked just now
        link_contact(simulator, account, scope, transaction.challenge.subject)
    return Reply(
        200,
        {
            "txnId": transaction.id,
            "authResult": "success",
            "message": "Verified and linked to the account",
            "accounts": [{"ABHANumber": account.number}],
        },
    )


def link_contact(simulator: Simulator, account: Account, scope: frozenset[str], to: str) -> None:
    """Make a verified mobile or e-mail address the account's. The state is held."""
    if "email-verify" in scope:
        account.email = to
        return
    refuse_crowded(simulator, to)
    account.mobile = to
    abha_people.publish(simulator, account)


def suggest(simulator: Simulator, call: Call) -> Reply:
    """Free addresses for the account just enrolled; the header Transaction_Id names it."""
    txn_id = call.headers.get("TRANSACTION_ID", "")
    if len(txn_id) != 36:
        raise invalid("txnId", "Transaction_Id is missing or no txnId")
    with simulator.state.changed:
        account, transaction = _enrolled(
            simulator, call, txn_id, abha_refusal("ABDM-1017", status=401)
        )
        found = abha_people.suggestions(simulator, account)
    return Reply(200, {"txnId": transaction.id, "abhaAddressList": found})


def set_address(simulator: Simulator, call: Call) -> Reply:
    """Give the account just enrolled an address of the patient's choice."""
    local = call.body["abhaAddress"]
    if local.isdigit():
        raise invalid("abhaAddress", "a bare mobile or ABHA number")
    with simulator.state.changed:
        account, transaction = _enrolled(
            simulator, call, call.body["txnId"], abha_refusal("ABDM-1017", status=401)
        )
        address = f"{local}@{simulator.config.cm_id}"
        if address not in account.addresses:
            if abha_people.address_taken(simulator, address):
                raise abha_refusal("ABDM-1101")
            abha_people.add_address(simulator, account, address)
    return Reply(
        200,
        {
            "txnId": transaction.id,
            "healthIdNumber": account.number,
            "preferredAbhaAddress": address,
        },
    )
