"""HIMS entities into FHIR, by kind; what is absent stays absent."""

import pytest
from fhir.resources.R4B import get_fhir_model_class

from mappings import to_fhir
from mappings.hims import EntityInvalid
from mappings.ids import fhir_id, is_fhir_id
from tests.unit.mappings.samples import HIMS, hims_resources


def made(kind, **changes):
    return to_fhir(kind, {**HIMS[kind], **changes})


def by_text(resources, kind):
    return {
        r["code"].get("text") or r["code"]["coding"][0]["display"]: r
        for r in resources
        if r["resourceType"] == kind
    }


@pytest.mark.parametrize("resource", hims_resources(), ids=lambda r: r["id"])
def test_each_resource_is_valid_r4_with_an_id_that_hapi_takes(resource):
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    assert is_fhir_id(resource["id"])


def test_references_point_at_the_ids_that_the_other_entities_get():
    resources = {f"{r['resourceType']}/{r['id']}" for r in hims_resources()}
    (encounter,) = [r for r in hims_resources() if r["resourceType"] == "Encounter"]
    for reference in (
        encounter["subject"],
        encounter["serviceProvider"],
        encounter["participant"][0]["individual"],
        *encounter["reasonReference"],
    ):
        assert reference["reference"] in resources


def test_sending_the_same_entity_again_makes_the_same_resources():
    assert hims_resources() == hims_resources()


def test_a_patient_with_only_a_year_of_birth_has_only_the_year():
    (patient,) = made("patient")
    assert patient["birthDate"] == "1970"
    assert patient["name"] == [{"text": "सुनीता देवी"}]


def test_what_a_patient_lacks_is_absent():
    (patient,) = to_fhir("patient", {"id": "1", "facility": "f"})
    assert not {"name", "birthDate", "gender", "telecom", "address"} & patient.keys()


@pytest.mark.parametrize(
    ("written", "gender"), [(1, "male"), ("F", "female"), (3, "other"), ("?", None), (None, None)]
)
def test_genders_are_mapped_and_unknown_ones_left_out(written, gender):
    (patient,) = made("patient", gender=written)
    assert patient.get("gender") == gender


def test_abha_number_and_address_carry_their_systems():
    (patient,) = made("patient")
    assert {i.get("system"): i["value"] for i in patient["identifier"][1:]} == {
        "https://healthid.ndhm.gov.in": "91-0000-0000-0001",
        "https://healthid.abdm.gov.in": "sunita@sbx",
    }


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({}, "finished", "AMB"),
        ({"discharge_date": None}, "unknown", "AMB"),
        ({"discharge_date": None, "suggestion": "A"}, "in-progress", "IMP"),
        ({"is_telemedicine": True}, "finished", "VR"),
        ({"suggestion": "HI"}, "finished", None),
    ],
)
def test_status_and_class_of_a_visit_follow_from_what_the_hims_says(changes, status, code):
    encounter = made("consultation", **changes)[0]
    assert encounter["status"] == status
    assert encounter["class"].get("code") == code


def test_a_time_without_zone_is_indian():
    encounter = made("consultation")[0]
    assert encounter["period"] == {
        "start": "2026-02-27T10:00:00+05:30",
        "end": "2026-02-27T04:50:00+00:00",
    }


def test_symptoms_become_conditions_coded_where_the_code_is_certain():
    conditions = by_text(made("consultation"), "Condition")
    assert set(conditions) == {"Fever", "रात में पसीना"}
    assert conditions["Fever"]["code"]["coding"][0]["code"] == "386661006"
    assert "coding" not in conditions["रात में पसीना"]["code"]


def test_findings_and_texts_of_a_consultation_become_observations():
    observations = by_text(made("consultation"), "Observation")
    assert observations["Body height"]["valueQuantity"]["code"] == "cm"
    assert observations["Consultation notes"]["valueString"] == "Review in a week"
    assert set(observations) == {
        "Body height",
        "Body weight",
        "Consultation notes",
        "History of Present illness Narrative",
        "Physical findings Narrative",
    }


@pytest.mark.parametrize(
    ("diagnosis", "coding"),
    [
        (
            {},
            {
                "system": "http://id.who.int/icd/release/11/mms",
                "code": "1A07.Z",
                "display": "Typhoid fever, unspecified",
            },
        ),
        (
            {"diagnosis": "Typhoid", "code": "A01.0", "system": "ICD-10"},
            {"system": "http://hl7.org/fhir/sid/icd-10", "code": "A01.0", "display": "Typhoid"},
        ),
        (
            {"diagnosis": "Typhoid", "code": "T1"},
            {
                "system": "https://facility.ndhm.gov.in/f-1/codes/diagnosis",
                "code": "T1",
                "display": "Typhoid",
            },
        ),
        ({"diagnosis": "टाइफाइड"}, None),
    ],
)
def test_codes_of_a_diagnosis_go_in_as_given_and_are_never_invented(diagnosis, coding):
    (condition,) = made("diagnosis", **diagnosis)
    assert condition["code"].get("coding") == ([coding] if coding else None)


