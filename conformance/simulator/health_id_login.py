"""Finding and opening an account at the Health ID service: search, login, profile, card, tokens.

Source: v1 document, sections 4, 6 and 7.
"""

import re

from conformance.simulator import abha_cards, abha_people, abha_tokens
from conformance.simulator import health_id as common
from conformance.simulator.abha_state import Account, Challenge, Transaction
from conformance.simulator.abha_tokens import Kind
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import Refusal
from conformance.simulator.health_id import his

METHODS = {"AADHAAR_OTP": "aadhaar", "MOBILE_OTP": "abdm"}
DEMOGRAPHICS = "DEMOGRAPHICS"
LOGIN, FORGOTTEN = "health-id-mobile-login", "health-id-forgotten"


# -- search ----------------------------------------------------------------------------------


def exists(simulator: Simulator, call: Call) -> Reply:
    """existsByHealthId."""
    with simulator.state.changed:
        try:
            common.account_called(simulator, call.body["healthId"])
        except Refusal:
            return Reply(200, {"status": False})
    return Reply(200, {"status": True})


def search(simulator: Simulator, call: Call) -> Reply:
    """searchByHealthId."""
    with simulator.state.changed:
        return Reply(200, common.found(common.account_called(simulator, call.body["healthId"])))


def search_by_mobile(simulator: Simulator, call: Call) -> Reply:
    """searchByMobile: the one account with this mobile that is meant."""
    mobile = common.mobile_in(call)
    with simulator.state.changed:
        accounts = [a for a in abha_people.accounts_with(simulator, mobile) if _meant(a, call)]
        if not accounts:
            raise his("HIS-1008")
        return Reply(200, common.found(accounts[0]))


def _meant(account: Account, call: Call) -> bool:
    person = account.person
    stated = {
        "name": person.name.casefold(),
        "gender": person.gender.casefold(),
        "yearOfBirth": str(person.born.year),
    }
    given = {name: str(call.body[name]).casefold() for name in stated if call.body.get(name)}
    return all(stated[name] == value for name, value in given.items())


# -- login -----------------------------------------------------------------------------------


def init(simulator: Simulator, call: Call) -> Reply:
    """auth/init: a code where the method has one."""
    method = call.body["authMethod"]
    with simulator.state.changed:
        account = common.account_called(simulator, call.body["healthid"])
        common.refuse_disabled(account)
        if method not in common.found(account)["authMethods"]:
            raise his("HIS-400", "this method is not the account's", 400)
        transaction = common.begin(simulator, call, [account.number])
        if method in METHODS:
            mobile = account.person.mobile if method == "AADHAAR_OTP" else account.mobile
            scope = frozenset({method})
            common.send(
                simulator,
                transaction,
                Challenge(scope, account.number, METHODS[method], mobile or ""),
            )
        return Reply(200, {"txnId": transaction.id})


def confirm_aadhaar(simulator: Simulator, call: Call) -> Reply:
    """confirmWithAadhaarOtp."""
    return _confirmed(simulator, call, "AADHAAR_OTP")


def confirm_mobile(simulator: Simulator, call: Call) -> Reply:
    """confirmWithMobileOTP."""
    return _confirmed(simulator, call, "MOBILE_OTP")


def _confirmed(simulator: Simulator, call: Call, method: str) -> Reply:
    with simulator.state.changed:
        transaction = common.check(simulator, call, method)
        account = _account(simulator, transaction)
        return Reply(200, abha_tokens.issued(simulator, account, transaction.id))


def _account(simulator: Simulator, transaction: Transaction) -> Account:
    if len(transaction.accounts) != 1:
        raise his("HIS-1026", "the transaction is of another kind")
    return simulator.state.abha.accounts[transaction.accounts[0]]


def confirm_demographics(simulator: Simulator, call: Call) -> Reply:
    """confirmWithDemographics."""
    with simulator.state.changed:
        account = _account(simulator, common.resumed(simulator, call))
        if not _meant(account, call):
            raise his("HIS-1018")
    return Reply(200, {"status": True})


def again(simulator: Simulator, call: Call) -> Reply:
    """Any resending of a login's code."""
    with simulator.state.changed:
        common.send_again(simulator, call)
        return Reply(200, True)


def mobile_otp(simulator: Simulator, call: Call) -> Reply:
    """mobile/login/generateOtp."""
    mobile = common.mobile_in(call)
    with simulator.state.changed:
        numbers = [a.number for a in abha_people.accounts_with(simulator, mobile)]
        if not numbers:
            raise his("HIS-1008")
        transaction = common.begin(simulator, call, numbers)
        challenge = Challenge(frozenset({LOGIN}), mobile, "abdm", mobile)
        common.send(simulator, transaction, challenge)
        return Reply(200, {"txnId": transaction.id, "mobileNumber": common.masked(mobile)})


