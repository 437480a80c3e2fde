"""A hospital's own entities over the API and real HAPI: once, again, newer, older, in any order."""

from collections.abc import Callable
from typing import Any

import pytest

from adapter.flows import import_entities
from adapter.protocol.errors import FhirConflict
from adapter.rules.entities import Item
from tests.flows.harness import Json
from tests.flows.hims import WHOLE, Hospital

pytestmark = pytest.mark.hapi

ROUND = {"id": "r", "patient": "p", "consultation": "c", "taken_at": "2026-11-19T10:05:00"}
VISIT = {"id": "c", "patient": "p", "suggestion": "OP", "encounter_date": "2026-11-19T10:00:00"}
PRESCRIPTION = {
    "id": "rx",
    "patient": "p",
    "consultation": "c",
    "medicine_object": {"name": "Azee 500", "generic": "Azithromycin", "company": "Cipla"},
    "base_dosage": "1 tablet(s)",
    "frequency": "BD",
    "days": 5,
    "created_date": "2026-11-19T10:20:00+05:30",
}
DIAGNOSIS = {"id": "d", "diagnosis": "1A07.Z Typhoid fever, unspecified", "is_principal": True}


@pytest.mark.parametrize(
    ("kind", "entity"),
    [
        ("patient", {"id": "17", "name": "Asha", "allergies": "Dust", "blood_group": "A+"}),
        ("consultation", {**VISIT, "symptoms": [2], "diagnoses": [DIAGNOSIS], "height": 160}),
        ("prescription", PRESCRIPTION),
        ("daily_round", {**ROUND, "temperature": "101.2", "pulse": 92}),
        ("facility", {"id": "f", "name": "Ours", "locations": [{"id": "w", "beds": [{"id": 1}]}]}),
        ("user", {"id": "u", "first_name": "Meera", "user_type": 15, "skills": ["Cardiology"]}),
        ("procedure", {"id": "o", "patient": "p", "consultation": "c", "procedure": "Suture"}),
        ("allergy", {"id": "a", "patient": "p", "substance": "Dust"}),
        ("immunization", {"id": "i", "patient": "p", "vaccine_name": "BCG"}),
        (
            "investigation",
            {"id": "l", "patient": "p", "name": "CBC", "values": [{"name": "Hb", "value": 12.1}]},
        ),
        ("invoice", {"id": "b", "patient": "p", "items": [{"id": 1, "name": "Bed"}]}),
        ("file", {"id": "s", "patient": "p", "name": "Scan", "data": "JVBERi0xLjcK"}),
    ],
)
def test_same_entity_again_changes_nothing(hospital: Hospital, kind: str, entity: Json) -> None:
    entity = {**entity, "modified_date": "2026-11-19T11:00:00.123456+05:30"}
    if kind == "facility":
        entity["id"] = f"local-{hospital.run}"
    first = hospital.send(kind, **entity)
    assert first["outcome"] == "created"
    versions = {name: hospital.read(*name.split("/"))["meta"] for name in first["resources"]}
    assert len(versions) >= 1
    second = hospital.send(kind, **entity)
    assert second["outcome"] == "unchanged"
    assert second["resources"] == first["resources"]
    for name, meta in versions.items():
        assert hospital.read(*name.split("/"))["meta"] == meta
        assert meta["versionId"] == "1"


def test_a_newer_version_updates_and_removes_what_it_no_longer_has(hospital: Hospital) -> None:
    first = hospital.send(
        "daily_round", **ROUND, temperature="101.2", pulse=92, modified_date="2026-11-19T11:00:00Z"
    )
    second = hospital.send("daily_round", **ROUND, pulse=96, modified_date="2026-11-19T12:00:00Z")
    assert second["outcome"] == "updated"
    (kept,) = second["resources"]
    assert hospital.read(*kept.split("/"))["valueQuantity"]["value"] == 96
    (gone,) = set(first["resources"]) - {kept}
    assert not hospital.is_there(*gone.split("/"))


