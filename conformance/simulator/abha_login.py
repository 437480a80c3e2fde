"""Logging in to an existing ABHA: search, OTP, verification, choice of the account.

Source: M0/M1 document, sections 10.1 to 10.5.
"""

from typing import Any

from conformance.simulator import abha_otp, abha_people, abha_tokens
from conformance.simulator.abha_enrolment import (
    aadhaar_holder,
    check_aadhaar_otp,
    plain_mobile,
    sent,
)
from conformance.simulator.abha_errors import (
    NO_AADHAAR_USER,
    OTP_EXPIRED,
    abha_refusal,
    field_refusal,
    invalid,
)
from conformance.simulator.abha_state import Account, Challenge, Transaction
from conformance.simulator.core import Call, Reply, Simulator

VERIFIED = "OTP verified successfully"
METHODS = {"aadhaar": "AADHAAR_OTP", "abdm": "MOBILE_OTP"}
_TO_AADHAAR = "OTP sent to Aadhaar registered mobile number ending with"
_TO_MOBILE = "OTP sent to mobile number ending with"


# -- search ----------------------------------------------------------------------------------


def search_number(simulator: Simulator, call: Call) -> Reply:
    """What an ABHA number allows: its state and ways of authentication."""
    with simulator.state.changed:
        account = _numbered(simulator, call.body["ABHANumber"])
        found = {
            "preferredAbhaAddress": account.preferred,
            "ABHANumber": account.number,
            "authMethods": abha_people.methods_of(account),
            "blockedAuthMethods": account.blocked_methods,
            "status": account.status,
            "verificationStatus": "VERIFIED",
            "mobile": abha_people.masked_mobile(account.mobile or account.person.mobile),
            "verificationType": "AADHAAR",
            "isDocumentAccount": False,
        }
    return Reply(200, [found] if simulator.config.abha_search_lists else found)


def search_mobile(simulator: Simulator, call: Call) -> Reply:
    """The accounts of a mobile, masked and numbered; the txnId serves the login by index."""
    plain = simulator.abha_keys.decrypt(call.body["mobile"])
    mobile = (plain or "").removeprefix("+91")
    if len(mobile) != 10 or not mobile.isdigit():
        raise invalid("mobile", "the mobile does not decrypt to ten digits")
    with simulator.state.changed:
        accounts = abha_people.accounts_with(simulator, mobile)
        if not accounts:
            raise abha_refusal("ABDM-1114", status=404)
        transaction = abha_otp.begin(simulator, call, [a.number for a in accounts])
        listed = [
            {
                "index": number,
                "ABHANumber": f"xx-xxxx-xxxx-{account.number[-4:]}",
                "name": abha_people.masked_words(account.person.name),
                "gender": account.person.gender,
                "kycVerified": "VERIFIED",
                "authMethods": abha_people.methods_of(account),
            }
            for number, account in enumerate(accounts, start=1)
        ]
    found = {"txnId": transaction.id, "ABHA": listed}
    return Reply(200, [found] if simulator.config.abha_search_lists else found)


def _numbered(simulator: Simulator, number: str) -> Account:
    account = simulator.state.abha.accounts.get(number)
    if account is None:
        raise abha_refusal("ABDM-1114", status=404)
    return account


# -- request OTP -----------------------------------------------------------------------------


def request_otp(simulator: Simulator, call: Call) -> Reply:
    """A code for the login by ABHA number, Aadhaar number, mobile, or index of a search."""
    body = call.body
    plain = simulator.abha_keys.decrypt(body["loginId"])
    if plain is None:
        raise field_refusal("the loginId does not decrypt", loginId="Invalid Mobile Number")
    scope, system = frozenset(body["scope"]), body["otpSystem"]
    with simulator.state.changed:
        match body["loginHint"]:
            case "abha-number":
                if len(plain) != 17:
                    raise field_refusal("no dashes", loginId="LoginId is invalid")
                accounts = [_numbered(simulator, plain)]
            case "aadhaar":
                return _by_aadhaar(simulator, call, plain, scope)
            case "mobile":
                mobile = plain_mobile(plain)
                accounts = abha_people.accounts_with(simulator, mobile)
                transaction = _transaction(simulator, call, plain, [a.number for a in accounts])
                abha_otp.send(simulator, transaction, Challenge(scope, mobile, system, mobile))
                return sent(transaction, _TO_MOBILE, mobile)
            case _:
                return _by_index(simulator, call, plain, scope)
        account = accounts[0]
        to = reachable_at(account, system)
        transaction = _transaction(simulator, call, plain, [account.number])
        abha_otp.send(simulator, transaction, Challenge(scope, plain, system, to))
        return sent(transaction, _TO_AADHAAR if system == "aadhaar" else _TO_MOBILE, to)


def _by_aadhaar(simulator: Simulator, call: Call, aadhaar: str, scope: frozenset[str]) -> Reply:
    if not abha_people.is_aadhaar(aadhaar):
        raise invalid("loginId", "no Aadhaar number")
    person = aadhaar_holder(simulator, aadhaar)
    account = abha_people.account_of(simulator, aadhaar)
    if account is not None:
        reachable_at(account, "aadhaar")
    numbers = [account.number] if account else []
    transaction = _transaction(simulator, call, aadhaar, numbers)
    abha_otp.send(simulator, transaction, Challenge(scope, aadhaar, "aadhaar", person.mobile))
    return sent(transaction, _TO_AADHAAR, person.mobile)


