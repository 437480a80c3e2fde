"""Reads the refusals of the Health ID service (V1, V2) and says what each means at the desk.

The outer code only repeats the class; the useful one is in `details`. Source: v1 document, section
4. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import orjson

from adapter.protocol.abha_refusals import AbhaRefused, Reason
from adapter.protocol.errors import RetryLater, SessionExpired, UpstreamError

_WRONG_OTP = "The one-time password is wrong; enter it again."
_WAIT = "ABDM sends no further one-time password yet; wait 30 minutes and try again."
_NO_AADHAAR = "This Aadhaar number cannot be used; check it with its holder."
_BUSY = "The Health ID service has trouble now; try again in a moment."
_LOG_IN = "The patient's session with ABDM has ended; log in again with a one-time password."

# fmt: off
RULES: Mapping[str, tuple[Reason, str]] = {
    "HIS-1007": (Reason.DEACTIVATED, "This ABHA is deactivated; the patient has to reactivate it."),
    "HIS-1008": (Reason.NOT_FOUND, "ABDM knows no such ABHA; check the number, or create one."),
    "HIS-1011": (Reason.DATA, "ABDM refused the mobile number; check it."),
    "HIS-1012": (Reason.DATA, "ABDM refused the Aadhaar number; check it and start again."),
    "HIS-1013": (Reason.OTP_WRONG, _WRONG_OTP),
    "HIS-1015": (Reason.ADDRESS_TAKEN, "This ABHA address is taken; choose another."),
    "HIS-1018": (Reason.DATA, "Name, birth year or gender differ from the ABHA; correct them."),
    "HIS-1023": (Reason.OTHER, "ABDM sends no further one-time password yet; wait a minute and try "
                               "again."),
    "HIS-1026": (Reason.TRANSACTION, "ABDM no longer knows this transaction; start again."),
    "HIS-1029": (Reason.DATA, "This Aadhaar number has an ABHA already; log in to it."),
    "HIS-1039": (Reason.LOCKED, "Too many failed attempts; ABDM accepts no more for 12 hours."),
    "HIS-1041": (Reason.LOCKED, "The attempts for this one-time password are used up; start again "
                                "later."),
    "HIS-1047": (Reason.DATA, "ABDM could not decrypt what was sent; try again."),
    "HIS-1052": (Reason.MOBILE_FULL, "Ten ABHA use this mobile number already; enter another."),
    "HIS-1056": (Reason.OTP_EXPIRED, "The one-time password has expired; have a new one sent."),
    **{f"HIS-{n}": (Reason.UIDAI, _NO_AADHAAR) for n in (2007, 2008, 2009, 2016)},
    "HIS-2017": (Reason.LOCKED, _WAIT),
    "HIS-2018": (Reason.DATA, "The details differ from Aadhaar; correct them."),
    "HIS-2022": (Reason.OTP_WRONG, _WRONG_OTP),
    "HIS-3005": (Reason.UIDAI, "No mobile number is registered at Aadhaar, so no one-time password "
                               "can be sent; the holder has to register one first."),
}
# fmt: on


def judged(
    operation: str,
    body: bytes,
    *,
    status: int,
    retry_after: timedelta | None = None,
) -> UpstreamError:
    """The error to raise."""
    code = stated_code(body)
    if code is not None and code in RULES:
        reason, sentence = RULES[code]
        return AbhaRefused(sentence, reason, code=code, status=status)
    if status in (408, 425, 429) or status >= 500 or code == "HIS-500":
        return RetryLater(_BUSY, code=code, status=status, after=retry_after)
    if status == 401:
        return SessionExpired(
            f"The Health ID service refused our session for {operation}.", code=code
        )
    said = code or f"HTTP {status} without a code"
    sentence = f"The Health ID service refused {operation}: {said}."
    return AbhaRefused(sentence, Reason.OTHER, code=code, status=status)


def user_refused() -> AbhaRefused:
    """The error to raise where a 401 is about the patient's token and not about our session."""
    return AbhaRefused(_LOG_IN, Reason.USER_TOKEN, status=401)


def stated_code(body: bytes) -> str | None:
    """The code in `details`, else the outer one, else None."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(data, dict):
        return None
    details = data.get("details")
    for each in (*(details if isinstance(details, list) else ()), data):
        if isinstance(each, dict) and isinstance(each.get("code"), str):
            return str(each["code"])
    return None
