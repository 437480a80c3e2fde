"""The user's own account: profile, card, QR, photo, changes of mobile, e-mail and KYC, tokens.

Source: M0/M1 document, sections 5.4 and 11. All calls carry an X-token but the refresh.
"""

import base64
import binascii
from typing import Any

from conformance.simulator import abha_cards, abha_otp, abha_people, abha_tokens
from conformance.simulator.abha_enrolment import check_aadhaar_otp, link_contact, plain_mobile, sent
from conformance.simulator.abha_errors import OTP_EXPIRED, invalid
from conformance.simulator.abha_login import reachable_at
from conformance.simulator.abha_state import Account, Challenge
from conformance.simulator.core import Call, Reply, Simulator

_DONE = {
    "mobile-verify": "Mobile Number linked successfully",
    "email-verify": "Email linked successfully",
    "re-kyc": "Re-kyc done successfully",
}


def profile(simulator: Simulator, call: Call) -> Reply:
    """The whole profile; a deactivated account shows its status here."""
    with simulator.state.changed:
        return Reply(200, _profile(abha_tokens.user_of(simulator, call)))


def _profile(account: Account) -> dict[str, Any]:
    person = account.person
    return {
        "ABHANumber": account.number,
        "preferredAbhaAddress": account.preferred,
        "mobile": account.mobile,
        "email": account.email,
        "firstName": person.first_name,
        "middleName": person.middle_name,
        "lastName": person.last_name,
        "name": person.name,
        "yearOfBirth": str(person.born.year),
        "dayOfBirth": str(person.born.day),
        "monthOfBirth": str(person.born.month),
        "gender": person.gender,
        "profilePhoto": account.photo,
        "status": account.status,
        "stateCode": person.state_code,
        "districtCode": person.district_code,
        "pincode": person.pincode,
        "address": person.address,
        "kycPhoto": person.photo,
        "stateName": person.state,
        "districtName": person.district,
        "subdistrictName": None,
        "authMethods": abha_people.methods_of(account),
        "tags": {},
        "kycVerified": True,
        "verificationStatus": "VERIFIED",
        "verificationType": "AADHAAR",
        "localizedDetails": {"name": person.name, "gender": person.gender},
        "createdDate": f"{account.created:%d-%m-%Y}",
    }


def change_photo(simulator: Simulator, call: Call) -> Reply:
    """Another profile photo, base64 in the clear."""
    photo = call.body["profilePhoto"]
    try:
        base64.b64decode(photo, validate=True)
    except binascii.Error as error:
        raise invalid("profilePhoto", "no base64") from error
    with simulator.state.changed:
        account = abha_tokens.user_of(simulator, call)
        abha_tokens.refuse_deactivated(account)
        account.photo = photo
        return Reply(200, _profile(account))


def qr(simulator: Simulator, call: Call) -> Reply:
    """The QR of the account as a picture."""
    with simulator.state.changed:
        account = abha_tokens.user_of(simulator, call)
    return Reply(200, abha_cards.qr(abha_cards.payload(account, "card")))


def card(simulator: Simulator, call: Call) -> Reply:
    """The card as a picture; ABDM has been seen to give it 202 as well as 200."""
    with simulator.state.changed:
        account = abha_tokens.user_of(simulator, call)
    return Reply(simulator.config.abha_card_status, abha_cards.card(account))


# -- changes ---------------------------------------------------------------------------------


def request_otp(simulator: Simulator, call: Call) -> Reply:
    """A code to a new mobile or e-mail address, or to the Aadhaar's mobile for re-KYC."""
    plain = simulator.abha_keys.decrypt(call.body["loginId"])
    if plain is None:
        raise invalid("loginId", "the loginId does not decrypt")
    scope, system = frozenset(call.body["scope"]), call.body["otpSystem"]
    with simulator.state.changed:
        account = abha_tokens.user_of(simulator, call)
        abha_tokens.refuse_deactivated(account)
        to = plain
        if "re-kyc" in scope:
            if plain != account.number:
                raise invalid("loginId", "the number of another account")
            to = reachable_at(account, "aadhaar")
        elif "mobile-verify" in scope:
            plain = to = plain_mobile(plain)
        txn_id = call.body.get("txnId")
        transaction = (
            abha_otp.resumed(simulator, call, txn_id, invalid("txnId"))
            if txn_id
            else abha_otp.begin(simulator, call, [account.number])
        )
        if transaction.accounts != [account.number]:
            raise invalid("txnId", "the transaction belongs to another account")
        abha_otp.send(simulator, transaction, Challenge(scope, plain, system, to))
    if "email-verify" in scope:
        return Reply(200, {"txnId": transaction.id, "message": "OTP sent to the e-mail address"})
    return sent(transaction, "OTP sent to mobile number ending with", to)


def verify(simulator: Simulator, call: Call) -> Reply:
    """The code for a change, which takes effect."""
    otp, scope = call.body["authData"]["otp"], frozenset(call.body["scope"])
    code = abha_otp.plain_otp(simulator, otp["otpValue"])
    with simulator.state.changed:
        account = abha_tokens.user_of(simulator, call)
        transaction = abha_otp.resumed(simulator, call, otp["txnId"], invalid("txnId"))
        if transaction.accounts != [account.number]:
            raise invalid("txnId", "the transaction belongs to another account")
        if "re-kyc" in scope:
            check_aadhaar_otp(simulator, transaction, scope, code)
            account.photo = account.person.photo
        else:
            outcome = abha_otp.check(simulator, transaction, scope, code)
            if outcome == "wrong":
                raise invalid("otpValue", "a wrong code")
            if outcome == "expired":
                failed = {"txnId": transaction.id, "authResult": "failed", "accounts": []}
                return Reply(200, {**failed, "message": OTP_EXPIRED})
            assert transaction.challenge is not None  # noqa: S101 - it was checked just now
            link_contact(simulator, account, scope, transaction.challenge.subject)
    (change,) = scope - {"abha-profile"}
    return Reply(
        200,
        {
            "txnId": transaction.id,
            "authResult": "success",
            "message": _DONE[change],
            "accounts": [{"ABHANumber": account.number}],
        },
    )


# -- tokens ----------------------------------------------------------------------------------


def refresh(simulator: Simulator, call: Call) -> Reply:
    """A new X-token and refresh token for an R-token."""
    return Reply(200, abha_tokens.refresh(simulator, call))


def logout(simulator: Simulator, call: Call) -> Reply:
    """The X-token ends."""
    abha_tokens.end(simulator, call)
    return Reply(200, {"message": "You have been successfully logged out"})


def certificate(simulator: Simulator, _call: Call) -> Reply:
    """The public key that clients encrypt with."""
    return Reply(200, simulator.abha_keys.certificate())