def _by_index(simulator: Simulator, call: Call, index: str, scope: frozenset[str]) -> Reply:
    transaction = abha_otp.resumed(simulator, call, call.body["txnId"], invalid("txnId"))
    if not index.isdigit() or not 1 <= int(index) <= len(transaction.accounts):
        raise invalid("loginId", "no index of this search")
    account = simulator.state.abha.accounts[transaction.accounts[int(index) - 1]]
    system = call.body["otpSystem"]
    to = reachable_at(account, system)
    abha_otp.send(simulator, transaction, Challenge(scope, account.number, system, to))
    return sent(transaction, _TO_AADHAAR if system == "aadhaar" else _TO_MOBILE, to)


def _transaction(
    simulator: Simulator, call: Call, subject: str, accounts: list[str]
) -> Transaction:
    """The transaction that a resend names, or a new one."""
    txn_id = call.body.get("txnId")
    if not txn_id:
        return abha_otp.begin(simulator, call, accounts)
    transaction = abha_otp.resumed(simulator, call, txn_id, invalid("txnId"))
    if transaction.challenge is None or transaction.challenge.subject != subject:
        raise invalid("txnId", "the transaction belongs to another login id")
    return transaction


def reachable_at(account: Account, system: str, blocked: str = "ABDM-1118") -> str:
    """The mobile a code of this system goes to; refuses a deactivated account, a blocked way."""
    abha_tokens.refuse_deactivated(account)
    method = METHODS[system]
    if method in account.blocked_methods or method not in abha_people.methods_of(account):
        raise abha_refusal(blocked, why=f"{method} is blocked or impossible")
    return account.person.mobile if system == "aadhaar" else str(account.mobile)


# -- verify ----------------------------------------------------------------------------------


def verify(simulator: Simulator, call: Call) -> Reply:
    """The code: an X-token, or a T-token if it proved a mobile only."""
    otp, scope = call.body["authData"]["otp"], frozenset(call.body["scope"])
    code = abha_otp.plain_otp(simulator, otp["otpValue"])
    with simulator.state.changed:
        transaction = abha_otp.resumed(simulator, call, otp["txnId"], invalid("txnId"))
        failed = _wrong(simulator, transaction, scope, code)
        if failed is not None:
            return failed
        assert transaction.challenge is not None  # noqa: S101 - it was checked just now
        subject = transaction.challenge.subject
        accounts = [simulator.state.abha.accounts[n] for n in transaction.accounts]
        if "search-abha" in scope:
            accounts = [account for account in accounts if account.number == subject]
        if not accounts:
            missing = NO_AADHAAR_USER if transaction.challenge.system == "aadhaar" else ""
            raise abha_refusal("ABDM-1114", missing, status=404)
        by_mobile = transaction.challenge.system == "abdm" and subject.isdigit()
        tokens = (
            abha_tokens.transfer(simulator, subject, transaction.id)
            if by_mobile
            else abha_tokens.issued(simulator, accounts[0], transaction.id)
        )
        return Reply(
            200,
            {
                "txnId": transaction.id,
                "authResult": "success",
                "message": VERIFIED,
                **tokens,
                "accounts": [_listed(account) for account in accounts],
            },
        )


def _wrong(
    simulator: Simulator, transaction: Transaction, scope: frozenset[str], code: str
) -> Reply | None:
    """How a wrong or expired code is answered, if it is not an exception; None for a right one."""
    if "aadhaar-verify" in scope:
        check_aadhaar_otp(simulator, transaction, scope, code)
        return None
    outcome = abha_otp.check(simulator, transaction, scope, code)
    if outcome == "right":
        return None
    if outcome == "wrong" and simulator.config.abha_wrong_login_otp == "field":
        raise invalid("otpValue", "a wrong code")
    message = OTP_EXPIRED if outcome == "expired" else "OTP did not match, please try again"
    failed = {"txnId": transaction.id, "authResult": "failed", "message": message}
    return Reply(200, {**failed, "accounts": []})


def _listed(account: Account) -> dict[str, Any]:
    person = account.person
    return {
        "ABHANumber": account.number,
        "preferredAbhaAddress": account.preferred,
        "name": person.name,
        "gender": person.gender,
        "dob": f"{person.born:%d-%m-%Y}",
        "verifiedStatus": "VERIFIED",
        "verificationType": "AADHAAR",
        "status": account.status,
        "profilePhoto": account.photo,
        "kycVerified": True,
    }


def choose_user(simulator: Simulator, call: Call) -> Reply:
    """One of the accounts of a mobile, for a T-token: its X-token."""
    with simulator.state.changed:
        claims = abha_tokens.claims_in(simulator, call, "Transfer")
        txn_id = call.body["txnId"]
        transaction = abha_otp.resumed(simulator, call, txn_id, invalid("txnId"))
        if claims["txnId"] != txn_id:
            raise invalid("txnId", "the T-token belongs to another transaction")
        if call.body["ABHANumber"] not in transaction.accounts:
            raise invalid("ABHANumber", "no account of this transaction")
        account = _numbered(simulator, call.body["ABHANumber"])
        abha_tokens.refuse_deactivated(account)
        return Reply(200, abha_tokens.issued(simulator, account, txn_id))
