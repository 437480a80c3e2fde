"""A document with much that the viewer shows wrongly, stops at, or has no place for."""

from __future__ import annotations

import base64

from mappings.resources import Resource
from tests.unit.mappings.received import bundle, res

PDF = b"%PDF-1.4 \x80\xff\x00 every byte counts"

#: Kind and title of what a page of `awkward()` has to list.
LISTED = {
    ("Record", "Observation/gone"),
    ("MedicationRequest", "Penicillin"),
    ("MedicationStatement", "Aspirin"),
    ("Section text", "Advice"),
    ("File", "Film"),
    ("ImagingStudy", "CT of the head"),
}


def composition() -> Resource:
    """Its Composition: a section within a section, one of text alone, and a lost entry."""
    return res(
        "Composition",
        "c",
        status="final",
        type={"text": "Discharge summary"},
        title="Stay in July <b>",
        date="2026-07-04",
        subject={"reference": "Patient/p"},
        author=[{"display": "Dr Elsewhere"}],
        section=[
            {
                "title": "Results",
                "entry": [{"reference": "Observation/low"}, {"reference": "Observation/gone"}],
                "section": [{"title": "Doses", "entry": [{"reference": "Immunization/dose"}]}],
            },
            {
                "title": "Medicines",
                "entry": [
                    {"reference": "MedicationRequest/take"},
                    {"reference": "MedicationRequest/never"},
                    {"reference": "MedicationStatement/took"},
                ],
            },
            {"title": "Files", "entry": [{"reference": "DocumentReference/scan"}]},
            {
                "title": "Advice",
                "text": {"status": "additional", "div": "<div>Rest for a week</div>"},
            },
        ],
    )


def awkward(*, film: str = "Binary/elsewhere") -> Resource:
    """The whole document. `film`: the address of a file that it does not hold."""
    scan = {
        "contentType": "application/pdf",
        "title": "Scan",
        "data": base64.b64encode(PDF).decode(),
    }
    return bundle(
        composition(),
        res("Patient", "p", name=[{"text": "Asha Verma"}], gender="female", birthDate="1991-04-02"),
        res(
            "Observation",
            "low",
            status="final",
            code={"text": "Troponin"},
            valueQuantity={"comparator": "<", "value": 5, "unit": "ng/L"},
            interpretation=[{"coding": [{"code": "N", "display": "Normal"}]}],
        ),
        res("Immunization", "dose", status="completed", vaccineCode={"text": "Td vaccine"}),
        res(
            "MedicationRequest",
            "take",
            status="active",
            intent="order",
            contained=[{"resourceType": "Medication", "id": "m", "code": {"text": "Amlodipine"}}],
            medicationReference={"reference": "#m"},
            reasonReference=[{"display": "High pressure"}],
            dosageInstruction=[
                {"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}}
            ],
        ),
        res(
            "MedicationRequest",
            "never",
            status="active",
            intent="order",
            doNotPerform=True,
            medicationCodeableConcept={"text": "Penicillin"},
        ),
        res(
            "MedicationStatement",
            "took",
            status="completed",
            medicationCodeableConcept={"text": "Aspirin"},
            effectiveDateTime="2026-07-01",
        ),
        res(
            "DocumentReference",
            "scan",
            status="current",
            content=[{"attachment": scan}, {"attachment": {"title": "Film", "url": film}}],
        ),
        res("ImagingStudy", "study", status="available", description="CT of the head"),
    )
