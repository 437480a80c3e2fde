"""Short XHTML narratives that a person can read, made from what a resource states.

Text is kept exactly as written, in whatever language, and escaped; nothing is translated,
abbreviated or added. A narrative is FHIR's limited XHTML (https://hl7.org/fhir/R4/narrative.html).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from mappings.resources import Resource, as_list, concept_text, human_name, label

Line = tuple[str, str]

# XML 1.0 allows no other control characters, not even escaped (https://www.w3.org/TR/xml/#charsets).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Dates are shown as written; a time in another zone than India's keeps its offset.
_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)[\d:.]*(Z|[+-]\d\d:\d\d)?\Z")


def clean(text: str) -> str:
    """The text escaped for XHTML, without characters that XML can't hold."""
    return escape(_NOT_XML.sub("", text), quote=True)


def div(lines: Iterable[Line], *, title: str = "", language: str = "") -> str:
    """One `<div>`: an optional title and one paragraph per (label, text)."""
    tag = clean(language)
    lang = f' xml:lang="{tag}" lang="{tag}"' if tag else ""
    parts = [f'<div xmlns="http://www.w3.org/1999/xhtml"{lang}>']
    if title:
        parts.append(f"<p><b>{clean(title)}</b></p>")
    for name, text in lines:
        shown = "<br/>".join(clean(text).splitlines())
        parts.append(f"<p><b>{clean(name)}</b>: {shown}</p>" if name else f"<p>{shown}</p>")
    if len(parts) == 1:
        parts.append("<p>-</p>")
    parts.append("</div>")
    return "".join(parts)


def narrative(resource: Resource) -> dict[str, str]:
    """A generated Narrative for one resource (element `text`)."""
    language = str(resource.get("language") or "")
    title = f"{_TITLES.get(resource['resourceType'], resource['resourceType'])}: {label(resource)}"
    return {"status": "generated", "div": div(describe(resource), title=title, language=language)}


def describe(resource: Resource) -> list[Line]:
    """What a resource states, line by line: (label, text), nothing for what is absent."""
    lines = []
    for name, path, show in _LINES.get(resource["resourceType"], _COMMON):
        texts = [t for t in (show(v) for v in _at(resource, path)) if t]
        if texts:
            lines.append((name, "; ".join(texts)))
    return lines


def in_one_line(resource: Resource) -> str:
    """A resource as one line of a section's narrative."""
    rest = ", ".join(text for name, text in describe(resource) if name in _SHORT)
    return f"{label(resource)}: {rest}" if rest else label(resource)


def date_text(value: object) -> str:
    """A FHIR date or dateTime for reading, as written."""
    match = _DATE_TIME.match(value) if isinstance(value, str) else None
    if not match:
        return str(value) if isinstance(value, str) else ""
    zone = match[3] or ""
    return f"{match[1]} {match[2]}" + {"+05:30": "", "": "", "Z": " UTC"}.get(zone, f" {zone}")


def quantity_text(value: object) -> str:
    """A Quantity: `98.6 °F`; "" without a value."""
    if not isinstance(value, dict) or value.get("value") is None:
        return ""
    unit = value.get("unit") or value.get("code") or ""
    return f"{value.get('comparator', '')}{_number(value['value'])} {unit}".strip()


def value_text(observation: dict[str, Any]) -> str:
    """The value of an Observation (or one of its components), whatever its type; "" if none."""
    for name, show in _VALUES:
        if name in observation:
            return show(observation[name])
    reason = concept_text(observation.get("dataAbsentReason"))
    return f"not available ({reason})" if reason else ""


def dosage_text(dosage: object) -> str:
    """A Dosage as written, else put together from its dose, timing and route."""
    if not isinstance(dosage, dict):
        return ""
    if dosage.get("text"):
        return str(dosage["text"])
    doses = [quantity_text(d.get("doseQuantity")) for d in as_list(dosage.get("doseAndRate"))]
    timing = dosage.get("timing") or {}
    parts = [
        *doses,
        concept_text(timing.get("code")) or _repeat_text(timing.get("repeat")),
        concept_text(dosage.get("route")),
        "as needed" if dosage.get("asNeededBoolean") else "",
    ]
    return ", ".join(p for p in parts if p)


