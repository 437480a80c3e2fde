"""Records that come in groups: reports with results, doses, bills, files. See `records`.

Each function returns the leading record first.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache

from conformance.generator.records import HL7, LOINC, PDF, PNG, SNOMED, UCUM, WORDS
from conformance.generator.scene import LOCAL, Draw, Resource, Scene, concept, record

LARGE = 20 * 1024 * 1024


@cache
def large_pdf() -> str:
    """A PDF of 20 MB as base64 (FHIR's `data`)."""
    head = b"%PDF-1.4\n%"
    return base64.b64encode(head + b"scan " * ((LARGE - len(head)) // 5)).decode()


def lab_report(scene: Scene, number: int) -> list[Resource]:
    """A laboratory report with results, with or without ranges, specimen, file and conclusion."""
    draw = scene.draw
    results = []
    for part in range(draw.number(0, 4)):
        low, high = {"value": 12, "unit": "g/dL"}, {"value": 16, "unit": "g/dL"}
        results.append(
            record(
                "Observation",
                scene.id(f"lab{number}", part),
                status="final",
                category=[
                    {"coding": [{"system": f"{HL7}observation-category", "code": "laboratory"}]}
                ],
                code=concept(draw, LOINC, "718-7", "Hemoglobin [Mass/volume] in Blood"),
                valueQuantity={"value": 13.1, "unit": "g/dL", "system": UCUM, "code": "g/dL"},
                referenceRange=draw.maybe([{"low": low, "high": high}], 0.5),
                interpretation=draw.maybe([{"text": "Normal"}], 0.3),
                **scene.about(),
            )
        )
    taken = {"collectedDateTime": f"{scene.day}T08:00:00+05:30"}
    specimen = record(
        "Specimen",
        scene.id("sp", number),
        type=concept(draw, SNOMED, "119297000", "Blood specimen"),
        subject=scene.refer(scene.patient),
        receivedTime=scene.time(9),
        collection=draw.maybe(taken),
    )
    with_specimen = draw.chance(0.4)
    file = {"contentType": "application/pdf", "data": PDF, "title": "Report"}
    report = record(
        "DiagnosticReport",
        scene.id("r", number),
        status=draw.pick(("final", "preliminary", "final")),
        category=draw.pick(
            (
                [concept(draw, SNOMED, "108252007", "Laboratory procedure")],
                [{"coding": [{"system": f"{HL7}v2-0074", "code": "LAB"}]}],
                None,
            )
        ),
        code=concept(draw, LOINC, "58410-2", "CBC panel - Blood"),
        effectiveDateTime=scene.time(9),
        issued=draw.maybe(f"{scene.day}T15:00:00.000Z"),
        performer=draw.maybe([scene.refer(scene.facility)], 0.5),
        resultsInterpreter=[who] if (who := scene.who()) else None,
        specimen=[scene.refer(f"Specimen/{specimen['id']}")] if with_specimen else None,
        result=[scene.refer(f"Observation/{r['id']}") for r in results] or None,
        conclusion=draw.maybe(draw.pick(WORDS)),
        presentedForm=draw.maybe([file], 0.4),
        **scene.about(),
    )
    return [report, *results, *([specimen] if with_specimen else [])]


def imaging_report(scene: Scene, number: int) -> list[Resource]:
    """An imaging report with a picture, or words only."""
    draw = scene.draw
    media = record(
        "Media",
        scene.id("md", number),
        status="completed",
        subject=scene.refer(scene.patient),
        createdDateTime=scene.time(9),
        content={"contentType": "image/png", "data": PNG},
    )
    pictured = draw.chance(0.6)
    report = record(
        "DiagnosticReport",
        scene.id("x", number),
        status="final",
        category=[{"coding": [{"system": f"{HL7}v2-0074", "code": "RAD"}]}],
        code=concept(draw, LOINC, "36643-5", "XR Chest 2 Views"),
        effectiveDateTime=scene.time(9),
        media=[{"link": scene.refer(f"Media/{media['id']}")}] if pictured else None,
        conclusion=draw.maybe("No abnormality seen."),
        **scene.about(),
    )
    return [report, *([media] if pictured else [])]


def immunization(scene: Scene, number: int) -> list[Resource]:
    """A dose, and at times what is due next."""
    draw = scene.draw
    given = record(
        "Immunization",
        scene.id("i", number),
        status=draw.pick(("completed", "completed", "not-done")),
        vaccineCode=concept(draw, SNOMED, "1119305005", "SARS-CoV-2 antigen vaccine"),
        occurrenceDateTime=scene.time(10) or scene.day,
        lotNumber=draw.maybe("B-17"),
        site=draw.maybe({"text": "left arm"}, 0.4),
        performer=[{"actor": who}] if (who := scene.who()) else None,
        protocolApplied=draw.maybe([{"doseNumberPositiveInt": 1}], 0.5),
        **scene.about("patient"),
    )
    due = record(
        "ImmunizationRecommendation",
        scene.id("ir", number),
        patient=scene.refer(scene.patient),
        date=scene.day,
        recommendation=[
            {
                "vaccineCode": [concept(draw, SNOMED, "1119305005", "SARS-CoV-2 antigen vaccine")],
                "forecastStatus": {"text": "due"},
                "supportingImmunization": [scene.refer(f"Immunization/{given['id']}")],
            }
        ],
    )
    return [given, *([due] if draw.chance(0.4) else [])]


def invoice(scene: Scene, number: int) -> list[Resource]:
    """A bill, itemised or in one sum."""
    draw = scene.draw
    amount = {"value": 250.5, "currency": "INR"}
    charge = record(
        "ChargeItem",
        scene.id("ci", number),
        status="billed",
        code=concept(draw, LOCAL, "CONS", "Consultation"),
        subject=scene.refer(scene.patient),
        context=scene.refer(scene.encounter),
        quantity=draw.maybe({"value": 1}),
    )
    itemised = draw.chance(0.6)
    item: Resource = {"priceComponent": [{"type": "base", "amount": amount}]}
    if itemised:
        item["chargeItemReference"] = scene.refer(f"ChargeItem/{charge['id']}")
    else:
        item["chargeItemCodeableConcept"] = {"text": "Consultation"}
    bill = record(
        "Invoice",
        scene.id("inv", number),
        identifier=draw.maybe([{"system": LOCAL, "value": f"INV/{number}"}]),
        status="issued",
        type=draw.maybe({"text": "Consultation bill"}, 0.5),
        subject=scene.refer(scene.patient),
        date=scene.time(16),
        issuer=draw.maybe(scene.refer(scene.facility), 0.5),
        lineItem=draw.maybe([item], 0.8),
        totalNet=draw.maybe(amount),
        totalGross=draw.maybe(amount),
    )
    return [bill, *([charge] if itemised else [])]


def file(scene: Scene, number: int, *, large: bool = False) -> list[Resource]:
    """An uploaded file: inline, as Binary, elsewhere, or of unknown type."""
    draw = scene.draw
    binary = record("Binary", scene.id("b", number), contentType="image/png", data=PNG)
    attachment = draw.pick(
        (
            {"contentType": "application/pdf", "data": PDF, "title": "Old report"},
            {"url": f"Binary/{binary['id']}"},
            {"contentType": "image/jpeg", "url": "https://pacs.example/studies/17"},
            {"data": PDF},
        )
    )
    if large:
        attachment = {"contentType": "application/pdf", "data": large_pdf(), "title": "Scan"}
    made = record(
        "DocumentReference",
        scene.id("d", number),
        status=draw.maybe("current", 0.9),
        type=draw.maybe(concept(draw, LOINC, "34108-1", "Outpatient Note")),
        subject=scene.refer(scene.patient),
        date=draw.maybe(f"{scene.day}T12:00:00Z"),
        author=[who] if (who := scene.who()) else None,
        description=draw.maybe(draw.pick(WORDS), 0.4),
        content=[{"attachment": attachment}],
        context={"encounter": [scene.refer(scene.encounter)]} if scene.encounter else None,
    )
    uses = str(attachment.get("url", "")).startswith("Binary/")
    return [made, *([binary] if uses else [])]


Group = Callable[[Scene, int], list[Resource]]
#: What a visit may hold besides, and what may stand alone.
GROUPS: tuple[Group, ...] = (lab_report, imaging_report, immunization, invoice, file)


def people(scene_name: str, draw: Draw, *, bare: bool = False) -> tuple[Resource, Resource]:
    """(patient, facility) of a visit; `bare`: as little of both as there can be."""
    if bare:
        patient = record("Patient", f"{scene_name}-pat", name=[{"given": ["Savitri"]}])
        return patient, record("Organization", f"{scene_name}-org")
    names = (
        [{"text": "Meera Joshi", "given": ["Meera"], "family": "Joshi"}],
        [{"given": ["Ramesh", "Kumar"], "prefix": ["Shri"]}],
        [{"text": "अनीता देवी"}],
        None,
    )
    identifiers = (
        [{"system": "https://healthid.ndhm.gov.in", "value": "91-1000-2000-3000"}],
        [{"value": "MRN-17"}],
        [{"system": "https://uidai.gov.in", "value": "000000000000"}, {"value": "MRN-18"}],
        None,
    )
    patient = record(
        "Patient",
        f"{scene_name}-pat",
        identifier=draw.pick(identifiers),
        name=draw.pick(names),
        gender=draw.maybe(draw.pick(("female", "male", "other", "unknown")), 0.8),
        birthDate=draw.pick(("1984-05-06", "1984", None)),
        telecom=draw.pick(
            ([{"system": "phone", "value": "9000000017"}], [{"system": "email"}], None)
        ),
        address=draw.maybe([{"text": "12, MG Road, Pune", "country": "IN"}], 0.4),
        generalPractitioner=draw.maybe([{"display": "Family doctor"}], 0.1),
    )
    number = [{"system": "https://facility.ndhm.gov.in", "value": "IN2710009999"}]
    facility = record(
        "Organization",
        f"{scene_name}-org",
        identifier=draw.maybe(number, 0.8),
        name=draw.maybe("Lakeside Clinic", 0.9),
        type=draw.maybe([{"text": "Hospital"}], 0.3),
    )
    return patient, facility
