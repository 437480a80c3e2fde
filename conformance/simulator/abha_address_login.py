"""Logging in by ABHA address: search, OTP, verification, and that user's profile, card and QR.

These calls have error shapes of their own. Source: M0/M1 document, section 10.7.
"""

from typing import Any

from conformance.simulator import abha_cards, abha_otp, abha_people, abha_tokens
from conformance.simulator.abha_enrolment import sent
from conformance.simulator.abha_errors import (
    AADHAAR_OTP_EXPIRED,
    OTP_EXPIRED,
    abha_refusal,
)
from conformance.simulator.abha_login import VERIFIED, reachable_at
from conformance.simulator.abha_state import Account, Challenge
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import Refusal, Shape


def _array(code: str, message: str = "", why: str = "") -> Refusal:
    return abha_refusal(code + ": ", message, shape="flat-array", why=why)


def _found(simulator: Simulator, address: str, shape: Shape) -> Account:
    account = abha_people.account_at(simulator, address)
    if account is None:
        raise abha_refusal("ABDM-1211", shape=shape)
    return account


def search(simulator: Simulator, call: Call) -> Reply:
    """What an ABHA address, with or without its suffix, allows."""
    with simulator.state.changed:
        account = _found(simulator, call.body["abhaAddress"], "flat")
        mobile = account.mobile or account.person.mobile
        return Reply(
            200,
            {
                "healthIdNumber": account.number,
                "abhaAddress": _address(simulator, account, call.body["abhaAddress"]),
                "authMethods": abha_people.methods_of(account),
                "blockedAuthMethods": account.blocked_methods,
                "status": account.status,
                "message": None,
                "fullName": account.person.name,
                "mobile": f"{mobile[:4]}******",
            },
        )


def _address(simulator: Simulator, account: Account, asked: str) -> str:
    full = asked if "@" in asked else f"{asked}@{simulator.config.cm_id}"
    return next(a for a in account.addresses if a.casefold() == full.casefold())


def request_otp(simulator: Simulator, call: Call) -> Reply:
    """A code for an ABHA address, to the mobile of the ABHA or of the Aadhaar."""
    plain = simulator.abha_keys.decrypt(call.body["loginId"])
    if plain is None:
        raise _array("ABDM-1006", "Invalid LoginId", "the loginId does not decrypt")
    scope, system = frozenset(call.body["scope"]), call.body["otpSystem"]
    with simulator.state.changed:
        account = _found(simulator, plain, "flat-array")
        if account.status != "ACTIVE":
            raise _array("ABDM-1216")
        to = reachable_at(account, system, "ABDM-1215")
        txn_id = call.body.get("txnId")
        transaction = (
            abha_otp.resumed(simulator, call, txn_id, _unknown_transaction())
            if txn_id
            else abha_otp.begin(simulator, call, [account.number])
        )
        if transaction.accounts != [account.number]:
            raise _unknown_transaction()
        address = _address(simulator, account, plain)
        abha_otp.send(simulator, transaction, Challenge(scope, address, system, to))
        return sent(transaction, "OTP is sent to Mobile number ending with", to)


def _unknown_transaction() -> Refusal:
    return _array("ABDM-9999", "Invalid Transaction Id")


def verify(simulator: Simulator, call: Call) -> Reply:
    """The code: the user and, under `tokens`, the X-token."""
    otp, scope = call.body["authData"]["otp"], frozenset(call.body["scope"])
    code = simulator.abha_keys.decrypt(otp["otpValue"])
    if code is None:
        raise _array("ABDM-9999", "Invalid OTP Value", "the value does not decrypt")
    with simulator.state.changed:
        transaction = abha_otp.resumed(simulator, call, otp["txnId"], _unknown_transaction())
        challenge = transaction.challenge
        if challenge is None or challenge.scope != scope or challenge.used:
            raise _unknown_transaction()
        outcome = abha_otp.check(simulator, transaction, scope, code)
        if outcome != "right" and challenge.system == "aadhaar":
            raise _array("ABDM-1204", AADHAAR_OTP_EXPIRED if outcome == "expired" else "")
        if outcome == "wrong" and simulator.config.abha_wrong_login_otp == "field":
            raise _array("ABDM-9999", "Invalid OTP Value", "a wrong code")
        if outcome != "right":
            message = OTP_EXPIRED if outcome == "expired" else "OTP did not match"
            failed = {"txnId": transaction.id, "message": message, "authResult": "failed"}
            return Reply(200, {**failed, "users": []})
        account = simulator.state.abha.accounts[transaction.accounts[0]]
        tokens = abha_tokens.issued(simulator, account, transaction.id)
    user = {
        "abhaAddress": challenge.subject,
        "fullName": account.person.name,
        "profilePhoto": account.photo,
        "abhaNumber": account.number,
        "status": account.status,
        "kycStatus": "VERIFIED",
    }
    return Reply(
        200,
        {
            "message": VERIFIED,
            "authResult": "success",
            "users": [user],
            "tokens": {**tokens, "switchProfileEnabled": False},
            "txnId": transaction.id,
        },
    )


# -- the user logged in ----------------------------------------------------------------------


def profile(simulator: Simulator, call: Call) -> Reply:
    """The profile behind the address; booleans are strings here."""
    with simulator.state.changed:
        account = abha_tokens.address_user_of(simulator, call)
        return Reply(200, _profile(account))


def _profile(account: Account) -> dict[str, Any]:
    person = account.person
    day, month, year = person.born.day, person.born.month, person.born.year
    return {
        "abhaAddress": account.preferred,
        "fullName": person.name,
        "profilePhoto": account.photo,
        "firstName": person.first_name,
        "middleName": person.middle_name,
        "lastName": person.last_name,
        "dayOfBirth": str(day),
        "monthOfBirth": str(month),
        "yearOfBirth": str(year),
        "dateOfBirth": f"{day}-{month}-{year}",
        "gender": person.gender,
        "email": account.email,
        "mobile": account.mobile or person.mobile,
        "abhaNumber": account.number,
        "address": person.address,
        "stateName": person.state,
        "pinCode": person.pincode,
        "stateCode": person.state_code,
        "districtCode": person.district_code,
        "authMethods": abha_people.methods_of(account),
        "status": account.status,
        "subDistrictCode": None,
        "subDistrictName": None,
        "emailVerified": "true" if account.email else "false",
        "mobileVerified": "true" if account.mobile else "false",
        "kycStatus": "VERIFIED",
    }


def card(simulator: Simulator, call: Call) -> Reply:
    """The card as a picture; 202 is the status ABDM gives it."""
    with simulator.state.changed:
        account = abha_tokens.address_user_of(simulator, call)
    return Reply(202, abha_cards.card(account))


def qr(simulator: Simulator, call: Call) -> Reply:
    """The QR of the address as a picture."""
    with simulator.state.changed:
        account = abha_tokens.user_of(simulator, call)
    return Reply(200, abha_cards.qr(abha_cards.payload(account, "app")))
