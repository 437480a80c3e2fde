"""The ABHA service's error bodies: fields that do not fit, and codes with their texts.

Source: M0/M1 document, section 6: E1 (object), E3 (fields), E4 (API gateway), E5 (array), E6.
"""

import re
from typing import Any

from conformance.simulator.errors import Refusal, Shape
from conformance.simulator.times import now

TEXTS = {
    "ABDM-1006": "Bad Request, invalid request Body",
    "ABDM-1016": "Invalid Timestamp",
    "ABDM-1017": "Invalid Transaction Id",
    "ABDM-1021": "You do not have the privilege to use this API",
    "ABDM-1030": "Invalid request ID",
    "ABDM-1100": "You have requested or entered too many OTPs. Please try again after 30 minutes.",
    "ABDM-1101": "This ABHA address is already taken, please choose another one",
    "ABDM-1107": "Invalid combination of scopes",
    "ABDM-1114": "User not found.",
    "ABDM-1118": "This authentication method is not allowed for this account",
    "ABDM-1124": "This mobile number is already linked to 6 ABHA numbers",
    "ABDM-1134": "This ABHA number is deactivated",
    "ABDM-1204": "UIDAI Error code : 400 : Invalid Aadhaar OTP value.",
    "ABDM-1211": "User not found",
    "ABDM-1215": "This authentication method is blocked for this ABHA address",
    "ABDM-1216": "This ABHA address is deactivated",
    "ABDM-1227": "This client has used up its allowance of ABHA creations",
    "900901": "Invalid Credentials",
    "900902": "Missing Credentials",
}

FIELD_TEXTS = {
    "scope": "Invalid Scope",
    "loginHint": "Invalid Login Hint",
    "loginId": "Invalid LoginId",
    "otpSystem": "Invalid OTP System",
    "txnId": "Invalid Transaction Id",
    "otpValue": "Invalid OTP Value",
    "authMethods": "Invalid Auth Method(s)",
    "mobile": "Invalid Mobile Number",
    "preferred": "Invalid Preferred Flag",
    "ABHANumber": "Invalid ABHA Number",
    "abhaAddress": "Invalid ABHA Address",
    "consent": "Invalid Consent",
    "profilePhoto": "Please provide a valid field to update",
}

NO_AADHAAR_USER = "No ABHA user registered with this Aadhaar number."
OTP_EXPIRED = "OTP expired, please try again"
AADHAAR_OTP_EXPIRED = "UIDAI Error code : 561 : Request expired."
NO_SUCH_AADHAAR = "UIDAI Error code : 998 : Invalid Aadhaar number."
NO_AADHAAR_MOBILE = "UIDAI Error code : 111 : Aadhaar number does not have a verified mobile."


class BodyRefusal(Refusal):
    """A refusal whose body is given as it is."""

    def __init__(self, given: Any, status: int = 400, why: str = "") -> None:
        super().__init__("", "", status, "field-keyed", why)
        self._given = given

    def body(self) -> Any:
        """The body as given."""
        return self._given


def abha_refusal(
    code: str, message: str = "", *, status: int = 400, shape: Shape = "object", why: str = ""
) -> Refusal:
    """A refusal by code, with the text of this module unless another is given."""
    return Refusal(code, message or TEXTS[code.rstrip(": ")], status, shape, why)


def field_refusal(why: str = "", **texts: str) -> Refusal:
    """400 that names fields and what is wrong with each (E3)."""
    return BodyRefusal({**texts, "timestamp": _stamp()}, why=why)


def invalid(field: str, why: str = "") -> Refusal:
    """400 for one field, in its usual words (E3)."""
    return field_refusal(why, **{field: FIELD_TEXTS[field]})


def message_refusal(message: str, status: int = 400, why: str = "") -> Refusal:
    """A refusal that is only a sentence (E6): bad or expired user tokens."""
    return BodyRefusal({"message": message, "timestamp": _stamp()}, status, why)


def fields_of(problems: list[str]) -> dict[str, str]:
    """What a body's schema problems say, per field, in the words of the ABHA service."""
    found: dict[str, str] = {}
    for problem in problems:
        place, _, reason = problem.partition(": ")
        named = re.search(r"'([^']+)' (?:is a required|was unexpected)", reason)
        steps = [step for step in place.split("/") if step and not step.isdigit()]
        field = named[1] if named else (steps[-1] if steps else "body")
        if steps[:1] == ["consent"]:
            field = "consent"
        found[field] = FIELD_TEXTS.get(field, f"Invalid {field}")
    return found


def _stamp() -> str:
    return f"{now():%Y-%m-%d %H:%M:%S}"