def test_an_older_version_that_arrives_late_overwrites_nothing(hospital: Hospital) -> None:
    hospital.send("patient", id="p", name="New Name", modified_date="2026-11-19T12:00:00+05:30")
    late = hospital.send("patient", id="p", name="Old Name", modified_date="2026-11-19T06:29:59Z")
    assert late["outcome"] == "outdated"
    stored = hospital.read("Patient", hospital.id("patient", "p"))
    assert stored["name"][0]["text"] == "New Name"
    # 12:00 in India is 06:30 UTC, so this one is the same version.
    again = hospital.send("patient", id="p", name="New Name", modified_date="2026-11-19T12:00:00")
    assert again["outcome"] == "unchanged"


def test_without_modified_date_the_last_one_sent_counts(hospital: Hospital) -> None:
    hospital.send("patient", id="p", name="First")
    assert hospital.send("patient", id="p", name="Second")["outcome"] == "updated"
    stored = hospital.read("Patient", hospital.id("patient", "p"))
    assert stored["name"][0]["text"] == "Second"


def test_both_versions_in_one_list_leave_the_newer(hospital: Hospital) -> None:
    new = hospital.entity(id="p", name="New", modified_date="2026-11-19T12:00:00Z")
    old = hospital.entity(id="p", name="Old", modified_date="2026-11-19T11:00:00Z")
    answer = hospital.post("patient", [new, old])
    assert [r["outcome"] for r in answer.json["results"]] == ["created", "outdated"]
    assert hospital.read("Patient", hospital.id("patient", "p"))["name"][0]["text"] == "New"


def test_a_prescription_before_its_visit_is_in_the_visits_document(hospital: Hospital) -> None:
    hospital.send("prescription", **PRESCRIPTION)
    hospital.send("daily_round", **ROUND, pulse=92)
    visit = hospital.id("consultation", "c")
    path = f"/hims/v1/documents/Encounter-{visit}?hi_type=Prescription"
    headers = {"Authorization": f"Bearer {WHOLE}", "X-User": "Sister Mary"}
    assert hospital.client.get(path, headers=headers).status_code == 404
    assert hospital.send("consultation", **VISIT)["outcome"] == "created"
    hospital.institution()
    answer = hospital.client.get(path, headers=headers)
    assert answer.status_code == 200, answer.json
    types = [entry["resource"]["resourceType"] for entry in answer.json["entry"]]
    assert "MedicationRequest" in types
    assert "urn:abdm-adapter" not in answer.get_data(as_text=True)


def test_two_prescriptions_share_a_medicine_and_neither_changes_the_other(
    hospital: Hospital,
) -> None:
    both = [
        hospital.entity(**PRESCRIPTION, modified_date="2026-11-19T11:00:00Z"),
        hospital.entity(**{**PRESCRIPTION, "id": "rx-2"}, modified_date="2026-11-20T11:00:00Z"),
    ]
    first = hospital.post("prescription", both).json["results"]
    (medicine,) = set(first[0]["resources"]) & set(first[1]["resources"])
    assert medicine.startswith("Medication/")
    again = hospital.post("prescription", both).json["results"]
    assert [r["outcome"] for r in again] == ["unchanged", "unchanged"]
    changed = {**both[0], "medicine_object": {"name": "Dolo"}, "modified_date": "2026-11-21"}
    assert hospital.post("prescription", changed).json["results"][0]["outcome"] == "updated"
    assert hospital.read(*medicine.split("/"))["meta"]["versionId"] == "1"


def test_a_diagnosis_nested_and_sent_by_itself_comes_to_rest(hospital: Hospital) -> None:
    nested = hospital.entity(**VISIT, diagnoses=[DIAGNOSIS], modified_date="2026-11-19T12:00:00Z")
    alone = hospital.entity(
        **DIAGNOSIS,
        patient="p",
        consultation="c",
        verification_status="provisional",
        modified_date="2026-11-19T11:00:00Z",
    )
    assert hospital.post("consultation", nested).status_code == 200
    assert hospital.post("diagnosis", alone).status_code == 200
    condition = hospital.read("Condition", hospital.id("diagnosis", "d"))
    assert condition["verificationStatus"]["coding"][0]["code"] == "provisional"
    for kind, entity in (("consultation", nested), ("diagnosis", alone)):
        assert hospital.post(kind, entity).json["results"][0]["outcome"] == "unchanged"
    assert hospital.read("Condition", condition["id"]) == condition


