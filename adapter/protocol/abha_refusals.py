"""Reads the refusals of the ABHA service and says what each means for the person at the desk.

The gateway's table (`refusals.RULES`) can't serve: several codes mean something else here (1094,
1101, 1107), and many refusals carry a field's complaint and no code. Every shape of the error
bodies becomes one `ErrorObject` there; here code and words find a reason and a sentence. Source: M0
and M1, section 6. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from adapter.protocol.errors import (
    ClockRejected,
    Rejected,
    RetryLater,
    SessionExpired,
    UpstreamError,
)
from adapter.protocol.messages import ErrorObject


class Reason(StrEnum):
    """Why the ABHA service said no; what may come next follows from it."""

    OTP_WRONG = "otp_wrong"
    OTP_EXPIRED = "otp_expired"
    LOCKED = "locked"
    NOT_FOUND = "not_found"
    DATA = "data"
    TRANSACTION = "transaction"
    USER_TOKEN = "user_token"  # noqa: S105 - a reason, not a password
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - likewise
    ADDRESS_TAKEN = "address_taken"
    MOBILE_FULL = "mobile_full"
    MOBILE_PROVEN = "mobile_proven"
    METHOD = "method"
    DEACTIVATED = "deactivated"
    RESTRICTED = "restricted"
    UIDAI = "uidai"
    OTHER = "other"


#: What a hospital's system is answered for each reason; 422 where nothing else is said.
HTTP_STATUS = {
    Reason.LOCKED: 429,
    Reason.NOT_FOUND: 404,
    Reason.ADDRESS_TAKEN: 409,
    Reason.TRANSACTION: 409,
    Reason.USER_TOKEN: 409,
    Reason.REFRESH_TOKEN: 409,
}
#: How long ABDM refuses after too many one-time passwords.
LOCK_TIME = timedelta(minutes=30)


class AbhaRefused(Rejected):
    """The ABHA service refused; `reason` says why, `sentence` what to do next."""

    def __init__(
        self, sentence: str, reason: Reason, *, code: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(sentence, code=code, status=status)
        self.reason = reason


@dataclass(frozen=True)
class Rule:
    """One row: where `code` is the refusal's, or is empty, and `words` stand in its message."""

    code: str
    reaction: Reason | type[UpstreamError]
    sentence: str
    words: str = ""


_WRONG_OTP = "The one-time password is wrong; enter it again."
_EXPIRED_OTP = "The one-time password has expired; have a new one sent."
_LOCKED = "Too many one-time passwords; ABDM accepts no more for 30 minutes."
_START_AGAIN = "ABDM no longer knows this transaction; start again."
_LOG_IN = "The patient's session with ABDM has ended; log in again with a one-time password."
_NOT_FOUND = "ABDM knows no such ABHA; check the number, or create one."
_INACTIVE = "This ABHA is deactivated; the patient has to reactivate it first."
_METHOD = "ABDM does not allow this way for this ABHA; choose another."
_DATA = "ABDM refused what was entered; check it and try again."
_RESTRICTED = "ABDM allows this only to programmes it has approved."
_BUSY = "The ABHA service has trouble now; try again in a moment."

