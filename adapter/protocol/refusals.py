"""Reads the refusals of the gateway and of peers, and says what each means for us.

Every error shape in circulation becomes one `ErrorObject`; `reaction` then finds the row of `RULES`
that fits code, operation and words, because several codes are used with different meanings. Errors
inside callbacks are judged by the same table. Source: V3 contract 11 and 13. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from adapter.protocol.errors import (
    AbhaDeactivated,
    AddressBlocked,
    AlreadyDone,
    AskedAlready,
    ClockRejected,
    LinkTokenRefused,
    Rejected,
    RetryLater,
    SessionExpired,
    UpstreamError,
)
from adapter.protocol.messages import ErrorObject

LONGEST_MESSAGE = 200

_ADDRESS = re.compile(r"[\w.+!-]+@[\w.-]+")
_LONG_NUMBER = re.compile(r"\+?\d[\d -]{6,}\d")
_TOKEN = re.compile(r"[\w-]{12,}\.[\w-]{12,}(\.[\w-]*)?|[A-Za-z0-9+/_-]{40,}")


@dataclass(frozen=True)
class Rule:
    """One row: what a code means, where `words` stand in the message and `operation` fits.

    `hint` tells the operator what to do. Empty `words` and `operation` fit everything.
    """

    code: str
    reaction: type[UpstreamError]
    words: str = ""
    operation: str = ""
    after: timedelta | None = None
    hint: str = ""


_LINK = "HipLinkCareContextRequest"
_MINUTE = timedelta(minutes=1)

_REGISTRATION = (
    "Compare the HIP service id in ABDM_FACILITIES with the services registered for this bridge."
)
_CREDENTIALS = "Check ABDM_CLIENT_ID and ABDM_CLIENT_SECRET."
_CLOCK = "Set this machine's clock by NTP, then retry."
_PROFILE = "Compare name, gender and year of birth with the patient's ABHA profile, then retry."

# The first row that fits decides, so a row with words stands before its code's general row.
# fmt: off
RULES: tuple[Rule, ...] = (
    # Passing troubles of the gateway.
    *(Rule(f"ABDM-{n}", RetryLater) for n in (
        1000, 1004, 1007, 1008, 1011, 1018, 1019, 1020, 1024, 1029, 1034, 1044, 1045, 1048, 1201)),
    *(Rule(f"ABDM-{n}", RetryLater, after=_MINUTE) for n in (1022, 2429)),
    # Remembered for about six minutes, whether answered or not.
    Rule("ABDM-1092", AskedAlready, operation="GenerateLinkTokenRequest"),
    Rule("ABDM-1092", RetryLater, after=timedelta(minutes=7)),
    # Within about 5 s after a link the gateway does not know it yet.
    Rule("ABDM-1006", RetryLater, "no care context linked", after=timedelta(seconds=5)),
    Rule("ABDM-1108", RetryLater, "unavailable"),
    Rule("ABDM-1109", RetryLater, "unavailable"),
    # The next attempt has a new REQUEST-ID anyhow.
    Rule("ABDM-1064", RetryLater, "already exists"),
    *(Rule(f"ABDM-{n}", RetryLater) for n in (1087, 1091, 1093, 1094, 1095)),

    # The other side has it already.
    Rule("ABDM-1056", AlreadyDone, "already", _LINK),
    Rule("ABDM-1090", AlreadyDone),
    Rule("ABDM-9999", AlreadyDone, "duplicate hip link request"),
    *(Rule(f"ABDM-{n}", AlreadyDone) for n in (1101, 1106, 1107, 1108, 1113)),

    # Link token.
    *(Rule(f"ABDM-{n}", LinkTokenRefused, operation=_LINK) for n in (1026, 1038, 1066)),
    Rule("ABDM-1062", LinkTokenRefused, "link token", _LINK),
    Rule("ABDM-1063", LinkTokenRefused, "link token", _LINK),

    # Session token.
    Rule("ABDM-1066", SessionExpired, hint=_CREDENTIALS),
    Rule("ABDM-2500", SessionExpired, "authorization", hint=_CREDENTIALS),
    *(Rule(code, SessionExpired, hint=_CREDENTIALS) for code in ("900900", "900901", "900902")),

    # Our clock.
    Rule("ABDM-1016", ClockRejected, hint=_CLOCK),
    Rule("ABDM-2402", ClockRejected, hint=_CLOCK),

    # A person has to act.
    Rule("ABDM-1027", AddressBlocked,
         hint="The gateway blocks this address for 24 hours; it is asked again after that."),
    Rule("ABDM-1035", Rejected, hint=_REGISTRATION),
    Rule("ABDM-1036", Rejected, hint=_PROFILE),
    Rule("ABDM-1040", Rejected, hint=_REGISTRATION),
    *(Rule(f"ABDM-{n}", AbhaDeactivated,
           hint="The patient has to reactivate this ABHA number first.")
      for n in (1134, 1216, 1308, 1407)),
    *(Rule(f"ABDM-{n}", Rejected, hint=_CREDENTIALS) for n in (1921, 1922, 1923)),

    # The older generation: gateway (2…) and consent manager (1…), codes without a prefix.
    *(Rule(f"{n}", RetryLater) for n in (2429, 2503, 2504)),
    Rule("2401", SessionExpired, hint=_CREDENTIALS),
    *(Rule(f"{n}", Rejected, hint=_REGISTRATION) for n in (2505, 2506, 2507, 2508)),
    Rule("1401", LinkTokenRefused, operation=_LINK),
    Rule("1401", SessionExpired, hint=_CREDENTIALS),
    Rule("1404", Rejected, hint="No such ABHA address; correct it on the patient's record."),
    Rule("1405", Rejected, hint="The OTP is wrong; type it again."),
    Rule("1406", Rejected, hint="Link the visit again, and the patient gets a new OTP."),
    *(Rule(f"{n}", Rejected, hint="ABDM allows no more OTPs for a while; link again later.")
      for n in (1407, 1408, 1423)),

    # For what it lists no number of its own, V3's without the prefix.
    Rule("1006", RetryLater, "no care context linked", after=timedelta(seconds=5)),
    Rule("1036", Rejected, hint=_PROFILE),

    # The catch-all code: its words decide.
    Rule("ABDM-9999", RetryLater, "try again later"),
    Rule("ABDM-9999", RetryLater, "please try later"),
    Rule("ABDM-9999", RetryLater, "service unavailable"),
    Rule("ABDM-9999", RetryLater, "unknown exception"),
    Rule("ABDM-9999", Rejected, "user not found",
         hint="No such ABHA address; correct it on the patient's record."),
)
# fmt: on

_PASSING_STATUS = frozenset({408, 425, 429})


def trimmed_code(code: str) -> str:
    """A code without the colon and spaces that some services put behind it (`ABDM-1006: `)."""
    return code.strip().rstrip(": ").strip()


def masked(text: str) -> str:
    """Someone else's prose, safe to store and show: addresses, long numbers and tokens blanked."""
    # Cut first: the patterns take quadratic time, and a peer chooses the length.
    text = _ADDRESS.sub("…", " ".join(text[: 4 * LONGEST_MESSAGE].split()))
    return _TOKEN.sub("…", _LONG_NUMBER.sub("…", text))[:LONGEST_MESSAGE]