def test_refused_entities_are_named_and_the_rest_go_in(hospital: Hospital) -> None:
    answer = hospital.post(
        "patient",
        [
            hospital.entity(id="a", name="Asha"),
            hospital.entity(id="b", name="Bina", date_of_birth="31.02.1990"),
            "no entity",
            hospital.entity(id="d", modified_date="yesterday"),
            hospital.entity(id="e", name="Esha"),
        ],
    )
    assert answer.status_code == 200
    assert answer.json["counts"] == {"created": 2, "refused": 3}
    results = answer.json["results"]
    assert [r["index"] for r in results] == [0, 1, 2, 3, 4]
    fields = [[fault["field"] for fault in r["faults"]] for r in results]
    assert fields == [[], ["date_of_birth"], ["entity"], ["modified_date"], []]
    assert "31.02.1990" not in answer.get_data(as_text=True)
    assert hospital.is_there("Patient", hospital.id("patient", "e"))
    assert not hospital.is_there("Patient", hospital.id("patient", "b"))


def test_what_the_fhir_server_refuses_stops_no_other(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = import_entities.entities.to_mapped

    def spoilt(item: Item, *arguments: Any, **options: Any) -> Any:
        """HAPI takes no reference to a type that does not exist."""
        mapped = real(item, *arguments, **options)
        if mapped.hims_id == "b":
            mapped.resources[0]["managingOrganization"] = {"reference": "Nonsense/1"}
        return mapped

    monkeypatch.setattr(import_entities.entities, "to_mapped", spoilt)
    answer = hospital.post("patient", [hospital.entity(id=each, name=each) for each in "abc"])
    assert answer.status_code == 200
    assert [r["outcome"] for r in answer.json["results"]] == ["created", "refused", "created"]
    assert "HTTP 4" in answer.json["results"][1]["faults"][0]["sentence"]
    assert not hospital.is_there("Patient", hospital.id("patient", "b"))


def test_a_fault_of_ours_in_one_entity_stops_no_other(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = import_entities.entities.to_mapped

    def failing(item: Item, *arguments: Any, **options: Any) -> Any:
        if item.position == 1:
            raise KeyError("secret value")
        return real(item, *arguments, **options)

    monkeypatch.setattr(import_entities.entities, "to_mapped", failing)
    answer = hospital.post("patient", [hospital.entity(id=each, name=each) for each in "abc"])
    assert [r["outcome"] for r in answer.json["results"]] == ["created", "refused", "created"]
    assert "secret" not in answer.get_data(as_text=True)


def test_many_entities_go_in_by_several_transactions(hospital: Hospital) -> None:
    sent = [hospital.entity(id=f"many-{n}", name=f"Name {n}") for n in range(205)]
    answer = hospital.post("patient", sent, query="?coverage=false")
    assert answer.json["counts"] == {"created": 205}
    assert [r["index"] for r in answer.json["results"]] == list(range(205))
    assert all(r["coverage"] is None for r in answer.json["results"])
    assert hospital.is_there("Patient", hospital.id("patient", "many-204"))


def test_the_answer_says_what_was_mapped_and_what_was_dropped(hospital: Hospital) -> None:
    result = hospital.send("patient", id="p", name="Asha", shoe_size=39, modified_date="2026-01-01")
    assert {"id", "facility", "name"} <= set(result["coverage"]["mapped"])
    assert [note["field"] for note in result["coverage"]["dropped"]] == ["shoe_size"]


def test_somebody_elses_write_between_reading_and_writing_is_not_overwritten(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.send("patient", id="p", name="First", modified_date="2026-11-19T10:00:00Z")
    fhir = type(hospital.site.adapter.fhir)
    real: Callable[..., Any] = fhir.write
    newer = hospital.entity(id="p", name="Newest", modified_date="2026-11-19T12:00:00Z")
    met = []

    def overtaken(self: Any, puts: Any, deletes: Any) -> Any:
        if not met:
            met.append("other")
            assert hospital.post("patient", newer).status_code == 200
        try:
            return real(self, puts, deletes)
        except FhirConflict:
            met.append("conflict")
            raise

    monkeypatch.setattr(fhir, "write", overtaken)
    late = hospital.send("patient", id="p", name="Second", modified_date="2026-11-19T11:00:00Z")
    assert met == ["other", "conflict"]
    assert late["outcome"] == "outdated"
    stored = hospital.read("Patient", hospital.id("patient", "p"))
    assert stored["name"][0]["text"] == "Newest"
