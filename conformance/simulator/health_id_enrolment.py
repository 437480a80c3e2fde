"""Creating an account at the Health ID service: Aadhaar, mobile, account, address.

One txnId runs through all steps. Source: v1 document, section 5.
"""

from typing import Any

from conformance.simulator import abha_people, abha_tokens
from conformance.simulator import health_id as common
from conformance.simulator.abha_state import Account, Challenge, Transaction
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.health_id import his

AADHAAR, MOBILE = "health-id-aadhaar", "health-id-mobile"


def aadhaar_otp(simulator: Simulator, call: Call) -> Reply:
    """generateOtp: a code to the Aadhaar's mobile."""
    with simulator.state.changed:
        person = common.holder(simulator, call.body["aadhaar"])
        transaction = common.begin(simulator, call, [])
        challenge = Challenge(frozenset({AADHAAR}), person.aadhaar, "aadhaar", person.mobile)
        common.send(simulator, transaction, challenge)
        return _sent(transaction)


def _sent(transaction: Transaction) -> Reply:
    assert transaction.challenge is not None  # noqa: S101 - it was sent just now
    mobile = common.masked(transaction.challenge.to)
    return Reply(200, {"txnId": transaction.id, "mobileNumber": mobile})


def again(simulator: Simulator, call: Call) -> Reply:
    """resendAadhaarOtp."""
    with simulator.state.changed:
        return _sent(common.send_again(simulator, call))


def mobile_again(simulator: Simulator, call: Call) -> Reply:
    """resendOtp to a mobile."""
    with simulator.state.changed:
        common.send_again(simulator, call)
        return Reply(200, True)


def verify_aadhaar(simulator: Simulator, call: Call) -> Reply:
    """verifyOTP: the Aadhaar's data in V2."""
    with simulator.state.changed:
        transaction = common.check(simulator, call, AADHAAR)
        assert transaction.challenge is not None  # noqa: S101 - it was checked just now
        transaction.aadhaar = transaction.challenge.subject
        told: dict[str, Any] = {"txnId": transaction.id}
        if call.arguments["version"] == "v2":
            person = simulator.state.abha.people[transaction.aadhaar]
            existing = abha_people.account_of(simulator, person.aadhaar)
            told |= {
                "name": person.name,
                "birthdate": f"{person.born:%d-%m-%Y}",
                "gender": person.gender,
                "district": person.district,
                "state": person.state,
                "pincode": person.pincode,
                "photo": person.photo,
                "healthIdNumber": existing.number if existing else None,
            }
        return Reply(200, told)


def _proven(simulator: Simulator, call: Call) -> Transaction:
    transaction = common.resumed(simulator, call)
    if not transaction.aadhaar:
        raise his("HIS-1026", "the Aadhaar is not verified yet")
    return transaction


def check_mobile(simulator: Simulator, call: Call) -> Reply:
    """checkAndGenerateMobileOTP: no code if the mobile is the Aadhaar's."""
    mobile = common.mobile_in(call)
    with simulator.state.changed:
        transaction = _proven(simulator, call)
        linked = simulator.state.abha.people[transaction.aadhaar].mobile == mobile
        if linked:
            transaction.mobile = mobile
        else:
            _send_to(simulator, transaction, mobile)
        return Reply(200, {"mobileLinked": linked, "txnId": transaction.id})


def mobile_otp(simulator: Simulator, call: Call) -> Reply:
    """generateMobileOTP: a code to any mobile."""
    mobile = common.mobile_in(call)
    with simulator.state.changed:
        transaction = _proven(simulator, call)
        _send_to(simulator, transaction, mobile)
        return _sent(transaction)


def _send_to(simulator: Simulator, transaction: Transaction, mobile: str) -> None:
    if len(abha_people.accounts_with(simulator, mobile)) >= common.PER_MOBILE:
        raise his("HIS-1052")
    challenge = Challenge(frozenset({MOBILE}), mobile, "abdm", mobile)
    common.send(simulator, transaction, challenge)


def verify_mobile(simulator: Simulator, call: Call) -> Reply:
    """verifyMobileOTP."""
    with simulator.state.changed:
        transaction = common.check(simulator, call, MOBILE)
        assert transaction.challenge is not None  # noqa: S101 - it was checked just now
        transaction.mobile = transaction.challenge.subject
        return Reply(200, {"txnId": transaction.id})


def create(simulator: Simulator, call: Call) -> Reply:
    """createHealthIdWithPreVerified and createHealthIdByAdhaar; an existing account is given."""
    with simulator.state.changed:
        transaction = _proven(simulator, call)
        person = simulator.state.abha.people[transaction.aadhaar]
        existing = abha_people.account_of(simulator, person.aadhaar)
        if existing is not None:
            common.refuse_disabled(existing)
        local = call.body.get("healthId")
        if local and existing is None:
            _refuse_taken(simulator, local)
        account = existing or abha_people.create_account(
            simulator, person, transaction.mobile or person.mobile
        )
        if local and existing is None:
            abha_people.add_address(simulator, account, _full(simulator, local))
        transaction.enrolled, transaction.accounts = account.number, [account.number]
        tokens = abha_tokens.issued(simulator, account, transaction.id)
        described = common.described(account)
        made = {"token": tokens["token"], "refreshToken": tokens["refreshToken"]}
        return Reply(200, {**made, **described, "new": existing is None})


def _full(simulator: Simulator, local: str) -> str:
    return local if "@" in local else f"{local}@{simulator.config.cm_id}"


def _refuse_taken(simulator: Simulator, local: str) -> None:
    if abha_people.address_taken(simulator, _full(simulator, local)):
        raise his("HIS-1015")


def set_address(simulator: Simulator, call: Call) -> Reply:
    """phr-address: an address for the account of this transaction."""
    local = call.body["phrAddress"]
    with simulator.state.changed:
        account = _enrolled(simulator, call)
        if _full(simulator, local) not in account.addresses:
            _refuse_taken(simulator, local)
            abha_people.add_address(simulator, account, _full(simulator, local))
        return Reply(200, {"txnId": call.body["txnId"], "phrAddress": account.preferred})


def confirm(simulator: Simulator, call: Call) -> Reply:
    """confirm: the account as it stands at the end."""
    with simulator.state.changed:
        return Reply(200, common.described(_enrolled(simulator, call)))


def _enrolled(simulator: Simulator, call: Call) -> Account:
    transaction = common.resumed(simulator, call)
    if transaction.enrolled is None:
        raise his("HIS-1026", "no account was created in this transaction")
    return simulator.state.abha.accounts[transaction.enrolled]
