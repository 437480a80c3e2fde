"""What the Health ID service (V1, V2) is asked and what it answers, as the values of `abha`.

The same accounts by other names: answers become V3's words here, so that nobody behind this module
has to know both. V2 paths, which take Aadhaar number and OTP encrypted, wherever there is one.
Source: v1 document, sections 3 to 7. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter.protocol.abha import Account, LoginWay, UserTokens

#: What `createHealthIdByAdhaar` takes.
CONSENT_VERSION = "v1.0"

CERTIFICATE_PATH = "/v2/auth/cert"
SEARCH_PATH = "/v1/search/searchByHealthId"
REFRESH_PATH = "/v1/auth/generate/access-token"
PROFILE_PATH = "/v1/account/profile"
IMAGE_PATHS = {"card": "/v1/account/getPngCard", "qr": "/v1/account/qrCode"}

_AADHAAR = "/v2/registration/aadhaar"
AADHAAR_OTP_PATH = f"{_AADHAAR}/generateOtp"
AADHAAR_OTP_AGAIN_PATH = f"{_AADHAAR}/resendAadhaarOtp"
VERIFY_AADHAAR_PATH = f"{_AADHAAR}/verifyOTP"
CHECK_MOBILE_PATH = f"{_AADHAAR}/checkAndGenerateMobileOTP"
VERIFY_MOBILE_PATH = f"{_AADHAAR}/verifyMobileOTP"
CREATE_PATH = f"{_AADHAAR}/createHealthIdByAdhaar"
ADDRESS_PATH = f"{_AADHAAR}/phr-address"
CONFIRM_PATH = f"{_AADHAAR}/confirm"

_MOBILE_LOGIN = "/v2/registration/mobile/login"
CHOOSE_PATH = f"{_MOBILE_LOGIN}/userAuthorizedToken"
MOBILE_LOGIN_AGAIN_PATH = f"{_MOBILE_LOGIN}/resendOtp"
AUTH_AGAIN_PATH = "/v1/auth/resendAuthOTP"

#: In the clear on every path; whatever else is protected goes encrypted.
CLEAR = frozenset({"mobile", "abha_number", "abha_address"})

#: Life of a user's token and of its refresh token, which several answers leave out.
TOKEN_SECONDS, REFRESH_SECONDS = 1800, 86_400


def _ways() -> dict[tuple[str, str], LoginWay]:
    def way(by: str, otp_to: str, otp_path: str, verify_path: str, method: str) -> LoginWay:
        return LoginWay(by, otp_to, otp_path, verify_path, (), "", "", method)

    made = [
        way("mobile", "mobile", f"{_MOBILE_LOGIN}/generateOtp", f"{_MOBILE_LOGIN}/verifyOtp", "")
    ]
    for by in ("abha_number", "abha_address"):
        for otp_to, method, confirm in (
            ("aadhaar", "AADHAAR_OTP", "confirmWithAadhaarOtp"),
            ("mobile", "MOBILE_OTP", "confirmWithMobileOTP"),
        ):
            made.append(way(by, otp_to, "/v2/auth/init", f"/v2/auth/{confirm}", method))
    return {(each.by, each.otp_to): each for each in made}


#: Every way to log in by one-time password, by (what is known, where the OTP goes).
LOGIN_WAYS = _ways()


def login_otp_body(way: LoginWay, value: str) -> dict[str, Any]:
    """An OTP for logging in; the spelling `healthid` is the service's."""
    if way.by == "mobile":
        return {"mobile": value}
    return {"authMethod": way.offered_as, "healthid": value}


def login_again(way: LoginWay, transaction: str) -> tuple[str, dict[str, Any]]:
    """(path, body) to have a login's OTP sent again."""
    if way.by == "mobile":
        return MOBILE_LOGIN_AGAIN_PATH, {"txnId": transaction}
    return AUTH_AGAIN_PATH, {"authMethod": way.offered_as, "txnId": transaction}


def create_body(transaction: str) -> dict[str, Any]:
    """The account of a proven Aadhaar number, with the person's consent."""
    return {"consent": True, "consentVersion": CONSENT_VERSION, "txnId": transaction}


def profile(data: Mapping[str, Any]) -> dict[str, Any]:
    """The account object with V3's names beside its own, as enrolment and account words them.

    `healthId` is null until an address was chosen; `phrAddress` may list those there are.
    """
    addresses = data.get("phrAddress")
    listed = addresses if isinstance(addresses, list) else [addresses]
    born = [str(data.get(f"{part}OfBirth") or "") for part in ("day", "month", "year")]
    return {
        **data,
        "ABHANumber": data.get("healthIdNumber"),
        "preferredAbhaAddress": data.get("healthId") or next(filter(None, listed), None),
        "phrAddress": None,
        "dob": "-".join(born) if all(born) else born[-1],
        "pinCode": data.get("pincode"),
        "photo": data.get("profilePhoto") or data.get("kycPhoto"),
    }


def found(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a search told, by V3's names."""
    return {
        "status": data.get("status"),
        "fullName": data.get("name"),
        "authMethods": data.get("authMethods"),
    }


def accounts(data: Mapping[str, Any]) -> tuple[Account, ...]:
    """The accounts of a login by mobile number: a list of them, or the only one."""
    linked = data.get("mobileLinkedHid")
    listed = linked if isinstance(linked, list) else [linked]
    return tuple(_account(each) for each in listed if isinstance(each, Mapping))


def tokens(data: Mapping[str, Any]) -> UserTokens | None:
    """Tokens, whether of a login, of an account or of a renewal; None where there are none."""
    token, refresh = data.get("token") or data.get("accessToken"), data.get("refreshToken")
    if not isinstance(token, str) or not token:
        return None
    given = refresh if isinstance(refresh, str) and refresh else None
    return UserTokens(
        token,
        _seconds(data.get("expiresIn"), TOKEN_SECONDS),
        given,
        _seconds(data.get("refreshExpiresIn"), REFRESH_SECONDS) if given else 0,
    )


def address(confirmed: Mapping[str, Any], local: str, suffix: str) -> str:
    """The address that was given: as the confirmation tells it, else what was asked for."""
    told = confirmed.get("healthId")
    if isinstance(told, str) and "@" in told:
        return told
    return f"{local}@{suffix}"


def _account(data: Mapping[str, Any]) -> Account:
    number = _text(data.get("healthIdNumber"))
    named = _text(data.get("healthId")) or _text(data.get("phrAddress"))
    return Account(
        key=number or named or "",
        abha_number=number,
        abha_address=named,
        name=_text(data.get("name")),
        gender=None,
        status=None,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _seconds(value: Any, otherwise: int) -> int:
    try:
        return max(int(value), 0)
    except (TypeError, ValueError, OverflowError):
        return otherwise
