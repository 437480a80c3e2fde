"""Records as hospitals' systems really write them: complete, sparse, odd. One function a type.

They are FHIR R4 that a server stores without complaint, mostly without ABDM's profiles in mind:
missing displays, local codes, words instead of codes, people as display only. All names and numbers
are invented.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from conformance.generator.scene import LOCAL, Resource, Scene, concept, record

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD11 = "http://id.who.int/icd/release/11/mms"
UCUM = "http://unitsofmeasure.org"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
HL7 = "http://terminology.hl7.org/CodeSystem/"

# Words as people write them: short, long, Hindi, with what XML and JSON must escape.
WORDS = (
    "Fever since three days",
    "बुखार तीन दिन से, रात में ज़्यादा",
    'Pain <left> side & back, "sharp"',
    "Cough",
    "சளி மற்றும் இருமல்",
    "Reviewed; advised rest.\nDrink plenty of water.\n\n- salt less\n- walk daily",
    "BP ↑, 😷 mask advised",
)
PDF = base64.b64encode(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\ntrailer<<>>\n%%EOF\n").decode()
# The smallest PNG there is: one transparent pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg"
    "gg=="
)


def condition(scene: Scene, number: int) -> Resource:
    """A complaint or diagnosis."""
    draw = scene.draw
    system, code, display = draw.pick(
        (
            (SNOMED, "386661006", "Fever"),
            (ICD10, "J06.9", "Acute upper respiratory infection, unspecified"),
            (ICD11, "CA07.0", "Acute upper respiratory infection"),
            (SNOMED, "44054006", "Type 2 diabetes mellitus"),
        )
    )
    clinical = {"coding": [{"system": f"{HL7}condition-clinical", "code": "active"}]}
    verified = {"coding": [{"system": f"{HL7}condition-ver-status", "code": "provisional"}]}
    kind = {"coding": [{"system": f"{HL7}condition-category", "code": "encounter-diagnosis"}]}
    return record(
        "Condition",
        scene.id("c", number),
        clinicalStatus=draw.maybe(clinical),
        verificationStatus=draw.pick((verified, {"text": "suspected"}, None)),
        category=draw.pick(([kind], [{"text": "Chief complaint"}], None)),
        code=draw.maybe({**concept(draw, system, code, display), "text": draw.pick(WORDS)}, 0.9),
        onsetDateTime=scene.time(8),
        onsetString=None,
        recorder=scene.who() if scene.doctor else None,
        note=draw.maybe([{"text": draw.pick(WORDS)}], 0.2),
        **scene.about(),
    )


_MEASURES = (
    # LOINC or SNOMED code, display, unit, value, category
    ("8867-4", "Heart rate", "/min", 78, "vital-signs"),
    ("8867-4", "Heart rate", "bpm", 78, None),
    ("8310-5", "Body temperature", "Cel", 37.4, "vital-signs"),
    ("8310-5", "Body temperature", "degF", 99.1, None),
    ("2708-6", "Oxygen saturation", "%", 98, "vital-signs"),
    ("9279-1", "Respiratory rate", "breaths/min", 18, "vital-signs"),
    ("8302-2", "Body height", "cm", 168, "exam"),
    ("29463-7", "Body weight", "kg", 64.5, "vital-signs"),
    ("39156-5", "Body mass index", "kg/m2", 22.9, None),
    ("2339-0", "Glucose in blood", "mg/dL", 110, "laboratory"),
    ("41950-7", "Number of steps in 24 hours", "steps", 4200, "activity"),
    ("9192-6", "Urine output 24 hour", "mL", 1400, None),
)
_ASSESSMENTS = (
    (LOINC, "72166-2", "Tobacco smoking status", "social-history", "Never smoked"),
    (SNOMED, "228273003", "Finding relating to alcohol drinking behavior", "social-history", "No"),
    (LOINC, "8665-2", "Last menstrual period start date", None, "2026-01-02"),
    (SNOMED, "161832001", "Weight loss", "exam", "Present"),
    (LOCAL, "GC", "General condition", "exam", "Fair"),
)


def measurement(scene: Scene, number: int) -> Resource:
    """A value with a unit, or words, of any kind."""
    draw = scene.draw
    code, display, unit, value, category = draw.pick(_MEASURES)
    quantity = draw.pick(
        (
            {"value": value, "unit": unit, "system": UCUM, "code": unit},
            {"value": value, "unit": unit},
            {"value": value},
        )
    )
    as_words = draw.chance(0.1)
    return record(
        "Observation",
        scene.id("o", number),
        status=draw.maybe("final", 0.95),
        category=[{"coding": [{"system": CATEGORY, "code": category}]}] if category else None,
        code=concept(draw, LOINC, code, display),
        effectiveDateTime=scene.time(10),
        performer=[who] if (who := scene.who()) else None,
        valueString=f"about {value}" if as_words else None,
        valueQuantity=None if as_words else quantity,
        **scene.about(),
    )


def assessment(scene: Scene, number: int) -> Resource:
    """A finding in words or codes: general condition, lifestyle, women's health."""
    draw = scene.draw
    system, code, display, category, value = draw.pick(_ASSESSMENTS)
    stated: Resource = draw.pick(
        ({"valueString": value}, {"valueCodeableConcept": {"text": value}})
    )
    return record(
        "Observation",
        scene.id("a", number),
        status="final",
        category=[{"coding": [{"system": CATEGORY, "code": category}]}] if category else None,
        code=concept(draw, system, code, display),
        effectiveDateTime=scene.time(10),
        **stated,
        **scene.about(),
    )


