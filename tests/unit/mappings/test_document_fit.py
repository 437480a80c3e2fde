"""Foreign records made to satisfy their profiles, without inventing anything."""

import copy

import pytest

from mappings import build_document
from tests.unit.mappings.samples import (
    LOINC,
    META,
    condition,
    encounter,
    everything,
    medication_request,
    observation,
    organization,
    patient,
    practitioner,
    records,
    resource,
    visit,
)

UCUM = "http://unitsofmeasure.org"
SNOMED = "http://snomed.info/sct"
VITAL = {
    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
    "code": "vital-signs",
    "display": "Vital Signs",
}
UNKNOWN = [
    {
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
        "valueCode": "unknown",
    }
]


def fitted(record, **encounter_changes):
    """The record as it stands in a document."""
    bundle = build_document("OPConsultation", visit(record, **encounter_changes))
    return only(bundle, record["resourceType"])


def only(bundle, kind):
    found = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]
    return found[-1]


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        (
            {"coding": [{"system": "http://his.example", "code": "X1", "display": "Weakness"}]},
            {"text": "Weakness"},
        ),
        (
            {"coding": [{"system": "http://his.example", "code": "X1"}], "text": "कमजोरी"},
            {"text": "कमजोरी"},
        ),
        (
            {
                "coding": [{"system": "http://id.who.int/icd/release/11/mms", "code": "CA40"}],
                "text": "Pneumonia",
            },
            {"text": "Pneumonia (ICD-11 CA40)"},
        ),
        (
            {"coding": [{"system": SNOMED, "code": "386661006"}], "text": "Fever"},
            {
                "coding": [{"system": SNOMED, "code": "386661006", "display": "Fever"}],
                "text": "Fever",
            },
        ),
        ({"coding": [{"code": "nameless"}]}, {"text": "nameless"}),
    ],
)
def test_codes_that_the_profile_forbids_become_words(code, kept):
    assert fitted(condition("c5", code=code), reasonCode=None)["code"] == kept


def test_a_diagnosis_without_a_code_is_marked_as_not_recorded():
    made = fitted(condition("c5", code=None), reasonCode=None)
    assert made["code"] == {"extension": UNKNOWN, "text": "Not recorded"}


@pytest.mark.parametrize("unit", ["bpm", "/min", "beats/minute"])
def test_a_vital_sign_gets_category_time_and_unit_that_follow_from_the_record(unit):
    made = fitted(observation("o", "8867-4", valueQuantity={"value": 88, "unit": unit}))
    fits = {"value": 88, "unit": unit, "system": UCUM, "code": "/min"}
    assert made["valueQuantity"] == fits
    assert made["category"] == [{"coding": [VITAL]}]
    assert made["effectivePeriod"]["start"] == "2026-02-27T10:00:00+05:30"


def test_a_vital_sign_of_a_visit_without_a_date_has_an_unknown_time():
    made = fitted(
        observation("o", "8867-4", valueQuantity={"value": 1, "unit": "bpm"}), period=None
    )
    assert made["_effectiveDateTime"] == {"extension": UNKNOWN}


@pytest.mark.parametrize(
    "value",
    [
        {"valueQuantity": {"value": 8, "unit": "stone"}},
        {"valueQuantity": {"value": 8}},
        {"valueString": "heavy"},
    ],
)
def test_a_vital_sign_that_cannot_fit_keeps_its_value_and_loses_its_code(value):
    code = {"coding": [{"system": LOINC, "code": "29463-7", "display": "Body weight"}]}
    made = fitted(observation("o", code=code, **value))
    assert made["code"] == {"text": "Body weight"}
    for name, written in value.items():
        assert made[name] == written


def test_a_vital_sign_without_a_value_says_so():
    made = fitted(observation("o", "8302-2"))
    assert made["dataAbsentReason"]["coding"][0]["code"] == "unknown"


def test_half_a_blood_pressure_says_which_half_is_unknown():
    pressure = next(r for r in everything() if r["id"] == "bp")
    systolic, diastolic = fitted(pressure)["component"]
    assert systolic["valueQuantity"]["code"] == "mm[Hg]"
    assert diastolic["code"]["coding"][0]["code"] == "8462-4"
    assert diastolic["dataAbsentReason"]["coding"][0]["code"] == "unknown"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ({"value": 3, "system": UCUM, "code": "strips"}, {"value": 3, "unit": "strips"}),
        (
            {"value": 3, "unit": "drops", "system": UCUM, "code": "drop"},
            {"value": 3, "unit": "drops", "system": UCUM, "code": "[drp]"},
        ),
        (
            {"value": 3, "unit": "g", "system": UCUM, "code": "g"},
            {"value": 3, "unit": "g", "system": UCUM, "code": "g"},
        ),
    ],
)
def test_units_that_claim_to_be_ucum_and_are_not_become_words(written, kept):
    assert fitted(observation("o", valueQuantity=written))["valueQuantity"] == kept


def test_category_codes_of_older_fhir_are_read_and_unknown_ones_become_words():
    old = {"system": "http://hl7.org/fhir/observation-category", "code": "exam"}
    odd = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vitals"}
    made = fitted(observation("o", category=[{"coding": [old]}, {"coding": [odd]}]))
    assert made["category"] == [
        {"coding": [{**old, "system": VITAL["system"]}]},
        {"coding": [{"display": "vitals"}]},
    ]


