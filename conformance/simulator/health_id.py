"""What all calls of the Health ID service (V1, V2) share: its errors, codes, descriptions.

It stands over the same people and accounts as the ABHA service of V3. Source: v1 document,
sections 3 to 6.
"""

import re
from typing import Any

from conformance.simulator import abha_otp, abha_people
from conformance.simulator.abha_state import Account, Challenge, Person, Transaction
from conformance.simulator.core import Call, Simulator
from conformance.simulator.errors import Refusal

TEXTS = {
    "HIS-401": "Unauthorized.",
    "HIS-400": "The request could not be read.",
    "HIS-1007": "Account is disabled.",
    "HIS-1008": "Account does not exist.",
    "HIS-1011": "Mobile number is not valid.",
    "HIS-1012": "Aadhaar number is not valid.",
    "HIS-1015": "Health ID already exists.",
    "HIS-1018": "Demographics do not match.",
    "HIS-1026": "Transaction is not found.",
    "HIS-1041": "OTP attempts are used up.",
    "HIS-1047": "Encrypted input is expected.",
    "HIS-1052": "Mobile number is tied to too many Health IDs.",
    "HIS-1056": "OTP is expired.",
    "HIS-2016": "Aadhaar number is not valid.",
    "HIS-2017": "Several OTPs were requested. Try again in 30 minutes.",
    "HIS-2022": "OTP is not valid.",
    "HIS-3005": "Aadhaar has no mobile number.",
}
PER_MOBILE = 10


class HealthIdRefusal(Refusal):
    """A refusal whose outer code repeats the class and whose details name the reason."""

    def body(self) -> Any:
        """`{code, message, details}`."""
        detail = {"code": self.code, "message": self.message, "attribute": None}
        return {
            "code": f"HIS-{self.status}",
            "message": "Request could not be processed.",
            "details": [detail],
        }


def his(code: str, why: str = "", status: int = 422) -> HealthIdRefusal:
    """A refusal by code."""
    return HealthIdRefusal(code, TEXTS[code], status, why=why)


# -- transactions and codes ------------------------------------------------------------------


def begin(simulator: Simulator, call: Call, accounts: list[str]) -> Transaction:
    """A new transaction. The state is held."""
    return abha_otp.begin(simulator, call, accounts)


def resumed(simulator: Simulator, call: Call) -> Transaction:
    """The caller's transaction named by txnId; raises HIS-1026. The state is held."""
    return abha_otp.resumed(simulator, call, call.body["txnId"], his("HIS-1026"))


def send(simulator: Simulator, transaction: Transaction, challenge: Challenge) -> None:
    """Send a code; raises HIS-2017 for one too many. The state is held."""
    try:
        abha_otp.send(simulator, transaction, challenge)
    except Refusal as refused:
        raise his("HIS-2017", refused.why) from refused


def send_again(simulator: Simulator, call: Call) -> Transaction:
    """Send the open code of a transaction again. The state is held."""
    transaction = resumed(simulator, call)
    if transaction.challenge is None or transaction.challenge.used:
        raise his("HIS-1026", "no code is open")
    send(simulator, transaction, transaction.challenge)
    return transaction


def check(simulator: Simulator, call: Call, scope: str) -> Transaction:
    """The transaction, once its code for a scope was right. The state is held.

    Raises HIS-2022 for a wrong code, HIS-1041 for one too many, HIS-1056 for an expired one.
    """
    transaction = resumed(simulator, call)
    try:
        outcome = abha_otp.check(simulator, transaction, frozenset({scope}), call.body["otp"])
    except Refusal as refused:
        locked = refused.code == "ABDM-1100"
        raise his("HIS-1041" if locked else "HIS-1026", refused.why) from refused
    if outcome != "right":
        raise his("HIS-1056" if outcome == "expired" else "HIS-2022")
    return transaction


# -- people and accounts ---------------------------------------------------------------------


def holder(simulator: Simulator, aadhaar: str) -> Person:
    """The Aadhaar holder; raises HIS-1012, HIS-2016 or HIS-3005. The state is held."""
    if not abha_people.is_aadhaar(aadhaar):
        raise his("HIS-1012")
    person = simulator.state.abha.people.get(aadhaar)
    if person is None:
        raise his("HIS-2016", "nobody has this number")
    if not person.mobile:
        raise his("HIS-3005")
    return person


def mobile_in(call: Call) -> str:
    """The ten digits of the body's mobile; raises HIS-1011."""
    digits = str(call.body["mobile"]).removeprefix("+91")
    if re.fullmatch(r"[1-9][0-9]{9}", digits) is None:
        raise his("HIS-1011")
    return digits


def account_called(simulator: Simulator, named: str) -> Account:
    """The account with a number or address; raises HIS-1008. The state is held."""
    digits = re.sub(r"\D", "", named)
    dashed = f"{digits[:2]}-{digits[2:6]}-{digits[6:10]}-{digits[10:]}"
    found = simulator.state.abha.accounts.get(dashed) if len(digits) == 14 else None
    found = found or abha_people.account_at(simulator, named)
    if found is None:
        raise his("HIS-1008")
    return found


def refuse_disabled(account: Account) -> None:
    """Raises HIS-1007 if the account is not active."""
    if account.status != "ACTIVE":
        raise his("HIS-1007")


def masked(mobile: str) -> str:
    """XXXXXX0045"""
    return f"XXXXXX{mobile[-4:]}"


def chosen_address(account: Account) -> str | None:
    """The address that its owner chose, if any; the number alone is none."""
    plain = account.number.replace("-", "")
    return None if account.preferred.startswith(plain) else account.preferred


def described(account: Account) -> dict[str, Any]:
    """The account object."""
    person = account.person
    return {
        "healthIdNumber": account.number,
        "healthId": chosen_address(account),
        "name": person.name,
        "firstName": person.first_name,
        "middleName": person.middle_name,
        "lastName": person.last_name,
        "gender": person.gender,
        "dayOfBirth": str(person.born.day),
        "monthOfBirth": str(person.born.month),
        "yearOfBirth": str(person.born.year),
        "mobile": account.mobile,
        "email": account.email,
        "stateCode": person.state_code,
        "stateName": person.state,
        "districtCode": person.district_code,
        "districtName": person.district,
        "profilePhoto": account.photo,
        "kycPhoto": person.photo,
        "authMethods": [*abha_people.methods_of(account), "DEMOGRAPHICS"],
        "tags": {},
    }


def found(account: Account) -> dict[str, Any]:
    """An account as a search gives it."""
    return {
        "authMethods": [*abha_people.methods_of(account), "DEMOGRAPHICS"],
        "healthId": chosen_address(account),
        "healthIdNumber": account.number,
        "name": account.person.name,
        "status": account.status,
    }
