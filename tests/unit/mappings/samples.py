"""One visit as a foreign HIMS writes it, with no ABDM profile in mind, and one as HIMS entities.

Only what a test is about is changed: `visit(status="cancelled")`.
"""

from __future__ import annotations

from typing import Any

from mappings import Records, group_by_root, to_fhir

Resource = dict[str, Any]
LOINC = "http://loinc.org"
META = {"versionId": "3", "lastUpdated": "2026-03-01T10:00:00.000+00:00"}
SUBJECT = {"subject": {"reference": "Patient/p1"}, "encounter": {"reference": "Encounter/e1"}}
PDF = "JVBERi0xLjcK"


def resource(kind: str, id_: str, **elements: Any) -> Resource:
    """A resource with the meta that a server gives it; None takes an element away."""
    made = {"resourceType": kind, "id": id_, "meta": dict(META), **elements}
    return {k: v for k, v in made.items() if v is not None}


def patient(**changes: Any) -> Resource:
    return resource(
        "Patient",
        "p1",
        **{
            "identifier": [
                {"system": "https://healthid.ndhm.gov.in", "value": "91-0000-0000-0001"},
                {"system": "http://his.example/mrn", "value": "MRN1"},
                {"system": "https://uidai.gov.in", "value": "999999990019"},
            ],
            "name": [{"family": "Devi", "given": ["Sunita"]}],
            "telecom": [{"system": "phone", "value": "9000000001"}, {"system": "phone"}],
            "gender": "female",
            **changes,
        },
    )


def organization(**changes: Any) -> Resource:
    hfr = {"system": "https://facility.ndhm.gov.in", "value": "IN0710000123"}
    kind = {"coding": [{"system": "http://his.example/kind", "code": "H"}]}
    basics = {"identifier": [hfr], "name": "Asha Hospital", "type": [kind]}
    return resource("Organization", "o1", **{**basics, **changes})


def practitioner(**changes: Any) -> Resource:
    return resource("Practitioner", "d1", **{"name": [{"text": "Dr. A. Rao"}], **changes})


def encounter(**changes: Any) -> Resource:
    return resource(
        "Encounter",
        "e1",
        **{
            "status": "finished",
            "class": {
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                "code": "AMB",
            },
            "type": [
                {
                    "coding": [{"system": "http://his.example/visit", "code": "OPD"}],
                    "text": "OPD visit",
                }
            ],
            "subject": {"reference": "Patient/p1"},
            "participant": [{"individual": {"reference": "Practitioner/d1"}}],
            "period": {"start": "2026-02-27T10:00:00+05:30", "end": "2026-02-27T10:30:00+05:30"},
            "reasonCode": [{"text": "बुखार और खांसी since 3 days"}],
            "serviceProvider": {"reference": "Organization/o1"},
            "location": [{"location": {"reference": "Location/elsewhere"}}],
            "diagnosis": [{"condition": {"reference": "Condition/c1"}}],
            **changes,
        },
    )


def condition(id_: str = "c1", **changes: Any) -> Resource:
    return resource("Condition", id_, **{**SUBJECT, "code": {"text": "Pneumonia"}, **changes})


def observation(id_: str, loinc: str | None = None, **changes: Any) -> Resource:
    """An Observation with a LOINC code (a text without one)."""
    concept = {"coding": [{"system": LOINC, "code": loinc}]} if loinc else {"text": "Chest"}
    return resource(
        "Observation", id_, **{"status": "final", "code": concept, **SUBJECT, **changes}
    )


def medication_request(id_: str = "m1", **changes: Any) -> Resource:
    return resource(
        "MedicationRequest",
        id_,
        **{
            **SUBJECT,
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"text": "Tab. Azithromycin 500 mg"},
            "authoredOn": "2026-02-27",
            "requester": {"reference": "Practitioner/d1"},
            "dosageInstruction": [{"text": "1-0-0 x 5 days"}],
            **changes,
        },
    )


