"""ABDM's error bodies: every shape in circulation, and the texts that belong to the codes.

A refusal is raised where a rule is broken and rendered once, by the HTTP surface. Source: V3
contract 13.1 (shapes) and 13.3 (catalogue).
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from conformance.simulator.times import now, timestamp

Shape = Literal[
    "object",
    "array",
    "flat-array",
    "flat",
    "older",
    "not-found",
    "framework",
    "field-keyed",
    "message",
    "text",
    "html",
    "empty",
]

HI_TYPES = (
    "Prescription",
    "DiagnosticReport",
    "OPConsultation",
    "DischargeSummary",
    "ImmunizationRecord",
    "HealthDocumentRecord",
    "WellnessRecord",
    "Invoice",
)

TEXTS = {
    "ABDM-1001": "No data found",
    "ABDM-1006": "Bad Request, invalid request Body",
    "ABDM-1015": "Invalid Response",
    "ABDM-1017": "Invalid TransactionId",
    "ABDM-1024": "Dependent service unavailable",
    "ABDM-1026": "Invalid Link Token",
    "ABDM-1027": "You are blocked. Please try again after 24 hours.",
    "ABDM-1031": "Invalid request",
    "ABDM-1032": "Invalid header",
    "ABDM-1035": "Invalid HIP ID",
    "ABDM-1036": "Data does not matched",
    "ABDM-1037": "Counter and Care context count mismatch",
    "ABDM-1038": "ABHA address and Link token mismatch",
    "ABDM-1040": "Invalid HIU ID",
    "ABDM-1041": "Invalid Acknowledgement",
    "ABDM-1046": "Invalid Purpose",
    "ABDM-1047": "Purpose does not exist",
    "ABDM-1051": "Invalid ABHA Number or ABHA Address",
    "ABDM-1052": "Invalid TransactionId or response's requestId",
    "ABDM-1056": "This care contexts has been already linked",
    "ABDM-1057": "Invalid Care Contexts",
    "ABDM-1059": "Invalid Care Contexts count",
    "ABDM-1062": "ABHA number mismatch with Link token",
    "ABDM-1063": "HIP Id mismatch with Link token",
    "ABDM-1064": "request with this request id already exists",
    "ABDM-1066": "Invalid JWT token",
    "ABDM-1090": "Duplicate HIP link request",
    "ABDM-1092": "Duplicate Link token request",
    "ABDM-1101": "Duplicate Health Information request",
    "ABDM-1106": "Duplicate On discovery request",
    "ABDM-1107": "Duplicate On init request",
    "ABDM-1108": "Duplicate On confirm request",
    "ABDM-1109": "Invalid On discovery response",
    "ABDM-1110": "Invalid On init response",
    "ABDM-1111": "Invalid On confirm response",
    "ABDM-1112": "Invalid or already expired consent artefact id",
    "ABDM-1113": "Duplicate health information provider data flow response",
    "ABDM-1170": "Invalid ABHA address",
    "ABDM-1407": "The ABHA Number associated with this ABHA Address is currently deactivated. "
    "Please reactivate it.",
    "ABDM-1920": "Invalid grant type",
    "ABDM-1921": "Invalid client id",
    "ABDM-1922": "Invalid client secret",
    "ABDM-2402": "Invalid Timestamp",
    "ABDM-2403": "Invalid X-CM-ID",
    "ABDM-2404": "Invalid Request Id",
    "ABDM-2500": "Authorization header is missing",
    "900901": "Invalid Credentials",
}

INVALID_HI_TYPE = "Invalid HIType, it must be in " + ",".join(HI_TYPES)
INVALID_COUNT = "Invalid count, must be 2 digit and ranges between 1 to 20"
NO_MAPPING = "No mapping found for"
TRANSACTION_EXPIRED = "Invalid Transaction ID / Transaction expired."
NOT_LINKED = "No care context linked with given reference number"


@dataclass
class Refusal(Exception):
    """A request that ABDM refuses; `why` is for the record only and never sent."""

    code: str
    message: str
    status: int = 400
    shape: Shape = "object"
    why: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> Any:
        """The body in this refusal's shape: JSON-able, text, or None for an empty one."""
        return error_body(self.shape, self.code, self.message, self.status)


# Codes of V3 whose number means something else in v0.5, and the number there.
_OLDER_NUMBERS = {
    "900901": 2401,
    "ABDM-1064": 2429,
    "ABDM-2402": 2500,
    "ABDM-2404": 2500,
    "ABDM-1026": 1401,
    "ABDM-1001": 1404,
    "ABDM-1051": 1404,
    "ABDM-1027": 1423,
}
_OLDER_UNKNOWN = 1500


def number(code: str) -> int:
    """What v0.5 has for an error code, for example 1036 for "ABDM-1036: "."""
    plain = code.rstrip(": ")
    digits = plain.removeprefix("ABDM-")
    known = int(digits) if digits.isdigit() else _OLDER_UNKNOWN
    return _OLDER_NUMBERS.get(plain, known)


def refusal(
    code: str, message: str = "", *, status: int = 400, shape: Shape = "object", why: str = ""
) -> Refusal:
    """A refusal with the catalogue's text unless another is given."""
    return Refusal(code, message or TEXTS[code], status, shape, why)


def empty_refusal(why: str, status: int = 400) -> Refusal:
    """The refusal that says nothing: an empty body."""
    return Refusal("", "", status, "empty", why)


def error_object(code: str, message: str = "") -> dict[str, str]:
    """The `error` member of a callback."""
    return {"code": code, "message": message or TEXTS[code.rstrip(": ")]}


def error_body(shape: Shape, code: str, message: str, status: int = 400) -> Any:
    """An error body in one of ABDM's shapes."""
    moment = timestamp(now())
    shapes: dict[Shape, Any] = {
        "object": {"error": {"code": code, "message": message}},
        "array": [{"error": {"code": code, "message": message}}],
        "flat-array": [{"code": code, "message": message}],
        "flat": {"code": code, "message": message, "description": message},
        "older": {"error": {"code": number(code), "message": message}},
        "not-found": {
            "code": "404",
            "type": "Status report",
            "message": "Runtime Error",
            "description": "No matching resource found for given API Request",
        },
        "framework": {
            "timestamp": moment,
            "path": "/",
            "status": status,
            "error": message,
            "requestId": "0a1b2c3d-1",
        },
        "field-keyed": {"abhaAddress": message, "timestamp": moment},
        "message": {"message": message, "timestamp": moment},
        "text": "Access Denied" if status == 403 else message,
        "html": f"<html><head><title>{status}</title></head><body>Bad Gateway</body></html>",
        "empty": None,
    }
    return shapes[shape]
