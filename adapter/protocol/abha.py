"""What the ABHA service is asked and what it answers (M1), as values: login ways, bodies, tokens.

The service is called by name and answers at once, so these are no messages of a dialect. Readers
take the shapes in circulation (a list or one object, tokens at the top or inside `tokens`) and
leave what is absent absent. Source: M0 and M1, sections 9 to 11. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

CONSENT_CODE = "abha-enrollment"
CONSENT_VERSION = "1.4"

_V3 = "/abha/api/v3"
CERTIFICATE_PATH = f"{_V3}/profile/public/certificate"
ENROL_OTP_PATH = f"{_V3}/enrollment/request/otp"
ENROL_PATH = f"{_V3}/enrollment/enrol/byAadhaar"
ENROL_MOBILE_PATH = f"{_V3}/enrollment/auth/byAbdm"
SUGGESTION_PATH = f"{_V3}/enrollment/enrol/suggestion"
ADDRESS_PATH = f"{_V3}/enrollment/enrol/abha-address"
SEARCH_PATH = f"{_V3}/profile/login/search"
MOBILE_SEARCH_PATH = f"{_V3}/profile/account/abha/search"
VERIFY_USER_PATH = f"{_V3}/profile/login/verify/user"
ADDRESS_SEARCH_PATH = f"{_V3}/phr/web/login/abha/search"
REFRESH_PATH = f"{_V3}/profile/account/request/token"

#: By whether the patient logged in by ABHA address.
PROFILE_PATHS = {
    False: {
        "profile": f"{_V3}/profile/account",
        "card": f"{_V3}/profile/account/abha-card",
        "qr": f"{_V3}/profile/account/qrCode",
    },
    True: {
        "profile": f"{_V3}/phr/web/login/profile/abha-profile",
        "card": f"{_V3}/phr/web/login/profile/abha/phr-card",
        "qr": f"{_V3}/phr/web/login/profile/abha/qr-code",
    },
}

_LOGIN = (f"{_V3}/profile/login/request/otp", f"{_V3}/profile/login/verify")
_ADDRESS_LOGIN = (f"{_V3}/phr/web/login/abha/request/otp", f"{_V3}/phr/web/login/abha/verify")


@dataclass(frozen=True)
class LoginWay:
    """One row of the flow table (10.1): by what, where the OTP goes, and how ABDM is asked.

    `offered_as`: the auth method that a search must offer for it.
    """

    by: str
    otp_to: str
    otp_path: str
    verify_path: str
    scope: tuple[str, ...]
    hint: str
    otp_system: str
    offered_as: str


def _ways() -> dict[tuple[str, str], LoginWay]:
    systems = {
        "aadhaar": ("aadhaar-verify", "aadhaar", "AADHAAR_OTP"),
        "mobile": ("mobile-verify", "abdm", "MOBILE_OTP"),
    }
    hints: dict[str, tuple[tuple[str, str], tuple[str, ...], str, tuple[str, ...]]] = {
        "abha_number": (_LOGIN, ("abha-login",), "abha-number", ("aadhaar", "mobile")),
        "aadhaar": (_LOGIN, ("abha-login",), "aadhaar", ("aadhaar",)),
        "mobile": (_LOGIN, ("abha-login",), "mobile", ("mobile",)),
        "index": (_LOGIN, ("abha-login", "search-abha"), "index", ("aadhaar", "mobile")),
        "abha_address": (
            _ADDRESS_LOGIN,
            ("abha-address-login",),
            "abha-address",
            ("aadhaar", "mobile"),
        ),
    }
    made = {}
    for by, (paths, scope, hint, targets) in hints.items():
        for otp_to in targets:
            verify, system, method = systems[otp_to]
            full = (*scope, verify)
            made[by, otp_to] = LoginWay(by, otp_to, *paths, full, hint, system, method)
    return made


#: Every way to log in by one-time password, by (what is known, where the OTP goes).
LOGIN_WAYS = _ways()


@dataclass(frozen=True)
class UserTokens:
    """A patient's tokens at the ABHA service. Never log. `seconds`: what is left of each.

    Without a refresh token it is only a transfer token: an account has to be chosen with it.
    """

    token: str
    seconds: int
    refresh_token: str | None = None
    refresh_seconds: int = 0


@dataclass(frozen=True)
class OtpSent:
    """An OTP is on its way; `message` names the last digits of the number it went to, if any."""

    transaction: str
    message: str


@dataclass(frozen=True)
class Account:
    """One ABHA to choose from; masked where ABDM masks. `key`: what to name it by when chosen."""

    key: str
    abha_number: str | None
    abha_address: str | None
    name: str | None
    gender: str | None
    status: str | None
    methods: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verified:
    """What a verified OTP led to: tokens, and the accounts it is for."""

    transaction: str | None
    tokens: UserTokens
    accounts: tuple[Account, ...]


@dataclass(frozen=True)
class Enrolled:
    """An ABHA, created (`new`) or there already, with its profile as ABDM words it."""

    transaction: str
    tokens: UserTokens
    profile: Mapping[str, Any]
    new: bool


@dataclass(frozen=True)
class Proven:
    """The OTP was right and is spent; the ABHA is still to be made in this transaction."""

    transaction: str


def enrol_otp_body(encrypted: str, transaction: str, *, mobile: bool) -> dict[str, Any]:
    """9.1 and 9.3: an OTP to the Aadhaar holder, or to the mobile number for communication."""
    return {
        "txnId": transaction,
        "scope": ["abha-enrol", "mobile-verify"] if mobile else ["abha-enrol"],
        "loginHint": "mobile" if mobile else "aadhaar",
        "loginId": encrypted,
        "otpSystem": "abdm" if mobile else "aadhaar",
    }


def enrol_body(transaction: str, encrypted_otp: str, mobile: str) -> dict[str, Any]:
    """9.2: the mobile number goes in plain, ten digits."""
    otp = {"txnId": transaction, "otpValue": encrypted_otp, "mobile": mobile}
    return {
        "authData": {"authMethods": ["otp"], "otp": otp},
        "consent": {"code": CONSENT_CODE, "version": CONSENT_VERSION},
    }


def verify_body(scope: tuple[str, ...], transaction: str, encrypted_otp: str) -> dict[str, Any]:
    """9.4, 10.3, 10.7: the OTP of any scope."""
    otp = {"txnId": transaction, "otpValue": encrypted_otp}
    return {"scope": list(scope), "authData": {"authMethods": ["otp"], "otp": otp}}


def login_otp_body(way: LoginWay, encrypted: str, transaction: str) -> dict[str, Any]:
    """10.2: `transaction` only to send again, or from a search by mobile."""
    body = {
        "scope": list(way.scope),
        "loginHint": way.hint,
        "loginId": encrypted,
        "otpSystem": way.otp_system,
    }
    return body | ({"txnId": transaction} if transaction else {})


def tokens(data: Mapping[str, Any]) -> UserTokens | None:
    """Tokens from the top or from `tokens`; None where there are none."""
    inner = data.get("tokens")
    held = inner if isinstance(inner, Mapping) else data
    token, refresh = held.get("token"), held.get("refreshToken")
    if not isinstance(token, str) or not token:
        return None
    return UserTokens(
        token,
        _seconds(held.get("expiresIn"), 300 if not refresh else 1800),
        refresh if isinstance(refresh, str) and refresh else None,
        _seconds(held.get("refreshExpiresIn"), 1_296_000) if refresh else 0,
    )


def accounts(data: Mapping[str, Any]) -> tuple[Account, ...]:
    """Accounts of a login, users of an address login, or what a search by mobile found."""
    listed = data.get("accounts") or data.get("users") or data.get("ABHA") or ()
    return tuple(_account(each) for each in listed if isinstance(each, Mapping))


def one(data: Any) -> Mapping[str, Any]:
    """An answer's object, also where the service puts it into a list of one; else an empty one."""
    if isinstance(data, list):
        data = data[0] if data else {}
    return data if isinstance(data, Mapping) else {}