def test_a_clinical_status_in_words_becomes_a_note():
    made = fitted(condition("c5", clinicalStatus={"text": "present"}), reasonCode=None)
    assert "clinicalStatus" not in made
    assert made["note"] == [{"text": "clinicalStatus: present"}]


def test_a_period_that_ends_before_it_starts_keeps_its_start():
    period = {"start": "2026-02-27T10:00:00+05:30", "end": "2026-01-01T10:00:00+05:30"}
    made = only(build_document("OPConsultation", visit(period=period)), "Encounter")
    assert made["period"] == {"start": period["start"]}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ([{"given": ["Savitri"]}], "Savitri"),
        ([{"family": "राव", "prefix": ["डॉ."]}], "डॉ. राव"),
        ([{"text": "As Written"}], "As Written"),
    ],
)
def test_a_name_gets_the_text_that_its_parts_spell(name, text):
    records_ = records(encounter(), patient(name=name), practitioner(), organization())
    assert only(build_document("OPConsultation", records_), "Patient")["name"][0]["text"] == text


def test_a_patient_without_any_identifier_is_known_by_the_records_id():
    given = records(encounter(), patient(identifier=None), organization())
    (identifier,) = only(build_document("OPConsultation", given), "Patient")["identifier"]
    assert identifier["value"] == "p1"
    assert identifier["type"]["coding"][0]["code"] == "PI"


def test_an_aadhaar_number_never_leaves():
    typed = {
        "coding": [
            {
                "system": "https://nrces.in/ndhm/fhir/r4/CodeSystem/ndhm-identifier-type-code",
                "code": "ADN",
            }
        ]
    }
    identifiers = [*patient()["identifier"], {"type": typed, "value": "999999990027"}]
    given = records(encounter(), patient(identifier=identifiers), organization())
    assert "99999999" not in str(build_document("OPConsultation", given))


def test_a_facility_without_telecom_or_hfr_id_is_still_named():
    plain = organization(identifier=None, type=None)
    made = only(
        build_document("OPConsultation", records(encounter(), patient(), plain)), "Organization"
    )
    assert made["identifier"][0]["value"] == "o1"
    assert "telecom" not in made


def test_a_prescription_without_dose_date_or_prescriber_says_so():
    bare = medication_request(requester=None, authoredOn=None, dosageInstruction=None)
    made = fitted(bare)
    assert made["dosageInstruction"] == [{"extension": UNKNOWN, "text": "Dosage not recorded"}]
    assert made["_authoredOn"] == {"extension": UNKNOWN}
    assert made["requester"]["display"] == "Dr. A. Rao"


def test_with_several_or_no_practitioners_the_facility_asked_for_it():
    made = fitted(medication_request(requester=None), participant=None)
    assert made["requester"]["display"] == "Asha Hospital"


def test_a_status_that_is_not_recorded_is_unknown():
    assert fitted(observation("o", status=None))["status"] == "unknown"


def test_an_encounter_without_class_has_an_unknown_one():
    made = only(build_document("OPConsultation", visit(**{"class": None})), "Encounter")
    assert made["class"] == {"extension": UNKNOWN}


def test_what_a_clinician_wrote_into_the_narrative_is_kept_without_markup():
    own = {
        "status": "additional",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Allergic to <b>dust</b></p></div>',
    }
    made = fitted(observation("o", text=own))
    assert made["text"]["status"] == "additional"
    assert "Allergic to" in made["text"]["div"]


def test_a_contained_practitioner_fits_its_profile_too():
    inside = {"resourceType": "Practitioner", "id": "in", "name": [{"family": "Rao"}]}
    made = fitted(observation("o", contained=[inside], performer=[{"reference": "#in"}]))
    assert made["contained"][0]["name"][0]["text"] == "Rao"
    assert made["contained"][0]["identifier"][0]["value"] == "in"


def test_a_reference_that_leaves_the_document_keeps_only_its_words():
    made = fitted(
        observation(
            "o",
            performer=[
                {"reference": "Practitioner/unknown"},
                {"reference": "https://elsewhere.example/fhir/Practitioner/1", "display": "Dr. C"},
            ],
        )
    )
    assert made["performer"] == [{"display": "Practitioner"}, {"display": "Dr. C"}]


def test_the_records_given_are_not_changed():
    given = everything()
    before = copy.deepcopy(given)
    for hi_type in ("OPConsultation", "Prescription"):
        build_document(hi_type, records(*given))
    assert given == before


def test_marks_of_the_hospitals_own_server_stay_there():
    marked = {**META, "source": "#x", "tag": [{"system": "urn:x", "code": "linked"}]}
    made = fitted(condition("c5", meta=marked))
    assert set(made["meta"]) == {"versionId", "lastUpdated", "profile"}


def test_a_resource_without_an_abdm_profile_claims_none():
    place = resource("Location", "elsewhere", name="Ward 3")
    bundle = build_document("OPConsultation", visit(place))
    assert "profile" not in only(bundle, "Location")["meta"]