def everything() -> list[Resource]:
    """A rich foreign visit: every section's kind of record, most of them short of something."""
    about = {"patient": SUBJECT["subject"], "encounter": SUBJECT["encounter"]}
    icd = [
        {"system": "http://id.who.int/icd/release/11/mms", "code": "CA40", "display": "Pneumonia"},
        {"system": "http://hl7.org/fhir/sid/icd-10", "code": "J18.9"},
    ]
    clinical = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
    local_route = {"coding": [{"system": "http://his.example", "code": "PO", "display": "Oral"}]}
    systolic = {"coding": [{"system": LOINC, "code": "8480-6"}]}
    return [
        encounter(),
        patient(),
        practitioner(),
        organization(),
        condition("c1", code={"coding": icd, "text": "Pneumonia"}),
        condition(
            "c2",
            code={"coding": [{"system": "http://his.example/dx", "code": "X1"}]},
            clinicalStatus={"text": "present"},
        ),
        observation("hr", "8867-4", valueQuantity={"value": 88, "unit": "bpm"}),
        observation("temp", "8310-5", valueQuantity={"value": 101.2, "unit": "°F"}),
        observation("weight", "29463-7", valueQuantity={"value": 8, "unit": "stone"}),
        observation("height", "8302-2"),
        observation(
            "bp",
            "85354-9",
            component=[{"code": systolic, "valueQuantity": {"value": 120, "unit": "mmHg"}}],
        ),
        observation(
            "tablets",
            valueQuantity={"value": 3, "system": "http://unitsofmeasure.org", "code": "strips"},
        ),
        observation("chest", valueString="बाएँ crepitations"),
        medication_request(
            "m1",
            medicationCodeableConcept=None,
            medicationReference={"reference": "Medication/md1"},
            dosageInstruction=[{"text": "1-0-1", "route": local_route}],
        ),
        medication_request("m2", requester=None, authoredOn=None, dosageInstruction=None),
        resource(
            "Medication",
            "md1",
            code={"coding": [{"system": "http://his.example", "code": "AZ", "display": "Azee"}]},
            form={"text": "tablet"},
        ),
        resource(
            "AllergyIntolerance",
            "a1",
            code={"text": "Penicillin"},
            clinicalStatus={"coding": [{"system": clinical, "code": "active"}]},
            **about,
        ),
        resource("AllergyIntolerance", "a2", code={"text": "Dust"}, **about),
        resource(
            "ServiceRequest",
            "s1",
            status="active",
            intent="order",
            code={"text": "Chest X-ray"},
            **SUBJECT,
        ),
        resource(
            "ServiceRequest",
            "s2",
            status="active",
            intent="order",
            code={"text": "Referral to chest physician"},
            **SUBJECT,
        ),
        resource(
            "Appointment",
            "ap1",
            status="booked",
            start="2026-03-10T10:00:00+05:30",
            end="2026-03-10T10:10:00+05:30",
            basedOn=[{"reference": "ServiceRequest/s1"}],
            participant=[{"actor": {"reference": "Patient/p1"}, "status": "accepted"}],
        ),
        resource(
            "DocumentReference",
            "dr1",
            status="current",
            type={"coding": [{"system": LOINC, "code": "57833-6"}]},
            subject=SUBJECT["subject"],
            context={"encounter": [SUBJECT["encounter"]]},
            content=[
                {"attachment": {"url": "Binary/b1", "title": "slip.pdf"}},
                {"attachment": {"url": "Binary/lost", "title": "xray.png"}},
            ],
        ),
        resource("Binary", "b1", contentType="application/pdf", data=PDF),
        resource("Procedure", "pr1", code={"text": "Nebulisation"}, **SUBJECT),
        resource("CarePlan", "cp1", status="active", intent="plan", description="Rest", **SUBJECT),
        resource(
            "FamilyMemberHistory",
            "fh1",
            patient=SUBJECT["subject"],
            relationship={"text": "Mother"},
            condition=[{"code": {"text": "Diabetes"}}],
            reasonReference=[{"reference": "Condition/c1"}],
        ),
    ]


def records(*resources: Resource) -> Records:
    """The one care context in these resources."""
    (found,) = group_by_root(resources)
    return found


def visit(*others: Resource, **encounter_changes: Any) -> Records:
    """A small visit: encounter, patient, practitioner, facility, and what a test adds."""
    return records(
        encounter(**encounter_changes), patient(), practitioner(), organization(), *others
    )


HIMS: dict[str, dict[str, Any]] = {
    "facility": {
        "id": "f-1",
        "name": "Asha Hospital",
        "hf_id": "IN0710000123",
        "address": "MG Road",
        "pincode": 411001,
        "phone_number": "02000000001",
    },
    "user": {
        "id": 7,
        "facility": "f-1",
        "first_name": "Asha",
        "last_name": "Rao",
        "gender": 2,
        "qualification": "MBBS",
        "doctor_medical_council_registration": "MMC-1",
        "hpr_id": "71-0000-0000-0001",
    },
    "patient": {
        "id": "5f2e",
        "facility": "f-1",
        "name": "सुनीता देवी",
        "gender": 2,
        "year_of_birth": 1970,
        "date_of_birth": None,
        "phone_number": "9000000001",
        "abha_number": "91-0000-0000-0001",
        "health_id": "sunita@sbx",
    },
    "consultation": {
        "id": "c-1",
        "facility": "f-1",
        "patient": "5f2e",
        "suggestion": "OP",
        "encounter_date": "2026-02-27T10:00:00",
        "discharge_date": "2026-02-27T04:50:00Z",
        "treating_physician": 7,
        "symptoms": [2, 9, 1],
        "other_symptoms": "रात में पसीना",
        "history_of_present_illness": "Fever for 3 days",
        "examination_details": "Chest clear",
        "consultation_notes": "Review in a week",
        "height": 160,
        "weight": 55.5,
    },
    "diagnosis": {
        "id": "d-1",
        "facility": "f-1",
        "patient": "5f2e",
        "consultation": "c-1",
        "diagnosis": "1A07.Z Typhoid fever, unspecified",
        "verification_status": "provisional",
        "is_principal": True,
        "created_date": "2026-02-27T10:10:00+05:30",
        "created_by": 7,
    },
    "daily_round": {
        "id": "r-1",
        "facility": "f-1",
        "patient": "5f2e",
        "consultation": "c-1",
        "taken_at": "2026-02-27T10:05:00+05:30",
        "created_by": 7,
        "temperature": "101.20",
        "ventilator_spo2": 97,
        "pulse": 92,
        "resp": 18,
        "bp": {"systolic": 118, "diastolic": 76, "mean": 90},
        "blood_sugar_level": 110,
        "physical_examination_info": "Looks tired",
    },
    "prescription": {
        "id": "rx-1",
        "facility": "f-1",
        "patient": "5f2e",
        "consultation": "c-1",
        "medicine_object": {"name": "Azee 500", "generic": "Azithromycin", "company": "Cipla"},
        "route": "ORAL",
        "base_dosage": "1 tablet(s)",
        "dosage_type": "REGULAR",
        "frequency": "BD",
        "days": 5,
        "notes": "खाने के बाद",
        "prescribed_by": 7,
        "created_date": "2026-02-27T10:20:00+05:30",
    },
}


def hims_resources() -> list[Resource]:
    """The HIMS's entities as FHIR, as our own mappings make them."""
    return [made for kind, entity in HIMS.items() for made in to_fhir(kind, entity)]