def _repeat_text(repeat: object) -> str:
    if not isinstance(repeat, dict) or not repeat.get("frequency"):
        return ""
    every = f"{_number(repeat.get('period', 1))} {repeat.get('periodUnit', '')}".strip()
    return f"{repeat['frequency']} time(s) every {every}"


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _period_text(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    start, end = date_text(value.get("start")), date_text(value.get("end"))
    return f"{start} to {end}" if start and end and start != end else start or end


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _number(value) if isinstance(value, str | int | float) else ""


def _reference(value: object) -> str:
    return str(value.get("display") or "") if isinstance(value, dict) else ""


def _range(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    if value.get("text"):
        return str(value["text"])
    low, high = quantity_text(value.get("low")), quantity_text(value.get("high"))
    return f"{low} to {high}" if low and high else low or high


def _ratio(value: dict[str, Any]) -> str:
    top, bottom = quantity_text(value.get("numerator")), quantity_text(value.get("denominator"))
    return f"{top} / {bottom}" if top and bottom else top


def _component(value: dict[str, Any]) -> str:
    return f"{concept_text(value.get('code'))} {value_text(value)}".strip()


def _note(value: dict[str, Any]) -> str:
    return str(value.get("text") or "")


def _contact(value: dict[str, Any]) -> str:
    return str(value.get("value") or "")


def _address(value: dict[str, Any]) -> str:
    if value.get("text"):
        return str(value["text"])
    parts = [*as_list(value.get("line"))]
    parts += [value.get(n) for n in ("city", "district", "state", "postalCode")]
    return ", ".join(str(p) for p in parts if p)


def _attachment(value: dict[str, Any]) -> str:
    attachment = value.get("attachment") or {}
    return str(attachment.get("title") or attachment.get("contentType") or "")


_VALUES: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("valueQuantity", quantity_text),
    ("valueString", _plain),
    ("valueCodeableConcept", concept_text),
    ("valueInteger", _plain),
    ("valueBoolean", _plain),
    ("valueDateTime", date_text),
    ("valueTime", _plain),
    ("valuePeriod", _period_text),
    ("valueRange", _range),
    ("valueRatio", _ratio),
)

_Row = tuple[str, str, Callable[[Any], str]]
_NOTES: _Row = ("Note", "note", _note)
_STATUS: _Row = ("Status", "status", _plain)
_COMMON: tuple[_Row, ...] = (_STATUS, ("Code", "code", concept_text), _NOTES)
_DOSES: tuple[_Row, ...] = (
    _STATUS,
    ("Status reason", "statusReason", concept_text),
    ("Reason", "reasonCode", concept_text),
    _NOTES,
)
# Per type: label, element path, how to show it. Only what a reader wants first; the structured
# data has the rest.
_LINES: dict[str, tuple[_Row, ...]] = {
    "Patient": (
        ("Name", "name", lambda v: human_name([v])),
        ("Gender", "gender", _plain),
        ("Birth date", "birthDate", _plain),
        ("Telephone", "telecom", _contact),
        ("Address", "address", _address),
    ),
    "Practitioner": (
        ("Name", "name", lambda v: human_name([v])),
        ("Qualification", "qualification.code", concept_text),
    ),
    "PractitionerRole": (
        ("Practitioner", "practitioner", _reference),
        ("Role", "code", concept_text),
        ("Specialty", "specialty", concept_text),
    ),
    "Organization": (
        ("Type", "type", concept_text),
        ("Telephone", "telecom", _contact),
        ("Address", "address", _address),
    ),
    "Encounter": (
        _STATUS,
        ("Class", "class.display", _plain),
        ("Date", "period", _period_text),
        ("Reason", "reasonCode", concept_text),
        ("Practitioner", "participant.individual", _reference),
    ),
    "Condition": (
        ("Clinical status", "clinicalStatus", concept_text),
        ("Verification", "verificationStatus", concept_text),
        ("Category", "category", concept_text),
        ("Severity", "severity", concept_text),
        ("Body site", "bodySite", concept_text),
        ("Onset", "onsetDateTime", date_text),
        ("Onset", "onsetPeriod", _period_text),
        ("Onset", "onsetString", _plain),
        ("Recorded", "recordedDate", date_text),
        _NOTES,
    ),
    "Observation": (
        ("Value", "", value_text),
        ("Components", "component", _component),
        ("Interpretation", "interpretation", concept_text),
        ("Reference range", "referenceRange", _range),
        ("Date", "effectiveDateTime", date_text),
        ("Date", "effectivePeriod", _period_text),
        _NOTES,
    ),
    "MedicationRequest": (
        ("Dosage", "dosageInstruction", dosage_text),
        ("Patient instruction", "dosageInstruction.patientInstruction", _plain),
        ("Prescribed", "authoredOn", date_text),
        ("Prescriber", "requester", _reference),
        *_DOSES,
    ),
    "MedicationStatement": (("Dosage", "dosage", dosage_text), *_DOSES),
    "Medication": (("Form", "form", concept_text), ("Manufacturer", "manufacturer", _reference)),
    "Procedure": (
        _STATUS,
        ("Performed", "performedDateTime", date_text),
        ("Performed", "performedPeriod", _period_text),
        ("Body site", "bodySite", concept_text),
        ("Outcome", "outcome", concept_text),
        _NOTES,
    ),
    "AllergyIntolerance": (
        ("Clinical status", "clinicalStatus", concept_text),
        ("Verification", "verificationStatus", concept_text),
        ("Criticality", "criticality", _plain),
        ("Reaction", "reaction.manifestation", concept_text),
        _NOTES,
    ),
    "ServiceRequest": (_STATUS, ("Ordered", "authoredOn", date_text), _NOTES),
    "Appointment": (
        _STATUS,
        ("Start", "start", date_text),
        ("Patient instruction", "patientInstruction", _plain),
        ("Comment", "comment", _plain),
    ),
    "FamilyMemberHistory": (("Condition", "condition.code", concept_text), _NOTES),
    "DocumentReference": (
        ("Type", "type", concept_text),
        ("Date", "date", date_text),
        ("Content", "content", _attachment),
    ),
    "CarePlan": (
        _STATUS,
        ("Description", "description", _plain),
        ("Activity", "activity.detail.description", _plain),
        _NOTES,
    ),
}
_SHORT = frozenset(
    {
        "Activity",
        "Components",
        "Condition",
        "Criticality",
        "Description",
        "Dosage",
        "Interpretation",
        "Note",
        "Onset",
        "Patient instruction",
        "Performed",
        "Reaction",
        "Reference range",
        "Start",
        "Status reason",
        "Value",
    }
)
_TITLES = {
    "AllergyIntolerance": "Allergy or intolerance",
    "CarePlan": "Care plan",
    "DocumentReference": "Document",
    "FamilyMemberHistory": "Family history",
    "MedicationRequest": "Prescription",
    "MedicationStatement": "Medication taken",
    "PractitionerRole": "Practitioner role",
    "ServiceRequest": "Request",
}


def _at(value: object, path: str) -> list[Any]:
    """All values at a dotted path, lists on the way walked through; "" is the value itself."""
    found = [value]
    for step in path.split(".") if path else ():
        found = [i for v in found if isinstance(v, dict) for i in as_list(v.get(step))]
    return found