# The first row that fits decides: rows with words stand before the general row of their code.
# fmt: off
RULES: tuple[Rule, ...] = (
    # A UIDAI error comes as ABDM-1204 or without a code; its text has the number.
    Rule("", Reason.OTP_WRONG, _WRONG_OTP, "invalid aadhaar otp"),
    Rule("", Reason.OTP_EXPIRED, _EXPIRED_OTP, "otp expired"),
    Rule("", Reason.UIDAI, "UIDAI found no match in the capture; capture again.", "code : 300"),
    Rule("", Reason.UIDAI, "The holder has locked biometrics at UIDAI; use a one-time password.",
         "code : 330"),
    Rule("", Reason.UIDAI, "The request reached UIDAI too late; try again.", "code : 561"),
    Rule("", Reason.UIDAI, "UIDAI refused; try again, or use another way.", "uidai error"),
    Rule("ABDM-1204", Reason.UIDAI, "UIDAI refused; try again, or use another way."),

    Rule("ABDM-1100", Reason.LOCKED, _LOCKED),
    Rule("ABDM-1114", Reason.NOT_FOUND, _NOT_FOUND),
    Rule("ABDM-1211", Reason.NOT_FOUND, _NOT_FOUND),
    Rule("ABDM-1101", Reason.ADDRESS_TAKEN, "This ABHA address is taken; choose another."),
    Rule("ABDM-1124", Reason.MOBILE_FULL,
         "Six ABHA numbers use this mobile number already; enter another."),
    Rule("ABDM-1135", Reason.MOBILE_FULL,
         "Six ABHA numbers use this e-mail already; enter another."),
    *(Rule(f"ABDM-{n}", Reason.DEACTIVATED, _INACTIVE) for n in (1134, 1216, 1308, 1407)),
    *(Rule(f"ABDM-{n}", Reason.METHOD, _METHOD) for n in (
        1118, 1119, 1122, 1210, 1215, 1217, 1224)),
    Rule("ABDM-1207", Reason.DATA, "Name, birth date or gender differ from Aadhaar; correct them."),
    Rule("ABDM-1013", Reason.DATA, "This is no valid ABHA number; check it."),
    Rule("ABDM-1102", Reason.DATA, "The mobile number has to be verified first."),
    Rule("ABDM-1301", Reason.MOBILE_PROVEN, "This mobile number is verified already."),
    Rule("ABDM-1227", Reason.RESTRICTED,
         "This installation may create no more ABHA numbers; ask ABDM for a larger allowance."),
    Rule("ABDM-1021", Reason.RESTRICTED, _RESTRICTED),

    # The user's tokens.
    Rule("ABDM-1131", Reason.USER_TOKEN, _LOG_IN),
    Rule("ABDM-1158", Reason.USER_TOKEN, _LOG_IN),
    Rule("", Reason.USER_TOKEN, _LOG_IN, "x-token"),
    Rule("", Reason.TRANSACTION, _START_AGAIN, "t-token"),
    Rule("", Reason.REFRESH_TOKEN, _LOG_IN, "r-token"),
    Rule("ABDM-1094", Reason.RESTRICTED, _RESTRICTED),

    # The transaction, and what was entered; the ABHA service names the field.
    Rule("ABDM-1017", Reason.TRANSACTION, _START_AGAIN),
    Rule("", Reason.TRANSACTION, _START_AGAIN, "invalid transaction id"),
    Rule("", Reason.OTP_WRONG, _WRONG_OTP, "invalid otp"),
    Rule("", Reason.ADDRESS_TAKEN, "This ABHA address is taken; choose another.", "already exist"),
    Rule("", Reason.MOBILE_PROVEN, "This mobile number is verified already.", "already verified"),
    Rule("", Reason.DATA, _DATA, "invalid loginid"),
    Rule("", Reason.DATA, _DATA, "loginid is invalid"),
    Rule("", Reason.DATA, _DATA, "invalid mobile number"),
    Rule("", Reason.NOT_FOUND, _NOT_FOUND, "user not found"),

    # Our session, our clock, passing troubles.
    *(Rule(code, SessionExpired, "") for code in ("900900", "900901", "900902")),
    Rule("ABDM-1016", ClockRejected, "Set this machine's clock by NTP, then try again."),
    *(Rule(f"ABDM-{n}", RetryLater, _BUSY) for n in (
        1019, 1022, 1024, 1029, 1030, 1205, 1206, 1220, 1221, 1222, 1223)),
    Rule("900908", Reason.RESTRICTED, "This ABDM_CLIENT_ID is not subscribed to the ABHA service."),
)
# fmt: on


def judged(
    operation: str,
    error: ErrorObject | None,
    *,
    status: int | None,
    retry_after: timedelta | None = None,
) -> UpstreamError:
    """The error to raise for a refusal of `operation`; code and words decide before the status."""
    code = (error.code or None) if error else None
    rule = _rule(error)
    if rule is None:
        return _by_status(operation, error, status, retry_after)
    if isinstance(rule.reaction, Reason):
        said = f" (UIDAI: {error.message})" if rule.reaction is Reason.UIDAI and error else ""
        return AbhaRefused(rule.sentence + said, rule.reaction, code=code, status=status)
    sentence = rule.sentence or f"The ABHA service refused our session for {operation}."
    if issubclass(rule.reaction, RetryLater):
        return RetryLater(sentence, code=code, status=status, after=retry_after)
    return rule.reaction(sentence, code=code, status=status)


def _rule(error: ErrorObject | None) -> Rule | None:
    if error is None:
        return None
    words = error.message.lower()
    return next(
        (
            rule
            for rule in RULES
            if (not rule.code or rule.code == error.code) and rule.words in words
        ),
        None,
    )


def _by_status(
    operation: str, error: ErrorObject | None, status: int | None, retry_after: timedelta | None
) -> UpstreamError:
    said = " ".join(part for part in (error.code, error.message) if part) if error else ""
    code = (error.code or None) if error else None
    if status is not None and (status in (408, 425, 429) or status >= 500):
        return RetryLater(_BUSY, code=code, status=status, after=retry_after)
    if status == 401:
        return SessionExpired(f"The ABHA service refused our session for {operation}.", code=code)
    said = said or f"HTTP {status} without a reason"
    sentence = f"The ABHA service refused {operation}: {said.rstrip('.')}."
    return AbhaRefused(sentence, Reason.OTHER, code=code, status=status)
