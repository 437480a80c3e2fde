"""Sections hold what the records hold."""

import pytest

from mappings import build_document
from mappings.resources import key
from tests.unit.mappings.samples import (
    LOINC,
    PDF,
    condition,
    everything,
    medication_request,
    observation,
    records,
    resource,
    visit,
)

OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def sections(bundle):
    """Section title -> displays of its entries."""
    composition = bundle["entry"][0]["resource"]
    return {s["title"]: [e["display"] for e in s.get("entry", ())] for s in composition["section"]}


def entries(bundle, kind):
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def test_a_rich_visit_fills_every_section_in_the_profiles_order():
    bundle = build_document("OPConsultation", records(*everything()))
    found = sections(bundle)
    assert list(found) == [
        "Chief complaints",
        "Physical examination",
        "Allergies",
        "Diagnoses and medical history",
        "Family history",
        "Investigation advice",
        "Medications",
        "Follow up",
        "Procedures",
        "Referral",
        "Other observations",
        "Documents",
        "Care plan",
    ]
    assert found["Chief complaints"] == ["बुखार और खांसी since 3 days"]
    assert found["Diagnoses and medical history"] == ["Pneumonia", "X1"]
    assert found["Investigation advice"] == ["Chest X-ray"]
    assert found["Referral"] == ["Referral to chest physician"]
    assert found["Medications"] == ["Azee", "Tab. Azithromycin 500 mg"]


def test_nothing_that_a_consultation_can_carry_is_dropped():
    """Resources in against resources out, and in words what can't be an entry."""
    given = [r for r in everything() if r["resourceType"] != "Binary"]
    bundle = build_document("OPConsultation", records(*everything()))
    kinds = [r["resourceType"] for r in given]
    out = [e["resource"]["resourceType"] for e in bundle["entry"]]
    told = {"AllergyIntolerance": 1}  # lacks a clinical status: in words
    derived = {"Composition": 1, "Condition": 1}  # the reason stated by the Encounter only
    for kind in set(kinds) | set(out):
        expected = kinds.count(kind) - told.get(kind, 0) + derived.get(kind, 0)
        assert out.count(kind) == expected, kind
    composition = bundle["entry"][0]["resource"]
    assert "Dust" in composition["text"]["div"]
    assert "xray.png" in composition["text"]["div"]


@pytest.mark.parametrize(
    ("changes", "section"),
    [
        ({}, "Diagnoses and medical history"),
        ({"category": [{"text": "Chief Complaint"}]}, "Chief complaints"),
        (
            {"category": [{"coding": [{"system": LOINC, "code": "10154-3"}]}]},
            "Chief complaints",
        ),
    ],
)
def test_conditions_stand_with_the_complaints_or_the_diagnoses(changes, section):
    bundle = build_document("OPConsultation", visit(condition("c5", **changes), reasonCode=None))
    assert sections(bundle) == {section: ["Pneumonia"]}


def test_a_condition_that_the_visit_gives_as_its_reason_is_a_complaint():
    reason = [{"reference": "Condition/c5"}]
    given = visit(condition("c5"), reasonCode=None, reasonReference=reason)
    assert list(sections(build_document("OPConsultation", given))) == ["Chief complaints"]


def test_a_reason_is_not_said_twice():
    given = visit(
        condition("c5", code={"text": "Fever "}),
        reasonReference=[{"reference": "Condition/c5"}],
        reasonCode=[{"text": "fever"}],
    )
    assert sections(build_document("OPConsultation", given))["Chief complaints"] == ["Fever"]


@pytest.mark.parametrize(
    ("observed", "section"),
    [
        (observation("o", "8867-4"), "Physical examination"),
        (
            observation(
                "o", category=[{"coding": [{"system": OBSERVATION_CATEGORY, "code": "exam"}]}]
            ),
            "Physical examination",
        ),
        (observation("o", "4548-4"), "Other observations"),
        (observation("o"), "Other observations"),
    ],
)
def test_observations_stand_by_their_kind(observed, section):
    bundle = build_document("OPConsultation", visit(observed, reasonCode=None))
    assert list(sections(bundle)) == [section]


