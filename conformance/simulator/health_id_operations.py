"""The calls of the Health ID service, V1 and V2, as one table, and what is checked of each.

V1 takes all in the clear; V2 takes Aadhaar and OTP encrypted, the mobile in the clear. Handlers see
plain values either way. Source: v1 document, sections 3 to 7.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.simulator import health_id_enrolment as enrolment
from conformance.simulator import health_id_login as login
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.health_id import his
from conformance.simulator.operations import Handler

BASE = "/healthid/api"


@dataclass(frozen=True)
class HealthIdOperation:
    """One call: `needs` are its required members, `sealed` those that come encrypted."""

    message: str
    method: str
    path: str
    handler: Handler
    needs: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """v1 or v2."""
        return self.path.split("/")[3]


def _both(
    message: str, path: str, handler: Handler, needs: tuple[str, ...], sealed: tuple[str, ...] = ()
) -> tuple[HealthIdOperation, ...]:
    return (
        HealthIdOperation(message, "POST", f"{BASE}/v1/{path}", handler, needs),
        HealthIdOperation(message, "POST", f"{BASE}/v2/{path}", handler, needs, sealed),
    )


def _v1(message: str, path: str, handler: Handler, *needs: str) -> HealthIdOperation:
    return HealthIdOperation(message, "POST", f"{BASE}/v1/{path}", handler, needs)


def _get(message: str, path: str, handler: Handler) -> HealthIdOperation:
    return HealthIdOperation(message, "GET", f"{BASE}/{path}", handler)


_REG = "registration/aadhaar"
_MOBILE = "registration/mobile"
_OTP = ("otp", "txnId")

# fmt: off
OPERATIONS: tuple[HealthIdOperation, ...] = (
    _get("HealthIdCert", "v1/auth/cert", login.certificate),
    _get("HealthIdCert", "v2/auth/cert", login.certificate),
    *_both("HealthIdAadhaarOtp", f"{_REG}/generateOtp", enrolment.aadhaar_otp,
           ("aadhaar",), ("aadhaar",)),
    *_both("HealthIdAadhaarOtpAgain", f"{_REG}/resendAadhaarOtp", enrolment.again, ("txnId",)),
    *_both("HealthIdVerifyAadhaar", f"{_REG}/verifyOTP", enrolment.verify_aadhaar, _OTP, ("otp",)),
    *_both("HealthIdCheckMobile", f"{_REG}/checkAndGenerateMobileOTP", enrolment.check_mobile,
           ("mobile", "txnId")),
    *_both("HealthIdMobileOtp", f"{_REG}/generateMobileOTP", enrolment.mobile_otp,
           ("mobile", "txnId")),
    *_both("HealthIdMobileOtpAgain", f"{_MOBILE}/resendOtp", enrolment.mobile_again, ("txnId",)),
    *_both("HealthIdVerifyMobile", f"{_REG}/verifyMobileOTP", enrolment.verify_mobile,
           _OTP, ("otp",)),
    *_both("HealthIdCreate", f"{_REG}/createHealthIdWithPreVerified", enrolment.create,
           ("txnId",)),
    *_both("HealthIdCreate", f"{_REG}/createHealthIdByAdhaar", enrolment.create,
           ("consent", "consentVersion", "txnId")),
    *_both("HealthIdAddress", f"{_REG}/phr-address", enrolment.set_address,
           ("phrAddress", "txnId")),
    *_both("HealthIdConfirm", f"{_REG}/confirm", enrolment.confirm, ("txnId",)),
    _v1("HealthIdExists", "search/existsByHealthId", login.exists, "healthId"),
    _v1("HealthIdSearch", "search/searchByHealthId", login.search, "healthId"),
    _v1("HealthIdSearchByMobile", "search/searchByMobile", login.search_by_mobile, "mobile"),
    *_both("HealthIdAuthInit", "auth/init", login.init, ("authMethod", "healthid")),
    *_both("HealthIdAuthAadhaar", "auth/confirmWithAadhaarOtp", login.confirm_aadhaar,
           _OTP, ("otp",)),
    *_both("HealthIdAuthMobile", "auth/confirmWithMobileOTP", login.confirm_mobile,
           _OTP, ("otp",)),
    _v1("HealthIdAuthDemographics", "auth/confirmWithDemographics", login.confirm_demographics,
        "txnId", "name", "gender", "yearOfBirth"),
    _v1("HealthIdAuthAgain", "auth/resendAuthOTP", login.again, "txnId"),
    *_both("HealthIdLoginOtp", f"{_MOBILE}/login/generateOtp", login.mobile_otp, ("mobile",)),
    *_both("HealthIdLoginOtpAgain", f"{_MOBILE}/login/resendOtp", login.again, ("txnId",)),
    *_both("HealthIdLoginVerify", f"{_MOBILE}/login/verifyOtp", login.verify_mobile,
           _OTP, ("otp",)),
    *_both("HealthIdLoginChoose", f"{_MOBILE}/login/userAuthorizedToken", login.choose,
           ("healthId", "txnId")),
    *_both("HealthIdForgottenOtp", "forgot/healthId/aadhaar/generateOtp", login.forgotten_otp,
           ("aadhaar",), ("aadhaar",)),
    *_both("HealthIdForgotten", "forgot/healthId/aadhaar", login.forgotten, _OTP, ("otp",)),
    _get("HealthIdProfile", "v1/account/profile", login.profile),
    _get("HealthIdQr", "v1/account/qrCode", login.qr),
    _get("HealthIdCard", "v1/account/getPngCard", login.card),
    _get("HealthIdLogout", "v1/account/logout", login.logout),
    _v1("HealthIdRefresh", "auth/generate/access-token", login.refresh, "refreshToken"),
    _v1("HealthIdToken", "account/token", login.valid_token, "authToken"),
)
# fmt: on


def picker(operation: HealthIdOperation) -> Callable[[Any], HealthIdOperation]:
    """The operation, whatever the body: each path has one."""
    return lambda _body: operation


def answered(
    simulator: Simulator, operation: HealthIdOperation, headers: dict[str, str], raw: bytes
) -> Reply:
    """The reply to a call; else raises a HealthIdRefusal."""
    bearer = headers.get("AUTHORIZATION", "").removeprefix("Bearer ")
    client_id = simulator.client_of(bearer)
    with simulator.state.changed:
        known = client_id in simulator.state.bridges
    if client_id is None or not known:
        raise his("HIS-401", "the gateway's token is missing or not valid", 401)
    body = _body(simulator, operation, raw) if operation.method == "POST" else {}
    call = Call(operation.message, client_id, "", headers, body, {"version": operation.version})
    return operation.handler(simulator, call)


def _body(simulator: Simulator, operation: HealthIdOperation, raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise his("HIS-400", "unreadable JSON", 400) from error
    if not isinstance(body, dict):
        raise his("HIS-400", "the body is no object", 400)
    missing = [name for name in operation.needs if not body.get(name)]
    if missing:
        raise his("HIS-400", f"{', '.join(missing)} missing", 400)
    for name in operation.sealed:
        plain = simulator.abha_keys.decrypt_older(str(body[name]))
        if plain is None or not plain.isdigit():
            raise his("HIS-1047", f"{name} does not decrypt")
        body[name] = plain
    return body
