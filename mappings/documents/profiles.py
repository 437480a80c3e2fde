"""Making a document's copy of a record satisfy its NRCeS profile (tables in `demands`).

`fit` changes a document's own copy of a record so that it satisfies its profile: it completes what
follows from the record, moves into text what the profile forbids as a code, and marks as absent
(FHIR's data-absent-reason) what is required and unknown. It never invents a code, date or status.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mappings.documents.demands import (
    ANY,
    BOUND,
    CODING,
    CONCEPTS,
    INDISPENSABLE,
    NAMED_IN_TEXT,
    PRIMITIVE,
    REQUIRED,
    UNKNOWN_STATUS,
    Systems,
)
from mappings.documents.wellness_codes import WELLNESS_CODES
from mappings.resources import Resource, as_list, codings, concept_text, human_name
from mappings.systems import (
    AADHAAR,
    AADHAAR_TYPE,
    ALLERGY_CLINICAL,
    DATA_ABSENT_REASON,
    IDENTIFIER_TYPE_NDHM,
    IDENTIFIER_TYPE_V2,
    coding,
)
from mappings.terminology import IDENTIFIER_TYPES, display_of

_UNSPECIFIED = coding(IDENTIFIER_TYPE_V2, "U", "Unspecified identifier")
# The store's own id of the record, where it has no identifier and the profile wants one.
_OWN_ID = {
    "Patient": coding(IDENTIFIER_TYPE_V2, "PI", "Patient internal identifier"),
    "Practitioner": coding(IDENTIFIER_TYPE_V2, "PRN", "Provider number"),
    "Organization": coding(IDENTIFIER_TYPE_V2, "PRN", "Provider number"),
}
_IDENTIFIED = frozenset({"Patient", "Practitioner", "PractitionerRole", "Organization"})
# Where a record about the patient names the patient.
_SUBJECT = dict.fromkeys(
    ("AllergyIntolerance", "FamilyMemberHistory", "Immunization", "ImmunizationRecommendation"),
    "patient",
)
_ABOUT_PATIENT = frozenset(CONCEPTS) - {
    "Appointment",
    "Medication",
    "Organization",
    "Practitioner",
    "PractitionerRole",
}


@dataclass(frozen=True)
class Context:
    """What `fit` may take from the visit: References of the document's own entries, and the
    visit's period (as recorded)."""

    patient: dict[str, Any]
    organization: dict[str, Any]
    practitioner: dict[str, Any] | None
    period: dict[str, Any]


def lacking(record: Resource) -> str | None:
    """The name of an element without which a record can only be told in words; None if complete."""
    kind = record["resourceType"]
    for name in INDISPENSABLE.get(kind, ()):
        value = record.get(name)
        if not value or (name == "clinicalStatus" and not _bound_code(value, ALLERGY_CLINICAL)):
            return name
    return None


def _bound_code(concept: object, system: str) -> bool:
    return any(c.get("system") == system and c.get("code") for c in codings(concept))


def absent(text: str = "") -> dict[str, Any]:
    """An element whose value is unknown, with words for the reader if it is a concept."""
    value: dict[str, Any] = {"extension": [{"url": DATA_ABSENT_REASON, "valueCode": "unknown"}]}
    if text:
        value["text"] = text
    return value


def absent_reference(words: str) -> dict[str, Any]:
    """A required reference to something that isn't known, with words for the reader."""
    return {**absent(), "display": words}


def fit(resource: Resource, context: Context, *, record_id: str) -> None:
    """Make a document's own copy of a record satisfy its NRCeS profile, in place.

    Args:
        resource: the copy; its references point into the document already.
        context: what may be taken over from the visit.
        record_id: the record's id on the FHIR server, for records without any identifier.
    """
    kind = resource["resourceType"]
    if kind in _ABOUT_PATIENT and kind != "Patient":
        resource.setdefault(_SUBJECT.get(kind, "subject"), dict(context.patient))
    for path, systems in CONCEPTS.get(kind, ()):
        for concept in _at(resource, path):
            _fit_concept(concept, systems)
    if kind in _IDENTIFIED:
        _fit_identifiers(resource, kind, record_id)
        _fit_names(resource, kind)
        _fit_telecom(resource)
    if kind in ("MedicationRequest", "ServiceRequest"):
        _fit_requester(resource, context)
    if kind == "MedicationRequest" and not resource.get("dosageInstruction"):
        resource["dosageInstruction"] = [absent("Dosage not recorded")]
    if kind == "FamilyMemberHistory" and not resource.get("condition"):
        resource["condition"] = [{"code": absent("Not recorded")}]
    if kind in UNKNOWN_STATUS and not resource.get("status"):
        resource["status"] = UNKNOWN_STATUS[kind]
    if kind == "Encounter" and isinstance(resource.get("class"), dict):
        known = display_of(resource["class"].get("system"), resource["class"].get("code"))
        if known:
            resource["class"].setdefault("display", known)
    for name, system in BOUND.get(kind, ()):
        _fit_bound(resource, name, system)
    for name, words in REQUIRED.get(kind, ()):
        if not resource.get(name) and "_" + name not in resource:
            if words == PRIMITIVE:
                resource.pop(name, None)
                resource["_" + name] = absent()
            else:
                resource[name] = absent("" if words == CODING else words)


