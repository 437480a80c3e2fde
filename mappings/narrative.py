"""Short XHTML narratives that a person can read, made from what a resource states.

Text is kept exactly as written, in whatever language, and escaped; nothing is translated,
abbreviated or added. A narrative is FHIR's limited XHTML (https://hl7.org/fhir/R4/narrative.html).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from mappings.resources import Resource, as_list, concept_text, human_name, label, recommended
from mappings.value_text import (
    address_text,
    attachment_text,
    component_text,
    contact_text,
    date_text,
    dosage_text,
    money_text,
    note_text,
    period_text,
    quantity_text,
    range_text,
    reference_text,
    scalar_text,
    value_text,
)

Line = tuple[str, str]

# XML 1.0 allows no other control characters, not even escaped (https://www.w3.org/TR/xml/#charsets).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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


def _recommendation(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    dates = [date_text(c.get("value")) for c in as_list(value.get("dateCriterion"))]
    parts = [recommended(value), concept_text(value.get("forecastStatus")), *dates]
    return ", ".join(p for p in [*parts, scalar_text(value.get("description"))] if p)


def _line_item(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    what = concept_text(value.get("chargeItemCodeableConcept")) or reference_text(
        value.get("chargeItemReference")
    )
    prices = []
    for price in as_list(value.get("priceComponent")):
        name = concept_text(price.get("code")) or scalar_text(price.get("type"))
        prices.append(f"{name} {money_text(price.get('amount'))}".strip())
    return ": ".join(p for p in (what, ", ".join(prices)) if p)


_Row = tuple[str, str, Callable[[Any], str]]
_NOTES: _Row = ("Note", "note", note_text)
_STATUS: _Row = ("Status", "status", scalar_text)
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
        ("Gender", "gender", scalar_text),
        ("Birth date", "birthDate", scalar_text),
        ("Telephone", "telecom", contact_text),
        ("Address", "address", address_text),
    ),
    "Practitioner": (
        ("Name", "name", lambda v: human_name([v])),
        ("Qualification", "qualification.code", concept_text),
    ),
    "PractitionerRole": (
        ("Practitioner", "practitioner", reference_text),
        ("Role", "code", concept_text),
        ("Specialty", "specialty", concept_text),
    ),
    "Organization": (
        ("Type", "type", concept_text),
        ("Telephone", "telecom", contact_text),
        ("Address", "address", address_text),
    ),
    "Encounter": (
        _STATUS,
        ("Class", "class.display", scalar_text),
        ("Date", "period", period_text),
        ("Reason", "reasonCode", concept_text),
        ("Practitioner", "participant.individual", reference_text),
        ("Discharge", "hospitalization.dischargeDisposition", concept_text),
        ("Location", "location.location", reference_text),
    ),
    "Condition": (
        ("Clinical status", "clinicalStatus", concept_text),
        ("Verification", "verificationStatus", concept_text),
        ("Category", "category", concept_text),
        ("Severity", "severity", concept_text),
        ("Body site", "bodySite", concept_text),
        ("Onset", "onsetDateTime", date_text),
        ("Onset", "onsetPeriod", period_text),
        ("Onset", "onsetString", scalar_text),
        ("Recorded", "recordedDate", date_text),
        _NOTES,
    ),
    "Observation": (
        ("Value", "", value_text),
        ("Components", "component", component_text),
        ("Interpretation", "interpretation", concept_text),
        ("Reference range", "referenceRange", range_text),
        ("Date", "effectiveDateTime", date_text),
        ("Date", "effectivePeriod", period_text),
        _NOTES,
    ),
    "MedicationRequest": (
        ("Dosage", "dosageInstruction", dosage_text),
        ("Patient instruction", "dosageInstruction.patientInstruction", scalar_text),
        ("Prescribed", "authoredOn", date_text),
        ("Prescriber", "requester", reference_text),
        *_DOSES,
    ),
    "MedicationStatement": (("Dosage", "dosage", dosage_text), *_DOSES),
    "Medication": (
        ("Form", "form", concept_text),
        ("Manufacturer", "manufacturer", reference_text),
    ),
    "Procedure": (
        _STATUS,
        ("Performed", "performedDateTime", date_text),
        ("Performed", "performedPeriod", period_text),
        ("Body site", "bodySite", concept_text),
        ("Outcome", "outcome", concept_text),
        _NOTES,
    ),
    "AllergyIntolerance": (
        ("Clinical status", "clinicalStatus", concept_text),
        ("Verification", "verificationStatus", concept_text),
        ("Criticality", "criticality", scalar_text),
        ("Reaction", "reaction.manifestation", concept_text),
        _NOTES,
    ),
    "ServiceRequest": (_STATUS, ("Ordered", "authoredOn", date_text), _NOTES),
    "Appointment": (
        _STATUS,
        ("Start", "start", date_text),
        ("Patient instruction", "patientInstruction", scalar_text),
        ("Comment", "comment", scalar_text),
    ),
    "FamilyMemberHistory": (("Condition", "condition.code", concept_text), _NOTES),
    "DocumentReference": (
        ("Type", "type", concept_text),
        ("Date", "date", date_text),
        ("Content", "content", attachment_text),
    ),
    "DiagnosticReport": (
        _STATUS,
        ("Category", "category", concept_text),
        ("Conclusion", "conclusion", scalar_text),
        ("Conclusion", "conclusionCode", concept_text),
        ("Result", "result", reference_text),
        ("Interpreted by", "resultsInterpreter", reference_text),
        ("Performed by", "performer", reference_text),
        ("Date", "effectiveDateTime", date_text),
        ("Date", "effectivePeriod", period_text),
        ("Issued", "issued", date_text),
        ("File", "presentedForm.title", scalar_text),
    ),
    "Specimen": (
        ("Collected", "collection.collectedDateTime", date_text),
        ("Received", "receivedTime", date_text),
        _NOTES,
    ),
    "Media": (
        ("Modality", "modality", concept_text),
        ("Date", "createdDateTime", date_text),
        _NOTES,
    ),
    "ImagingStudy": (
        _STATUS,
        ("Started", "started", date_text),
        ("Series", "series.description", scalar_text),
        _NOTES,
    ),
    "Immunization": (
        _STATUS,
        ("Status reason", "statusReason", concept_text),
        ("Date", "occurrenceDateTime", date_text),
        ("Date", "occurrenceString", scalar_text),
        ("Dose", "protocolApplied.doseNumberPositiveInt", scalar_text),
        ("Dose", "protocolApplied.doseNumberString", scalar_text),
        ("Lot", "lotNumber", scalar_text),
        ("Expires", "expirationDate", scalar_text),
        ("Manufacturer", "manufacturer", reference_text),
        ("Given by", "performer.actor", reference_text),
        ("Site", "site", concept_text),
        ("Route", "route", concept_text),
        ("Reaction", "reaction.detail", reference_text),
        _NOTES,
    ),
    "ImmunizationRecommendation": (
        ("Date", "date", date_text),
        ("Recommended", "recommendation", _recommendation),
    ),
    "Invoice": (
        _STATUS,
        ("Type", "type", concept_text),
        ("Date", "date", date_text),
        ("Issued by", "issuer", reference_text),
        ("Item", "lineItem", _line_item),
        ("Total net", "totalNet", money_text),
        ("Total gross", "totalGross", money_text),
        ("Payment terms", "paymentTerms", scalar_text),
        _NOTES,
    ),
    "ChargeItem": (
        _STATUS,
        ("Product", "productCodeableConcept", concept_text),
        ("Quantity", "quantity", quantity_text),
        ("Price", "priceOverride", money_text),
        _NOTES,
    ),
    "CarePlan": (
        _STATUS,
        ("Description", "description", scalar_text),
        ("Activity", "activity.detail.description", scalar_text),
        _NOTES,
    ),
}
_SHORT = frozenset(
    {
        "Activity",
        "Components",
        "Conclusion",
        "Condition",
        "Criticality",
        "Description",
        "Discharge",
        "Dosage",
        "Dose",
        "Interpretation",
        "Item",
        "Lot",
        "Note",
        "Onset",
        "Patient instruction",
        "Performed",
        "Reaction",
        "Recommended",
        "Reference range",
        "Start",
        "Status reason",
        "Total gross",
        "Total net",
        "Value",
    }
)
_TITLES = {
    "ChargeItem": "Charge",
    "DiagnosticReport": "Report",
    "ImagingStudy": "Imaging study",
    "ImmunizationRecommendation": "Recommended immunization",
    "Media": "Image",
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
