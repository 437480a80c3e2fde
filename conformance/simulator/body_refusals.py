"""How each service refuses a body that does not fit its schema.

A function takes the body and what is wrong with it, for the record, and gives the refusal. Source:
V3 contract 7.1 and 13.1; x-negative cases of the contract.
"""

from collections.abc import Callable
from typing import Any

from conformance import schemas
from conformance.simulator.consent_manager import PURPOSES
from conformance.simulator.errors import (
    HI_TYPES,
    INVALID_COUNT,
    INVALID_HI_TYPE,
    Refusal,
    Shape,
    empty_refusal,
    refusal,
)

BodyRefusal = Callable[[Any, str], Refusal]
NO_PURPOSE_CODE = "Consent purpose code cannot be null"
NO_PURPOSE_URI = "Invalid consent purpose refURI"
INVALID_SERVICE_ID = "Invalid Service ID, it must be Alpha numeric and _ or - in middle"


def in_shape(shape: Shape, code: str, message: str = "") -> BodyRefusal:
    """A refusal that does not depend on what exactly is wrong."""
    return lambda _body, why: refusal(code, message, shape=shape, why=why)


def linking_refusal(body: Any, why: str) -> Refusal:
    """The linking services: empty for dashed numbers and HI type arrays, else a code."""
    number = body.get("abhaNumber") if isinstance(body, dict) else None
    if isinstance(number, str) and "-" in number:
        return empty_refusal("a dashed ABHA number")
    entries = body.get("patient") if isinstance(body, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and (found := _entry_refusal(entry, why)):
            return found
    return refusal("ABDM-1006", why=why)


def _entry_refusal(entry: dict[str, Any], why: str) -> Refusal | None:
    hi_type = entry.get("hiType", entry.get("hiTypes"))
    if isinstance(hi_type, list):
        return empty_refusal("an array as HI type")
    if hi_type not in HI_TYPES:
        return refusal("ABDM-1006", INVALID_HI_TYPE, why=why)
    contexts = entry.get("careContexts")
    if not isinstance(contexts, list) or not contexts:
        return refusal("ABDM-1057", why=why)
    count = entry.get("count")
    if not isinstance(count, int) or not 1 <= count <= 20:
        return refusal("ABDM-1006", INVALID_COUNT, why=why)
    if len(contexts) > 20:
        return refusal("ABDM-1059", why=why)
    return None


def consent_notice_refusal(body: Any, why: str) -> Refusal:
    """on-notify: 1006 for an array of acknowledgements, else an array of errors."""
    if isinstance(body, dict) and isinstance(body.get("acknowledgement"), list):
        return refusal("ABDM-1006", why=why)
    message = "Invalid status, Please provide a valid status"
    return refusal("ABDM-9999", message, shape="array", why=why)


def hiu_notice_refusal(body: Any, why: str) -> Refusal:
    """on-notify of an HIU: 1006 for a single acknowledgement, else an array of errors."""
    if isinstance(body, dict) and isinstance(body.get("acknowledgement"), dict):
        return refusal("ABDM-1006", why=why)
    message = "Invalid status, Please provide a valid status"
    return refusal("ABDM-9999", message, shape="array", why=why)


def consent_request_refusal(body: Any, why: str) -> Refusal:
    """init: an array with the text of the first field that is wrong; 1006 for a bad date."""
    consent = body.get("consent") if isinstance(body, dict) else None
    if not isinstance(consent, dict):
        return refusal("ABDM-1006", why=why)
    for part, found in (
        ("purpose", _purpose_refusal(consent.get("purpose"), why)),
        ("patient", _misfit(consent, "patient", "AbhaAddressWide", "ABDM-1170", "", why)),
        ("hiu", _misfit(consent, "hiu", "ServiceId", "ABDM-9999", INVALID_SERVICE_ID, why)),
        ("hip", _misfit(consent, "hip", "ServiceId", "ABDM-9999", INVALID_SERVICE_ID, why)),
    ):
        if found and (part != "hip" or consent.get("hip") is not None):
            return found
    hi_types = consent.get("hiTypes")
    if not isinstance(hi_types, list) or not set(map(str, hi_types)) <= set(HI_TYPES):
        return refusal("ABDM-9999", INVALID_HI_TYPE, shape="array", why=why)
    if "consent/permission/dateRange" in why or "dataEraseAt" in why:
        return refusal("ABDM-1006: ", "Bad Request, invalid request Body", why=why)
    return refusal("ABDM-9999", "Bad Request, invalid request Body", shape="array", why=why)


def _purpose_refusal(purpose: Any, why: str) -> Refusal | None:
    stated = purpose if isinstance(purpose, dict) else {}
    if not stated.get("code"):
        return refusal("ABDM-9999", NO_PURPOSE_CODE, shape="array", why=why)
    if stated["code"] not in PURPOSES:
        return refusal("ABDM-1047", shape="array", why=why)
    if not stated.get("refUri"):
        return refusal("ABDM-9999", NO_PURPOSE_URI, shape="array", why=why)
    if stated.get("text") != PURPOSES[stated["code"]]:
        return refusal("ABDM-1046", shape="array", why=why)
    return None


def _misfit(
    consent: dict[str, Any], part: str, shape: str, code: str, message: str, why: str
) -> Refusal | None:
    """The refusal of `part.id` unless it fits a shared shape."""
    named = consent.get(part)
    value = named.get("id") if isinstance(named, dict) else None
    if schemas.definition(shape).is_valid(value):
        return None
    return refusal(code, message, shape="array", why=why)