def pressure(scene: Scene, number: int) -> Resource:
    """Blood pressure as a panel, with one half missing at times."""
    draw = scene.draw
    halves = (("8480-6", "Systolic", 128), ("8462-4", "Diastolic", 84))
    components = [
        {
            "code": {"coding": [{"system": LOINC, "code": code, "display": f"{name} pressure"}]},
            "valueQuantity": {"value": value, "unit": draw.pick(("mmHg", "mm[Hg]"))},
        }
        for code, name, value in (halves if draw.chance(0.8) else halves[:1])
    ]
    return record(
        "Observation",
        scene.id("bp", number),
        status="final",
        code={"coding": [{"system": LOINC, "code": "85354-9"}], "text": "Blood pressure"},
        effectiveDateTime=scene.time(10),
        component=components,
        **scene.about(),
    )


def prescription(scene: Scene, number: int) -> Resource:
    """A prescribed medicine: coded, named, or as a contained Medication."""
    draw = scene.draw
    name = draw.pick(("Paracetamol 500 mg tablet", "Amoxicillin 250 mg", "Insulin glargine", "ORS"))
    medicine: Resource = {
        "medicationCodeableConcept": concept(draw, SNOMED, "387517004", name),
    }
    if draw.chance(0.2):
        inside = {"resourceType": "Medication", "id": "m", "code": {"text": name}}
        medicine = {"contained": [inside], "medicationReference": {"reference": "#m"}}
    timing = {"repeat": {"frequency": 1, "period": 8, "periodUnit": "h"}}
    dosage = {
        "text": draw.maybe("1-0-1 after food"),
        "timing": draw.maybe(timing),
        "asNeededBoolean": draw.maybe(True, 0.2),
        "route": draw.maybe(concept(draw, SNOMED, "26643006", "Oral route"), 0.4),
        "doseAndRate": draw.maybe([{"doseQuantity": {"value": 1, "unit": "tablet"}}], 0.4),
    }
    dosage = {k: v for k, v in dosage.items() if v is not None}
    return record(
        "MedicationRequest",
        scene.id("m", number),
        status=draw.pick(("active", "completed", "stopped", "active")),
        statusReason=draw.maybe({"text": "Rash"}, 0.1),
        intent=draw.maybe("order", 0.95),
        authoredOn=scene.time(11),
        requester=scene.who(),
        dosageInstruction=[dosage] if dosage else None,
        note=draw.maybe([{"text": draw.pick(WORDS)}], 0.2),
        **medicine,
        **scene.about(),
    )


