"""Foreign records of every kind that a document can carry, beyond the visit in `samples`.

As a HIMS writes them that has never heard of ABDM: no profiles, local codes, things missing. Each
function gives whole care contexts for `group_by_root`: with `visit` an Encounter, without it the
record stands alone.
"""

from __future__ import annotations

from typing import Any

from tests.unit.mappings.samples import (
    LOINC,
    PDF,
    encounter,
    observation,
    organization,
    patient,
    practitioner,
    resource,
)

Resource = dict[str, Any]
WHO = {"reference": "Patient/p1"}
VISIT = {"reference": "Encounter/e1"}
SCT = "http://snomed.info/sct"
IMAGE = "iVBORw0KGgo="


def people() -> list[Resource]:
    """Patient, practitioner and facility."""
    return [patient(), practitioner(), organization()]


def _of(visit: bool, element: str = "encounter") -> Resource:
    return {element: VISIT} if visit else {}


def lab_report(id_: str = "r1", *, visit: bool = True, **changes: Any) -> list[Resource]:
    """A laboratory report with two results, one of them a panel, and its specimen and order."""
    about = {"subject": WHO, **_of(visit)}
    return [
        resource(
            "DiagnosticReport",
            id_,
            **{
                "status": "final",
                "category": [
                    {
                        "coding": [
                            {
                                "system": "http://terminology.hl7.org/CodeSystem/v2-0074",
                                "code": "LAB",
                            }
                        ]
                    }
                ],
                "code": {
                    "coding": [{"system": "http://his.example/panel", "code": "CBC"}],
                    "text": "Complete blood count",
                },
                **about,
                "effectiveDateTime": "2026-02-27T11:00:00+05:30",
                "issued": "2026-02-27T15:00:00+05:30",
                "performer": [{"reference": "Organization/o1"}],
                "basedOn": [{"reference": f"ServiceRequest/{id_}-order"}],
                "specimen": [{"reference": f"Specimen/{id_}-blood"}],
                "result": [
                    {"reference": f"Observation/{id_}-hb"},
                    {"reference": f"Observation/{id_}-diff"},
                ],
                **changes,
            },
        ),
        observation(
            f"{id_}-hb",
            "718-7",
            encounter=about.get("encounter"),
            valueQuantity={"value": 9.1, "unit": "g/dL"},
            referenceRange=[{"text": "12 - 16"}],
            effectiveDateTime="2026-02-27T11:00:00+05:30",
        ),
        observation(
            f"{id_}-diff",
            encounter=about.get("encounter"),
            code={"text": "Differential count"},
            hasMember=[{"reference": f"Observation/{id_}-neutro"}],
        ),
        observation(
            f"{id_}-neutro",
            encounter=about.get("encounter"),
            code={"text": "Neutrophils"},
            valueQuantity={"value": 61, "unit": "percent"},
        ),
        resource(
            "Specimen",
            f"{id_}-blood",
            subject=WHO,
            type={"coding": [{"system": "http://his.example/tube", "code": "EDTA"}]},
            collection={"collectedPeriod": {"start": "2026-02-27T10:55:00+05:30"}},
        ),
        resource(
            "ServiceRequest",
            f"{id_}-order",
            status="completed",
            intent="order",
            code={"text": "CBC"},
            reasonReference=[{"reference": "Condition/c1"}],
            **about,
        ),
    ]