def read_refusal(body: bytes, status: int | None = None) -> ErrorObject | None:
    """The error that a reply's body states, in any shape of V3 contract 13.1; None where none.

    A body that is no JSON counts as prose, a page of HTML as nothing. `status` serves the framework
    error, whose body has no code of its own.
    """
    if not body.strip():
        return None
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode(errors="replace").strip()
        return None if text.startswith("<") else ErrorObject("", masked(text))
    return _stated(data, status)


def _stated(data: Any, status: int | None) -> ErrorObject | None:
    if isinstance(data, list):
        found = (_stated(item, status) for item in data)
        return next((error for error in found if error is not None), None)
    if not isinstance(data, dict):
        return ErrorObject("", masked(data)) if isinstance(data, str) else None
    error = data.get("error")
    if isinstance(error, dict | list):
        return _stated(error, status)
    if isinstance(error, str) and error and "code" not in data:
        return ErrorObject(str(data.get("status") or status or ""), masked(error))
    code, words = data.get("code"), _words(data)
    if code is not None:
        return ErrorObject(trimmed_code(str(code)), words)
    return ErrorObject("", words) if words else None


def _words(data: Mapping[str, Any]) -> str:
    named = [data[key] for key in ("message", "description") if isinstance(data.get(key), str)]
    if named:
        return masked(": ".join(dict.fromkeys(named)))
    # A map of fields to complaints: {"yearOfBirth": "must be …", "timestamp": "…"}.
    fields = [
        f"{name}: {text}"
        for name, text in data.items()
        if isinstance(text, str) and name not in ("timestamp", "path", "requestId", "code", "type")
    ]
    return masked("; ".join(fields))


def reaction(
    operation: str,
    error: ErrorObject | None,
    *,
    status: int | None = None,
    retry_after: timedelta | None = None,
    who: str = "The gateway",
) -> UpstreamError:
    """The error to raise for a refusal of `operation` (a message's class name).

    The body's code decides before the HTTP status; `retry_after` is the reply's own wish. With no
    status (an error inside a callback) an unknown code is final.
    """
    rule = _rule(operation, error)
    kind = rule.reaction if rule else _by_status(status)
    sentence = _sentence(operation, error, status, rule.hint if rule else "", who)
    code = error.code or None if error else None
    if issubclass(kind, RetryLater):
        waits = [wait for wait in (rule.after if rule else None, retry_after) if wait is not None]
        after = max(waits, default=None)
        return kind(sentence, code=code, status=status, after=after)
    return kind(sentence, code=code, status=status)


def _rule(operation: str, error: ErrorObject | None) -> Rule | None:
    if error is None or not error.code:
        return None
    words = error.message.lower()
    for rule in RULES:
        if (
            rule.code == error.code
            and rule.words in words
            and (not rule.operation or rule.operation == operation)
        ):
            return rule
    return None


def _by_status(status: int | None) -> type[UpstreamError]:
    if status == 401:
        return SessionExpired
    if status is not None and (status in _PASSING_STATUS or status >= 500):
        return RetryLater
    return Rejected


def _sentence(
    operation: str, error: ErrorObject | None, status: int | None, hint: str, who: str
) -> str:
    said = " ".join(part for part in (error.code, error.message) if part) if error else ""
    if not said:
        said = f"HTTP {status} without a reason"
    elif status is not None and error is not None and not error.code:
        said = f"HTTP {status} {said}"
    return f"{who} refused {operation}: {said.rstrip('.')}. {hint}".strip()