def test_the_appointment_that_the_visit_fulfilled_is_no_follow_up():
    kept = resource(
        "Appointment",
        "ap",
        status="fulfilled",
        start="2026-02-27T10:00:00+05:30",
        participant=[{"actor": {"reference": "Patient/p1"}, "status": "accepted"}],
    )
    given = visit(kept, appointment=[{"reference": "Appointment/ap"}])
    assert "Follow up" not in sections(build_document("OPConsultation", given))


def test_an_order_that_was_withdrawn_is_not_told_to_the_patient():
    given = visit(medication_request("m1"), medication_request("m2", status="cancelled"))
    for hi_type in ("OPConsultation", "Prescription"):
        assert len(entries(build_document(hi_type, given), "MedicationRequest")) == 1


def test_a_prescription_has_one_section_with_typed_entries_and_the_slip():
    bundle = build_document("Prescription", records(*everything()))
    (section,) = bundle["entry"][0]["resource"]["section"]
    assert [e["type"] for e in section["entry"]] == [
        "MedicationRequest",
        "MedicationRequest",
        "Binary",
    ]
    (binary,) = entries(bundle, "Binary")
    assert (binary["contentType"], binary["data"]) == ("application/pdf", PDF)


def test_a_prescription_tells_no_diagnosis_that_its_medicines_do_not_name():
    given = visit(condition(), medication_request())
    bundle = build_document("Prescription", given)
    assert not entries(bundle, "Condition")
    assert "diagnosis" not in entries(bundle, "Encounter")[0]
    named = medication_request(reasonReference=[{"reference": "Condition/c1"}])
    bundle = build_document("Prescription", visit(condition(), named))
    assert len(entries(bundle, "Condition")) == 1


def test_who_prescribed_is_the_author_of_a_prescription():
    doctor = resource("Practitioner", "d2", name=[{"text": "Dr. B"}])
    given = visit(doctor, medication_request(requester={"reference": "Practitioner/d2"}))
    for hi_type, author in (("Prescription", "Dr. B"), ("OPConsultation", "Dr. A. Rao")):
        composition = build_document(hi_type, given)["entry"][0]["resource"]
        assert [a["display"] for a in composition["author"]] == [author]


def test_a_medicine_by_reference_becomes_a_concept_and_keeps_its_resource():
    bundle = build_document("Prescription", records(*everything()))
    request = entries(bundle, "MedicationRequest")[0]
    assert request["medicationCodeableConcept"] == {"text": "Azee"}
    assert "medicationReference" not in request
    (medication,) = entries(bundle, "Medication")
    assert request["supportingInformation"][0]["reference"].endswith(medication["id"])


def test_a_contained_medicine_becomes_a_concept_and_leaves_nothing_unused():
    inside = {"resourceType": "Medication", "id": "in", "code": {"text": "Azee"}}
    request = medication_request(
        medicationCodeableConcept=None,
        medicationReference={"reference": "#in"},
        contained=[inside],
    )
    (made,) = entries(build_document("Prescription", visit(request)), "MedicationRequest")
    assert made["medicationCodeableConcept"] == {"text": "Azee"}
    assert "contained" not in made


def test_a_hundred_medicines_all_go_in():
    given = visit(*(medication_request(f"m{n}") for n in range(100)))
    assert len(entries(build_document("Prescription", given), "MedicationRequest")) == 100


def test_a_superseded_slip_is_not_the_prescription():
    slip = next(r for r in everything() if r["id"] == "dr1")
    binary = next(r for r in everything() if r["resourceType"] == "Binary")
    old = {**slip, "status": "superseded"}
    given = visit(medication_request(), old, binary)
    assert not entries(build_document("Prescription", given), "Binary")


def test_section_words_are_what_was_written():
    note = "दवा समय पर लें। <b>No alcohol</b> & rest"
    given = visit(observation("o", valueString=note))
    bundle = build_document("OPConsultation", given)
    section = bundle["entry"][0]["resource"]["section"][-1]
    assert "दवा समय पर लें। &lt;b&gt;No alcohol&lt;/b&gt; &amp; rest" in section["text"]["div"]
    assert entries(bundle, "Observation")[0]["valueString"] == note


def test_root_key_is_what_the_composition_is_about():
    bundle = build_document("OPConsultation", visit(condition()))
    assert key(entries(bundle, "Encounter")[0])
    assert bundle["entry"][0]["resource"]["encounter"]["display"] == "OPD visit"