def imaging_report(id_: str = "x1", *, visit: bool = True, **changes: Any) -> list[Resource]:
    """An X-ray with a picture in a Binary, a study and a PDF of the report, and no conclusion."""
    about = {"subject": WHO, **_of(visit)}
    return [
        resource(
            "DiagnosticReport",
            id_,
            **{
                "status": "amended",
                "code": {"text": "X-ray chest PA view"},
                **about,
                "issued": "2026-02-27T16:00:00+05:30",
                "resultsInterpreter": [{"reference": "Practitioner/d1"}],
                "imagingStudy": [{"reference": f"ImagingStudy/{id_}-study"}],
                "media": [
                    {"link": {"reference": f"Media/{id_}-picture"}},
                    {"link": {"reference": f"Media/{id_}-lost"}},
                ],
                "conclusionCode": [{"text": "Consolidation, left lower zone"}],
                "presentedForm": [
                    {"contentType": "application/pdf", "data": PDF, "title": "report.pdf"},
                    {"url": "Binary/gone", "title": "gone.pdf"},
                ],
                **changes,
            },
        ),
        resource(
            "ImagingStudy",
            f"{id_}-study",
            subject=WHO,
            modality=[{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "DX"}],
            description="Chest PA",
        ),
        resource(
            "Media",
            f"{id_}-picture",
            status="completed",
            subject=WHO,
            content={"contentType": "image/png", "url": f"Binary/{id_}-png", "title": "Film"},
        ),
        resource("Binary", f"{id_}-png", contentType="image/png", data=IMAGE),
        resource("Media", f"{id_}-lost", status="completed", content={"title": "Second film"}),
    ]


def file(id_: str = "f1", *, visit: bool = True, **changes: Any) -> Resource:
    """An uploaded PDF, inline."""
    context = {"context": {"encounter": [VISIT]}} if visit else {}
    return resource(
        "DocumentReference",
        id_,
        **{
            "status": "current",
            "type": {"text": "Old papers"},
            "subject": WHO,
            "date": "2026-02-27T10:00:00+05:30",
            "custodian": {"reference": "Organization/o1"},
            "content": [
                {
                    "attachment": {
                        "contentType": "application/pdf",
                        "title": f"{id_}.pdf",
                        "data": PDF,
                    }
                }
            ],
            **context,
            **changes,
        },
    )


def immunizations(*, visit: bool = True) -> list[Resource]:
    """Doses given, refused, and without a status or date, two recommendations, a certificate."""
    about = {"patient": WHO, **_of(visit)}
    vaccine = {"coding": [{"system": SCT, "code": "871822003"}], "text": "Hepatitis B vaccine"}
    return [
        resource(
            "Immunization",
            "i1",
            status="completed",
            vaccineCode=vaccine,
            **about,
            occurrenceDateTime="2026-02-27",
            lotNumber="HB-77",
            route={"coding": [{"system": "http://his.example/route", "code": "IM"}]},
            manufacturer={"display": "Bharat Serum"},
            performer=[{"actor": {"reference": "Practitioner/d1"}}],
            protocolApplied=[{"series": "Primary"}],
            reaction=[{"detail": {"reference": "Observation/i1-fever"}}],
        ),
        observation("i1-fever", encounter=about.get("encounter"), code={"text": "Mild fever"}),
        *(
            [
                resource(
                    "Immunization",
                    "i2",
                    status="not-done",
                    statusReason={"text": "Mother declined"},
                    vaccineCode={"text": "Oral polio"},
                    **about,
                    occurrenceString="around birth",
                ),
                resource("Immunization", "i3", vaccineCode={"text": "BCG, scar seen"}, **about),
                resource(
                    "Immunization",
                    "i4",
                    status="completed",
                    vaccineCode={"text": "Tetanus toxoid"},
                    **about,
                ),
            ]
            if visit
            else []
        ),
        resource(
            "ImmunizationRecommendation",
            "n1",
            patient=WHO,
            date="2026-02-27",
            recommendation=[
                {
                    "vaccineCode": [vaccine],
                    "supportingImmunization": [{"reference": "Immunization/i1"}],
                    "dateCriterion": [{"value": "2026-03-27"}],
                }
            ],
        ),
        resource(
            "ImmunizationRecommendation",
            "n2",
            patient=WHO,
            recommendation=[
                {
                    "targetDisease": {"text": "Measles"},
                    "forecastStatus": {"text": "due"},
                    "supportingImmunization": [{"reference": "Immunization/i1"}],
                }
            ],
        ),
        file(
            "cert",
            visit=visit,
            type={"text": "Vaccination certificate"},
            **({} if visit else {"context": {"related": [{"reference": "Immunization/i1"}]}}),
        ),
    ]