def procedure(scene: Scene, number: int) -> Resource:
    """Something done."""
    draw = scene.draw
    return record(
        "Procedure",
        scene.id("p", number),
        status=draw.maybe("completed", 0.9),
        code=draw.maybe(concept(draw, SNOMED, "18949003", "Change of dressing"), 0.9),
        performedDateTime=scene.time(12),
        performer=[{"actor": who}] if (who := scene.who()) and draw.chance(0.5) else None,
        note=draw.maybe([{"text": draw.pick(WORDS)}], 0.3),
        **scene.about(),
    )


def allergy(scene: Scene, number: int) -> Resource:
    """An allergy, certain or only told."""
    draw = scene.draw
    clinical = {
        "coding": [{"system": f"{HL7}allergyintolerance-clinical", "code": "active"}],
    }
    return record(
        "AllergyIntolerance",
        scene.id("al", number),
        clinicalStatus=draw.maybe(clinical, 0.8),
        code=draw.maybe(concept(draw, SNOMED, "91936005", "Allergy to penicillin"), 0.9),
        reaction=draw.maybe([{"manifestation": [{"text": "Rash"}]}], 0.3),
        **scene.about("patient"),
    )


def request(scene: Scene, number: int) -> Resource:
    """A test ordered or a referral."""
    draw = scene.draw
    return record(
        "ServiceRequest",
        scene.id("s", number),
        status=draw.maybe("active", 0.9),
        intent="order",
        category=draw.maybe([{"text": draw.pick(("Referral to cardiology", "Laboratory"))}], 0.5),
        code=concept(draw, SNOMED, "26604007", "Complete blood count"),
        requester=scene.who(),
        authoredOn=scene.time(11),
        **scene.about(),
    )


def appointment(scene: Scene, number: int) -> Resource:
    """When to come again."""
    draw = scene.draw
    return record(
        "Appointment",
        scene.id("ap", number),
        status="booked",
        description=draw.maybe("Review in a week"),
        start="2026-12-01T10:00:00+05:30" if draw.chance(0.9) else None,
        end="2026-12-01T10:15:00+05:30",
        supportingInformation=[scene.refer(scene.encounter)] if scene.encounter else None,
        participant=[
            {"actor": scene.refer(scene.patient), "status": "accepted"},
            {"actor": scene.who() or {"display": "OPD"}, "status": "accepted"},
        ],
    )


def care_plan(scene: Scene, number: int) -> Resource:
    """Advice."""
    draw = scene.draw
    return record(
        "CarePlan",
        scene.id("cp", number),
        status="active",
        intent=draw.maybe("plan", 0.9),
        title=draw.maybe("Advice"),
        description=draw.pick(WORDS),
        **scene.about(),
    )


def family(scene: Scene, number: int) -> Resource:
    """What runs in the family."""
    draw = scene.draw
    code = concept(draw, SNOMED, "44054006", "Type 2 diabetes mellitus")
    return record(
        "FamilyMemberHistory",
        scene.id("f", number),
        status=draw.maybe("completed", 0.8),
        patient=scene.refer(scene.patient),
        date=scene.day,
        relationship=concept(draw, f"{HL7}v3-RoleCode", "MTH", "mother"),
        condition=draw.maybe([{"code": code}], 0.8),
        extension=[
            {
                "url": "https://hospital.example/fhir/visit",
                "valueReference": scene.refer(scene.encounter),
            }
        ]
        if scene.encounter
        else None,
    )


def statement(scene: Scene, number: int) -> Resource:
    """A medicine that the patient takes already."""
    draw = scene.draw
    return record(
        "MedicationStatement",
        scene.id("ms", number),
        status=draw.maybe("active", 0.9),
        medicationCodeableConcept=concept(draw, SNOMED, "109081006", "Metformin"),
        subject=scene.refer(scene.patient),
        context=scene.refer(scene.encounter),
        dosage=draw.maybe([{"text": "twice daily"}]),
    )


Maker = Callable[[Scene, int], Resource]
#: What a visit may hold, each with the most of it.
MAKERS: tuple[tuple[Maker, int], ...] = (
    (condition, 3),
    (measurement, 5),
    (assessment, 2),
    (pressure, 1),
    (prescription, 4),
    (procedure, 1),
    (allergy, 1),
    (request, 2),
    (appointment, 1),
    (care_plan, 1),
    (family, 1),
    (statement, 1),
)