def test_an_unknown_verification_is_left_out():
    (condition,) = made("diagnosis", verification_status="perhaps")
    assert "verificationStatus" not in condition


def test_a_daily_round_becomes_coded_observations_with_units():
    observations = by_text(made("daily_round"), "Observation")
    assert {
        name: (o["code"]["coding"][0]["code"], o["valueQuantity"]["code"])
        for name, o in observations.items()
        if "valueQuantity" in o
    } == {
        "Body temperature": ("8310-5", "[degF]"),
        "Oxygen saturation in Arterial blood": ("2708-6", "%"),
        "Heart rate": ("8867-4", "/min"),
        "Respiratory rate": ("9279-1", "/min"),
        "Glucose [Mass/volume] in Blood": ("2339-0", "mg/dL"),
    }
    assert [c["valueQuantity"]["value"] for c in observations["Blood pressure"]["component"]] == [
        118,
        76,
        90,
    ]


def test_an_empty_round_says_nothing():
    assert to_fhir("daily_round", {"id": 1, "facility": "f", "patient": "p", "bp": {}}) == []


def test_a_prescription_is_structured_where_it_is_certain():
    medication, request = made("prescription")
    assert medication["ingredient"][0]["itemCodeableConcept"]["text"] == "Azithromycin"
    dosage = request["dosageInstruction"][0]
    assert dosage["timing"]["repeat"] == {
        "boundsDuration": {
            "value": 5,
            "unit": "days",
            "system": "http://unitsofmeasure.org",
            "code": "d",
        },
        "frequency": 2,
        "period": 1,
        "periodUnit": "d",
    }
    assert dosage["doseAndRate"][0]["doseQuantity"] == {"value": 1, "unit": "tablet"}
    assert dosage["route"]["coding"][0]["code"] == "26643006"
    assert dosage["text"] == "1 tablet(s), Twice daily, ORAL, for 5 days"


def test_a_local_frequency_and_route_stay_the_hospitals_words():
    _, request = made("prescription", frequency="सुबह", route="by mouth", base_dosage="half")
    dosage = request["dosageInstruction"][0]
    assert dosage["timing"] == {"code": {"text": "सुबह"}}
    assert dosage["route"] == {"text": "by mouth"}
    assert "doseAndRate" not in dosage


def test_a_discontinued_prescription_is_stopped_with_its_reason():
    _, request = made("prescription", discontinued=True, discontinued_reason="Rash")
    assert request["status"] == "stopped"
    assert request["statusReason"] == {"text": "Rash"}


def test_an_as_needed_prescription_keeps_its_indication():
    _, request = made("prescription", dosage_type="PRN", indicator="fever", max_dosage="3 g")
    dosage = request["dosageInstruction"][0]
    assert dosage["asNeededCodeableConcept"] == {"text": "fever"}
    assert "at most 3 g" in dosage["text"]


@pytest.mark.parametrize(
    ("kind", "entity", "field"),
    [
        ("patient", {"facility": "f"}, "id"),
        ("patient", {"id": "1", "facility": "f", "date_of_birth": "yesterday"}, "date_of_birth"),
        ("consultation", {"id": "1", "facility": "f"}, "patient"),
        ("daily_round", {"id": "1", "facility": "f", "patient": "p", "pulse": "x"}, "pulse"),
        (
            "daily_round",
            {"id": "1", "facility": "f", "patient": "p", "pulse": float("nan")},
            "pulse",
        ),
        ("prescription", {"id": "1", "facility": "f", "patient": "p", "days": -1}, "days"),
        ("horoscope", {}, "kind"),
    ],
)
def test_a_wrong_entity_is_refused_by_field_without_its_value(kind, entity, field):
    with pytest.raises(EntityInvalid) as refused:
        to_fhir(kind, entity)
    assert [f.field for f in refused.value.faults] == [field]
    assert "yesterday" not in str(refused.value)


def test_ids_of_nested_objects_and_numbers_are_read():
    encounter = made("consultation", patient={"id": 12, "external_id": "5f2e"})[0]
    assert encounter["subject"]["reference"] == f"Patient/{fhir_id('f-1', 'patient', '5f2e')}"