def invoice(id_: str = "b1", *, visit: bool = True, **changes: Any) -> list[Resource]:
    """A bill with a charged medicine, a line in words and a line without a price."""
    return [
        resource(
            "Invoice",
            id_,
            **{
                "status": "issued",
                "identifier": [{"value": "OLD/1"}, {"value": "2026/118", "use": "official"}],
                "subject": WHO,
                "date": "2026-02-27T12:00:00+05:30",
                "issuer": {"reference": "Organization/o1"},
                "lineItem": [
                    {
                        "chargeItemReference": {"reference": f"ChargeItem/{id_}-azee"},
                        "priceComponent": [
                            {"type": "base", "amount": {"value": 120.5, "currency": "INR"}},
                            {
                                "type": "tax",
                                "code": {"text": "CGST"},
                                "amount": {"value": 7.23, "currency": "INR"},
                            },
                            {"type": "surcharge", "factor": 1.1},
                        ],
                    },
                    {"chargeItemCodeableConcept": {"text": "Registration"}},
                ],
                "totalGross": {"value": 127.73, "currency": "INR"},
                **changes,
            },
        ),
        resource(
            "ChargeItem",
            f"{id_}-azee",
            status="billed",
            subject=WHO,
            code={
                "coding": [{"system": "http://his.example/items", "code": "AZ500"}],
                "text": "Tab. Azithromycin",
            },
            productReference={"reference": "Medication/md9"},
            **_of(visit, "context"),
        ),
        resource("Medication", "md9", code={"text": "Azithromycin 500 mg"}),
    ]


def wellness(*, visit: bool = True) -> list[Resource]:
    """Measurements of every section of a wellness record, in one go."""

    def measured(id_: str, code: Any, system: str = LOINC, **value: Any) -> Resource:
        concept = {"coding": [{"system": system, "code": code}]} if code else {"text": id_}
        return observation(
            id_,
            encounter=VISIT if visit else None,
            code=concept,
            effectiveDateTime="2026-02-27T07:00:00+05:30",
            **value,
        )

    pulse = {"value": 71, "unit": "/min"}
    return [
        measured("pulse", "8867-4", valueQuantity=pulse),
        measured("temp", "8310-5", valueQuantity={"value": 36.8, "unit": "°C"}),
        measured("weight", "29463-7", valueQuantity={"value": 61, "unit": "kg"}),
        measured("stone", "29463-7", valueQuantity={"value": 9, "unit": "stone"}),
        measured("neck", "56074-8", valueQuantity={"value": 34, "unit": "cm"}),
        measured("steps", "55423-8", valueQuantity={"value": 8123, "unit": "steps"}),
        measured("sugar", "2339-0", valueQuantity={"value": 98, "unit": "mg/dL"}),
        measured("mood", "8693-4", valueString="खुश"),
        measured("lmp", "8665-2", valueDateTime="2026-02-12"),
        measured(
            "smoking",
            "365981007",
            SCT,
            valueCodeableConcept={"text": "Never smoked"},
        ),
        measured(
            "yoga",
            None,
            category=[
                {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                            "code": "activity",
                        }
                    ]
                }
            ],
            valueString="30 minutes of yoga",
        ),
        file("chart", visit=visit, **({} if visit else {"context": None})),
    ]


def stay(**changes: Any) -> Resource:
    """The Encounter of a finished hospital stay."""
    return encounter(
        **{
            "class": {
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                "code": "IMP",
            },
            "period": {
                "start": "2026-02-24T10:00:00+05:30",
                "end": "2026-02-27T16:00:00+05:30",
            },
            "hospitalization": {"dischargeDisposition": {"text": "घर"}},
            **changes,
        }
    )


def slip(id_: str = "slip", **changes: Any) -> Resource:
    """A scanned prescription, so named by the hospital's own words only."""
    return file(id_, **{"type": {"text": "Prescription (scan)"}, **changes})


def summary_file(**changes: Any) -> Resource:
    """A rendered discharge summary."""
    code = {"system": LOINC, "code": "18842-5"}
    return file("summary", **{"type": {"coding": [code]}, **changes})


def taken() -> Resource:
    """A medicine that the patient took before."""
    return resource(
        "MedicationStatement",
        "ms1",
        subject=WHO,
        context=VISIT,
        medicationCodeableConcept={"text": "Metformin"},
    )