def _fit_bound(resource: Resource, name: str, system: str) -> None:
    """Leave out a status that isn't one of FHIR's codes; its words become a note."""
    concept = resource.get(name)
    if concept is None or _bound_code(concept, system):
        return
    del resource[name]
    words = concept_text(concept)
    if words:
        resource["note"] = [*as_list(resource.get("note")), {"text": f"{name}: {words}"}]


def _at(value: object, path: str) -> Iterator[dict[str, Any]]:
    found = [value]
    for step in path.split("."):
        found = [i for v in found if isinstance(v, dict) for i in as_list(v.get(step))]
    return (v for v in found if isinstance(v, dict))


def _fit_concept(concept: dict[str, Any], systems: Systems) -> None:
    """Keep the codings that the profile allows, completed; put the others into the text."""
    found = as_list(concept.get("coding"))
    if not found:
        return
    kept, named = [], []
    for each in found:
        code, system = each.get("code"), each.get("system")
        if code and system and (systems is None or system in systems):
            if not each.get("display"):
                # Else the hospital's own words for this code are the only display known here.
                _, known = WELLNESS_CODES.get((system, code), ("", display_of(system, code)))
                each["display"] = known or concept.get("text") or code
            kept.append(each)
        elif code and system in NAMED_IN_TEXT:
            named.append(f"{NAMED_IN_TEXT[system]} {code}")
    if len(kept) == len(found):
        return
    text = concept_text(concept)
    if kept:
        concept["coding"] = kept
    else:
        del concept["coding"]
    missing = [n for n in named if n not in text]
    concept["text"] = f"{text} ({', '.join(missing)})" if missing else text


def _fit_identifiers(resource: Resource, kind: str, record_id: str) -> None:
    kept = []
    for identifier in as_list(resource.get("identifier")):
        if not identifier.get("value") or _is_aadhaar(identifier):
            continue
        if kind == "Organization" and not _is_uri(identifier.get("system", "")):
            continue
        if not _is_uri(identifier.get("system", "urn:")):
            del identifier["system"]
        kept.append(identifier)
        known = IDENTIFIER_TYPES.get(identifier.get("system", ""))
        typed = identifier.get("type")
        if not isinstance(typed, dict) or not (typed.get("coding") or typed.get("text")):
            identifier["type"] = {"coding": [dict(known or _UNSPECIFIED)]}
            continue
        _fit_concept(typed, ANY)
        if not typed.get("coding"):
            typed["coding"] = [dict(known or _UNSPECIFIED)]
    if not kept and kind in _OWN_ID:
        own: dict[str, Any] = {"type": {"coding": [dict(_OWN_ID[kind])]}, "value": record_id}
        if kind == "Organization":
            own["_system"] = absent()
        kept.append(own)
    if kept:
        resource["identifier"] = kept
    else:
        resource.pop("identifier", None)


def _is_uri(system: str) -> bool:
    return ":" in system and not any(c.isspace() for c in system)


def _is_aadhaar(identifier: dict[str, Any]) -> bool:
    if identifier.get("system") in AADHAAR:
        return True
    typed = identifier.get("type")
    return isinstance(typed, dict) and any(
        c.get("system") == IDENTIFIER_TYPE_NDHM and c.get("code") == AADHAAR_TYPE
        for c in as_list(typed.get("coding"))
    )


def _fit_names(resource: Resource, kind: str) -> None:
    if kind not in ("Patient", "Practitioner"):
        return
    for name in as_list(resource.get("name")):
        if not name.get("text"):
            text = human_name([name])
            if text:
                name["text"] = text
            else:
                name["_text"] = absent()


def _fit_telecom(resource: Resource) -> None:
    telecom = [t for t in as_list(resource.get("telecom")) if t.get("value")]
    if telecom:
        resource["telecom"] = telecom
    else:
        resource.pop("telecom", None)


def _fit_requester(resource: Resource, context: Context) -> None:
    """Who asked for it: as recorded, else who recorded it, else the visit's only practitioner,
    else the facility."""
    if not resource.get("requester"):
        who = resource.get("recorder") or context.practitioner or context.organization
        resource["requester"] = dict(who)