def otp_targets(methods: Collection[str], by: str = "index") -> tuple[str, ...]:
    """Where an OTP may go ("aadhaar", "mobile"), of the auth methods that ABDM offers."""
    ways = (way for (name, _), way in LOGIN_WAYS.items() if name == by)
    return tuple(way.otp_to for way in ways if way.offered_as in methods)


def hint(message: str) -> str:
    """What a person is shown of "OTP sent to … ending with ******4417": the last four digits."""
    found = re.search(r"(\d{4})\D*$", message)
    if found is None:
        return "The one-time password has been sent."
    return f"The one-time password was sent to the number ending with {found.group(1)}."


def failed(data: Mapping[str, Any]) -> str | None:
    """The words of a refusal that came with HTTP 200 (`authResult` "failed"), else None."""
    if str(data.get("authResult", "success")).lower() == "success":
        return None
    return str(data.get("message") or "failed")


def _account(data: Mapping[str, Any]) -> Account:
    number, address = (
        _text(data, "ABHANumber", "abhaNumber"),
        _text(data, "preferredAbhaAddress", "abhaAddress"),
    )
    return Account(
        key=_text(data, "index") or number or address or "",
        abha_number=number,
        abha_address=address,
        name=_text(data, "name", "fullName"),
        gender=_text(data, "gender"),
        status=_text(data, "status"),
        methods=tuple(str(each) for each in data.get("authMethods") or ()),
    )


def _text(data: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        value = data.get(name)
        if value not in (None, "") and not isinstance(value, dict | list | bool):
            return str(value)
    return None


def _seconds(value: Any, otherwise: int) -> int:
    try:
        return max(int(value), 0)
    except (TypeError, ValueError, OverflowError):
        return otherwise