def verify_mobile(simulator: Simulator, call: Call) -> Reply:
    """mobile/login/verifyOtp: a transfer token and the accounts to choose from."""
    with simulator.state.changed:
        transaction = common.check(simulator, call, LOGIN)
        assert transaction.challenge is not None  # noqa: S101 - it was checked just now
        mobile = transaction.challenge.subject
        token = abha_tokens.transfer(simulator, mobile, transaction.id)["token"]
        accounts = [simulator.state.abha.accounts[number] for number in transaction.accounts]
        linked = [
            {
                "healthIdNumber": account.number,
                "healthId": common.chosen_address(account),
                "name": account.person.name,
                "profilePhoto": account.photo,
                "phrAddress": account.preferred,
            }
            for account in accounts
        ]
        answer = {"txnid": transaction.id, "token": token, "mobileLinkedHid": linked}
        return Reply(200, answer)


def choose(simulator: Simulator, call: Call) -> Reply:
    """mobile/login/userAuthorizedToken: the account that was chosen, with its tokens."""
    with simulator.state.changed:
        txn_id = _claim(simulator, call, "Transfer", "txnId")
        transaction = common.resumed(simulator, call)
        account = common.account_called(simulator, call.body["healthId"])
        if txn_id != transaction.id or account.number not in transaction.accounts:
            raise his("HIS-1026", "the account is not among those of the mobile")
        common.refuse_disabled(account)
        tokens = abha_tokens.issued(simulator, account, transaction.id)
        kept = {name: tokens[name] for name in ("token", "refreshToken")}
        return Reply(200, {**kept, **common.described(account)})


def forgotten_otp(simulator: Simulator, call: Call) -> Reply:
    """forgot/healthId/aadhaar/generateOtp."""
    with simulator.state.changed:
        person = common.holder(simulator, call.body["aadhaar"])
        transaction = common.begin(simulator, call, [])
        challenge = Challenge(frozenset({FORGOTTEN}), person.aadhaar, "aadhaar", person.mobile)
        common.send(simulator, transaction, challenge)
        return Reply(200, {"txnId": transaction.id})


def forgotten(simulator: Simulator, call: Call) -> Reply:
    """forgot/healthId/aadhaar: number and address of the Aadhaar holder."""
    with simulator.state.changed:
        transaction = common.check(simulator, call, FORGOTTEN)
        assert transaction.challenge is not None  # noqa: S101 - it was checked just now
        account = abha_people.account_of(simulator, transaction.challenge.subject)
        if account is None:
            raise his("HIS-1008")
        address = common.chosen_address(account)
        return Reply(200, {"healthId": address, "healthIdNumber": account.number})


# -- the user's own account ------------------------------------------------------------------


def _user(simulator: Simulator, call: Call, kind: Kind = "Transaction") -> Account:
    try:
        account = abha_tokens.user_of(simulator, call, kind)
    except Refusal as refused:
        raise his("HIS-401", refused.why or "the user's token is not accepted", 401) from refused
    common.refuse_disabled(account)
    return account


def _claim(simulator: Simulator, call: Call, kind: Kind, name: str) -> str:
    try:
        return str(abha_tokens.claims_in(simulator, call, kind)[name])
    except Refusal as refused:
        raise his("HIS-401", refused.why or "the user's token is not accepted", 401) from refused


def profile(simulator: Simulator, call: Call) -> Reply:
    """account/profile."""
    with simulator.state.changed:
        account = _user(simulator, call)
    more = {
        "phrAddress": [a for a in account.addresses if not re.match(r"\d{14}@", a)],
        "address": account.person.address,
        "pincode": account.person.pincode,
        "emailVerified": account.email is not None,
        "kycVerified": True,
        "verificationStatus": "VERIFIED",
        "verificationType": "AADHAAR",
    }
    return Reply(200, {**common.described(account), **more})


def qr(simulator: Simulator, call: Call) -> Reply:
    """account/qrCode: a picture."""
    with simulator.state.changed:
        account = _user(simulator, call)
    return Reply(200, abha_cards.qr(abha_cards.payload(account, "card")))


def card(simulator: Simulator, call: Call) -> Reply:
    """account/getPngCard: a picture."""
    with simulator.state.changed:
        account = _user(simulator, call)
    return Reply(200, abha_cards.card(account))


def logout(simulator: Simulator, call: Call) -> Reply:
    """account/logout: the user's token is worth nothing any more."""
    with simulator.state.changed:
        _user(simulator, call)
    abha_tokens.end(simulator, call)
    return Reply(200, True)


def refresh(simulator: Simulator, call: Call) -> Reply:
    """auth/generate/access-token: the refresh token is in the body."""
    headers = {**call.headers, "R-TOKEN": f"Bearer {call.body['refreshToken']}"}
    again = Call(call.message, call.client_id, call.request_id, headers, call.body, call.arguments)
    with simulator.state.changed:
        account = _user(simulator, again, "Refresh")
        tokens = abha_tokens.issued(simulator, account)
    return Reply(200, {"accessToken": tokens["token"], "expiresIn": tokens["expiresIn"]})


def valid_token(simulator: Simulator, call: Call) -> Reply:
    """account/token: whether a user's token is good."""
    headers = {**call.headers, "X-TOKEN": f"Bearer {call.body['authToken']}"}
    shown = Call(call.message, call.client_id, call.request_id, headers, call.body, call.arguments)
    with simulator.state.changed:
        try:
            _user(simulator, shown)
        except Refusal:
            return Reply(200, False)
    return Reply(200, True)


def certificate(simulator: Simulator, _call: Call) -> Reply:
    """auth/cert: PEM text."""
    return Reply(200, simulator.abha_keys.pem())
