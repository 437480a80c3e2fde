"""Every shape in which the ABHA service refuses means one thing for the person at the desk."""

import json
from typing import Any

import pytest

from adapter.protocol.abha_refusals import AbhaRefused, Reason, judged
from adapter.protocol.errors import (
    ClockRejected,
    Rejected,
    RetryLater,
    SessionExpired,
    UpstreamError,
)
from adapter.protocol.refusals import read_refusal

WHEN = {"timestamp": "2026-11-23 12:11:09"}


def judge(body: Any, status: int) -> UpstreamError:
    error = read_refusal(json.dumps(body).encode() if body is not None else b"", status)
    return judged("LoginVerify", error, status=status)


def uidai(number: int, words: str) -> dict[str, Any]:
    text = f"UIDAI Error code : {number} : {words}"
    return {"error": {"code": "ABDM-1204", "message": text}}


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (uidai(400, "Invalid Aadhaar OTP value."), 422, Reason.OTP_WRONG),
        ({"message": "UIDAI Error code : 400 : Invalid Aadhaar OTP value."}, 422, Reason.OTP_WRONG),
        (uidai(300, "Biometric data did not match."), 422, Reason.UIDAI),
        (uidai(330, "Biometrics locked."), 422, Reason.UIDAI),
        ({"otpValue": "Invalid OTP Value", **WHEN}, 400, Reason.OTP_WRONG),
        ({"txnId": "3f0a", "description": "Invalid OTP value"}, 400, Reason.OTP_WRONG),
        ({"txnId": "Invalid Transaction Id", **WHEN}, 400, Reason.TRANSACTION),
        ({"loginId": "Invalid LoginId", **WHEN}, 400, Reason.DATA),
        ({"loginId": "LoginId is invalid"}, 400, Reason.DATA),
        ([{"code": "ABDM-1006: ", "message": "Invalid mobile number"}], 400, Reason.DATA),
        ({"error": {"code": "ABDM-1114", "message": "User not found."}}, 404, Reason.NOT_FOUND),
        ({"code": "ABDM-1211", "message": "User not found"}, 400, Reason.NOT_FOUND),
        ({"error": {"code": "ABDM-1100: ", "message": "Too many"}}, 422, Reason.LOCKED),
        ({"error": {"code": "ABDM-1101", "message": "taken"}}, 400, Reason.ADDRESS_TAKEN),
        ({"error": {"code": "ABDM-1124", "message": "six"}}, 422, Reason.MOBILE_FULL),
        ({"error": {"code": "ABDM-1407", "message": "deactivated"}}, 400, Reason.DEACTIVATED),
        ({"error": {"code": "ABDM-1134", "message": "deactivated"}}, 400, Reason.DEACTIVATED),
        ({"code": "ABDM-1216", "message": "deactivated"}, 400, Reason.DEACTIVATED),
        ({"message": "Invalid X-token", **WHEN}, 400, Reason.USER_TOKEN),
        ({"message": "X-token expired", **WHEN}, 401, Reason.USER_TOKEN),
        ({"code": "ABDM-1094", "message": "X-token expired"}, 401, Reason.USER_TOKEN),
        ([{"code": "ABDM-1006: ", "message": "Invalid X-token"}], 400, Reason.USER_TOKEN),
        ({"code": "ABDM-1094", "message": "restricted"}, 401, Reason.RESTRICTED),
        ({"message": "Invalid T-token"}, 400, Reason.TRANSACTION),
        ({"message": "Invalid R-token", **WHEN}, 400, Reason.REFRESH_TOKEN),
        ({"status": 404, "error": "Not Found", "path": "/x", **WHEN}, 404, Reason.OTHER),
        (None, 400, Reason.OTHER),
    ],
)
def test_a_refusal_has_its_reason(body: Any, status: int, reason: Reason) -> None:
    error = judge(body, status)
    assert isinstance(error, AbhaRefused), error
    assert error.reason is reason
    assert error.sentence.rstrip(")").endswith(".")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"code": "900901", "message": "Invalid Credentials"}, 401, SessionExpired),
        ({"code": "900902", "message": "Missing Credentials"}, 401, SessionExpired),
        ({"error": {"code": "ABDM-1016: ", "message": "Invalid Timestamp"}}, 400, ClockRejected),
        ({"error": {"code": "ABDM-1205", "message": "Aadhaar gateway"}}, 500, RetryLater),
        ({"error": {"code": "ABDM-1022", "message": "Too many requests"}}, 429, RetryLater),
        ({"error": {"code": "ABDM-1030: ", "message": "Invalid request ID"}}, 400, RetryLater),
        (None, 503, RetryLater),
        (None, 401, SessionExpired),
    ],
)
def test_what_is_no_fault_of_the_person_is_told_apart(
    body: Any, status: int, kind: type[UpstreamError]
) -> None:
    error = judge(body, status)
    assert isinstance(error, kind)
    assert not isinstance(error, Rejected)


def test_what_uidai_says_reaches_the_desk() -> None:
    assert "Biometrics locked" in judge(uidai(330, "Biometrics locked."), 422).sentence


def test_the_code_of_abdm_goes_on_without_its_colon() -> None:
    assert judge({"error": {"code": "ABDM-1114: ", "message": "x"}}, 404).code == "ABDM-1114"
