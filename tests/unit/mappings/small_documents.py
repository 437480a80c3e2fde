"""The smallest good document of each HI type, written by hand and not by the builder."""

from __future__ import annotations

import copy
from typing import Any

Json = dict[str, Any]

BASE = "https://nrces.in/ndhm/fhir/r4/StructureDefinition/"
SNOMED = "http://snomed.info/sct"
WORDS = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}


def url(number: int) -> str:
    return f"urn:uuid:{number:08d}-0000-4000-8000-000000000000"


COMPOSITION_URL, PATIENT_URL, DOCTOR_URL, FACILITY_URL, VISIT_URL, RECORD_URL = map(url, range(6))


def refer(to: str) -> Json:
    return {"reference": to, "display": "x"}


def concept(code: str, system: str = SNOMED) -> Json:
    return {"coding": [{"system": system, "code": code, "display": "x"}]}


ABOUT = {"subject": refer(PATIENT_URL)}
FILE = {"attachment": {"contentType": "application/pdf", "data": "JVBERi0="}}
DOCUMENT = {"status": "current", "content": [FILE], **ABOUT}

# HI type -> profile, type, its section, record that stands there.
FRAMES: dict[str, tuple[str, Json, Json, Json]] = {
    "OPConsultation": (
        "OPConsultRecord",
        {"coding": [{"code": "371530004", "display": "Clinical consultation report"}]},
        {"coding": [{"code": "422843007", "display": "Chief complaint section"}]},
        {"resourceType": "Condition", "code": concept("386661006"), **ABOUT},
    ),
    "DischargeSummary": (
        "DischargeSummaryRecord",
        {"coding": [{"code": "373942005", "display": "Discharge summary"}]},
        {"coding": [{"code": "734163000", "display": "Care plan"}]},
        {"resourceType": "CarePlan", "status": "active", "intent": "plan", **ABOUT},
    ),
    "Prescription": (
        "PrescriptionRecord",
        {"coding": [{"code": "440545006", "display": "Prescription record"}]},
        {"coding": [{"code": "440545006", "display": "Prescription record"}]},
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": concept("387517004"),
            "authoredOn": "2026-01-02",
            "requester": refer(DOCTOR_URL),
            "dosageInstruction": [{"text": "once"}],
            **ABOUT,
        },
    ),
    "DiagnosticReport": (
        "DiagnosticReportRecord",
        {"coding": [{"code": "721981007", "display": "Diagnostic studies report"}]},
        {"coding": [{"code": "4241000179101", "display": "Laboratory report"}]},
        {
            "resourceType": "DiagnosticReport",
            "status": "final",
            "code": concept("58410-2", "http://loinc.org"),
            "resultsInterpreter": [refer(DOCTOR_URL)],
            "result": [refer(RECORD_URL)],
            "conclusion": "Normal.",
            **ABOUT,
        },
    ),
    "ImmunizationRecord": (
        "ImmunizationRecord",
        {"coding": [{"code": "41000179103", "display": "Immunization record"}]},
        {"coding": [{"code": "41000179103", "display": "Immunization record"}]},
        {
            "resourceType": "Immunization",
            "status": "completed",
            "vaccineCode": concept("1119305005"),
            "patient": refer(PATIENT_URL),
            "occurrenceDateTime": "2026-01-02",
        },
    ),
    "HealthDocumentRecord": (
        "HealthDocumentRecord",
        {"coding": [{"code": "419891008", "display": "Record artifact"}]},
        {"coding": [{"code": "419891008", "display": "Record artifact"}]},
        {"resourceType": "DocumentReference", **DOCUMENT},
    ),
    "WellnessRecord": (
        "WellnessRecord",
        {"text": "Wellness Record"},
        {},
        {
            "resourceType": "Observation",
            "status": "final",
            "code": concept("8867-4", "http://loinc.org"),
            "valueQuantity": {"value": 70},
            **ABOUT,
        },
    ),
    "Invoice": (
        "InvoiceRecord",
        {"text": "Invoice Record"},
        {},
        {
            "resourceType": "Invoice",
            "identifier": [{"value": "1"}],
            "status": "issued",
            "type": concept("00", "urn:x"),
            "date": "2026-01-02",
            "lineItem": [
                {
                    "chargeItemCodeableConcept": concept("00", "urn:x"),
                    "priceComponent": [
                        {"type": "base", "code": concept("00", "urn:x"), "amount": {"value": 1}}
                    ],
                }
            ],
            "totalNet": {"value": 1},
            "totalGross": {"value": 1},
            **ABOUT,
        },
    ),
}

PEOPLE: list[tuple[str, Json]] = [
    (
        PATIENT_URL,
        {
            "resourceType": "Patient",
            "identifier": [{"type": concept("MR", "urn:x"), "value": "1"}],
            "name": [{"text": "Asha"}],
        },
    ),
    (
        DOCTOR_URL,
        {
            "resourceType": "Practitioner",
            "identifier": [{"type": concept("MD", "urn:x"), "value": "1"}],
            "name": [{"text": "Dr Meera"}],
        },
    ),
    (
        FACILITY_URL,
        {
            "resourceType": "Organization",
            "identifier": [{"type": concept("PRN", "urn:x"), "system": "urn:x", "value": "1"}],
            "name": "Hospital",
        },
    ),
    (
        VISIT_URL,
        {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, **ABOUT},
    ),
]


def frame(hi_type: str) -> Json:
    """The Composition of one type."""
    profile, kind, code, record = FRAMES[hi_type]
    section: Json = {
        "title": "Vital Signs" if hi_type == "WellnessRecord" else "x",
        "text": WORDS,
        "entry": [{**refer(RECORD_URL), "type": record["resourceType"]}],
    }
    if code:
        section["code"] = _snomed(code)
    return {
        "resourceType": "Composition",
        "meta": {"profile": [BASE + profile]},
        "identifier": {"value": "1"},
        "language": "en-IN",
        "text": WORDS,
        "status": "final",
        "type": _snomed(kind),
        "subject": refer(PATIENT_URL),
        "encounter": refer(VISIT_URL),
        "date": "2026-01-02",
        "author": [refer(DOCTOR_URL)],
        "title": "x",
        "confidentiality": "N",
        "attester": [{"mode": "official", "party": refer(FACILITY_URL)}],
        "custodian": refer(FACILITY_URL),
        "section": [section],
    }


def _snomed(kind: Json) -> Json:
    if "coding" not in kind:
        return dict(kind)
    return {"coding": [{"system": SNOMED, **kind["coding"][0]}]}


def good(hi_type: str) -> Json:
    """A good document, a copy of its own."""
    entries = [(COMPOSITION_URL, frame(hi_type)), *PEOPLE, (RECORD_URL, FRAMES[hi_type][3])]
    return copy.deepcopy(
        {
            "resourceType": "Bundle",
            "meta": {"versionId": "1", "profile": [BASE + "DocumentBundle"]},
            "identifier": {"system": "urn:x", "value": "1"},
            "type": "document",
            "timestamp": "2026-01-02T00:00:00Z",
            "entry": [
                {"fullUrl": name, "resource": {"text": WORDS, **resource}}
                for name, resource in entries
            ],
        }
    )
