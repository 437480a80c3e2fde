"""Small repairs of data types wherever they stand in a record: codings, quantities, periods.

A record in a document is read by strangers' software, so a code that its own system doesn't have,
a unit that claims to be UCUM and isn't, or a period that ends before it starts becomes what can
still truthfully be said: the words, the unit as written, the start. Pure; returns copies.
"""

from __future__ import annotations

from typing import Any

from mappings.documents.dates import parsed
from mappings.systems import (
    ALLERGY_CLINICAL,
    ALLERGY_VERIFICATION,
    CONDITION_CATEGORY,
    CONDITION_CLINICAL,
    CONDITION_VERIFICATION,
    OBSERVATION_CATEGORY,
    UCUM,
)
from mappings.ucum import is_ucum, to_ucum

# Complete code lists of FHIR R4's own small systems (http://hl7.org/fhir/R4/terminologies-systems.html).
_CODES: dict[str, frozenset[str]] = {
    OBSERVATION_CATEGORY: frozenset(
        {
            "activity",
            "exam",
            "imaging",
            "laboratory",
            "procedure",
            "social-history",
            "survey",
            "therapy",
            "vital-signs",
        }
    ),
    CONDITION_CATEGORY: frozenset({"problem-list-item", "encounter-diagnosis"}),
    CONDITION_CLINICAL: frozenset(
        {"active", "recurrence", "relapse", "inactive", "remission", "resolved"}
    ),
    CONDITION_VERIFICATION: frozenset(
        ["unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"]
    ),
    ALLERGY_CLINICAL: frozenset({"active", "inactive", "resolved"}),
    ALLERGY_VERIFICATION: frozenset({"unconfirmed", "confirmed", "refuted", "entered-in-error"}),
}
# The same systems as they were named before R4 (STU3), in records of older systems.
_FORMER_NAMES = {
    "http://hl7.org/fhir/observation-category": OBSERVATION_CATEGORY,
    "http://hl7.org/fhir/condition-category": CONDITION_CATEGORY,
    "http://hl7.org/fhir/condition-clinical": CONDITION_CLINICAL,
    "http://hl7.org/fhir/condition-ver-status": CONDITION_VERIFICATION,
    "http://hl7.org/fhir/allergy-clinical-status": ALLERGY_CLINICAL,
    "http://hl7.org/fhir/allergy-verification-status": ALLERGY_VERIFICATION,
}


def repaired(value: dict[str, Any]) -> dict[str, Any]:
    """The element itself if there is nothing to repair, else a repaired copy."""
    system = value.get("system")
    if system is not None:
        if system == UCUM:
            return _quantity(value)
        if system in _FORMER_NAMES:
            value = {**value, "system": _FORMER_NAMES[system]}
        codes = _CODES.get(value["system"])
        if codes is not None and value.get("code") not in codes:
            words = value.get("display") or value.get("code")
            return {"display": words} if words else {}
    elif "end" in value and "start" in value:
        return _period(value)
    return value


def _quantity(value: dict[str, Any]) -> dict[str, Any]:
    code = value.get("code")
    if "value" not in value or not isinstance(code, str) or is_ucum(code):
        return value
    ucum = to_ucum(code)
    if ucum is not None:
        return {**value, "unit": value.get("unit") or code, "code": ucum}
    kept = {k: v for k, v in value.items() if k not in ("system", "code")}
    return {**kept, "unit": value.get("unit") or code}


def _period(value: dict[str, Any]) -> dict[str, Any]:
    start, end = value["start"], value["end"]
    if isinstance(start, str) and isinstance(end, str):
        begins, ends = parsed(start), parsed(end)
        if begins and ends and ends < begins:
            return {k: v for k, v in value.items() if k != "end"}
    return value
