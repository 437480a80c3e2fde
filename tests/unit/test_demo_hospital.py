"""The demo hospital: complete, valid FHIR, with the awkward cases in it, and loadable twice."""

import base64
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import requests
from fhir.resources.R4B import get_fhir_model_class

from conformance import hospital
from conformance.data import dosage, people, scan
from conformance.data.records import resources
from conformance.data.visit import TODAY, Visit
from mappings import systems

Resource = dict[str, Any]

BUNDLES = dict(hospital.transactions())
ENTRIES = [entry for bundle in BUNDLES.values() for entry in bundle["entry"]]
RESOURCES: list[Resource] = [entry["resource"] for entry in ENTRIES]
BY_REFERENCE = {f"{each['resourceType']}/{each['id']}": each for each in RESOURCES}
DEVANAGARI = re.compile("[\u0900-\u097f]")


def of_type(kind: str) -> list[Resource]:
    return [each for each in RESOURCES if each["resourceType"] == kind]


def references(value: Any) -> Iterator[str]:
    """Yield every literal reference, attachment URLs included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "reference" or (key == "url" and "contentType" in value):
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def belonging_to(encounter: Resource, kind: str) -> list[Resource]:
    reference = f"Encounter/{encounter['id']}"
    return [
        each
        for each in of_type(kind)
        if each.get("encounter", {}).get("reference") == reference
        or {"reference": reference} in each.get("context", {}).get("encounter", [])
    ]


def test_the_hospital_has_enough_people_visits_and_time() -> None:
    starts = sorted(each["period"]["start"] for each in of_type("Encounter"))
    assert len(of_type("Patient")) >= 24
    assert len(starts) >= 66
    assert len(of_type("Practitioner")) >= 6
    assert starts[0][:7] == "2024-11"
    assert starts[-1][:7] == "2026-11"
    assert max(starts)[:10] <= TODAY.isoformat()


def test_every_resource_is_put_once_under_an_id_that_hapi_takes() -> None:
    assert len(BY_REFERENCE) == len(RESOURCES)
    for entry in ENTRIES:
        resource, request = entry["resource"], entry["request"]
        assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", resource["id"])
        assert not resource["id"].isdigit()
        url = f"{resource['resourceType']}/{resource['id']}"
        assert request == {"method": "PUT", "url": url}


def test_ids_contain_no_part_of_a_name() -> None:
    words = {w.lower() for p in hospital.people() for w in re.findall(r"[A-Za-z]{4,}", p.name)}
    assert [each["id"] for each in RESOURCES if any(w in each["id"] for w in words)] == []


def test_every_reference_resolves_within_the_data() -> None:
    missing = {ref for each in RESOURCES for ref in references(each) if ref not in BY_REFERENCE}
    assert missing == set()


@pytest.mark.parametrize("name", list(BUNDLES))
def test_every_resource_is_valid_fhir_r4(name: str) -> None:
    for entry in BUNDLES[name]["entry"]:
        resource = entry["resource"]
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_no_resource_claims_an_abdm_profile() -> None:
    assert [each["id"] for each in RESOURCES if "meta" in each] == []


def test_reading_the_tables_twice_gives_the_same_transactions() -> None:
    assert dict(hospital.transactions()) == BUNDLES


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (people.ABHA_NUMBER, systems.ABHA_NUMBER),
        (people.ABHA_ADDRESS, systems.ABHA_ADDRESS),
        (people.HFR_ID, systems.HFR_ID),
        (people.HPR_ID, systems.HPR_ID),
    ],
)
def test_the_hospital_and_the_mappings_name_identifiers_alike(ours: str, theirs: str) -> None:
    assert ours == theirs


def test_identifiers_are_well_formed_unique_and_visibly_invented() -> None:
    everybody = hospital.people()
    numbers = [p.abha_number for p in everybody if p.abha_number]
    addresses = [p.abha_address for p in everybody if p.abha_address]
    assert all(re.fullmatch(r"91-0000-0000-\d{4}", each) for each in numbers)
    assert all(re.fullmatch(r"[a-z][a-z0-9.]{7,17}@sbx", each) for each in addresses)
    assert all(re.fullmatch(r"90000000\d{2}", p.mobile) for p in everybody if p.mobile)
    for values in (numbers, addresses, [p.mrn for p in everybody]):
        assert len(set(values)) == len(values)
    assert {f.hfr_id for f in hospital.facilities()} == {"IN2910000001", "IN2910000002"}


def test_people_are_told_as_their_patient_resources_say() -> None:
    for person in hospital.people():
        resource = BY_REFERENCE[f"Patient/{person.patient_id}"]
        values = {each["system"]: each["value"] for each in resource["identifier"]}
        assert values.get(people.ABHA_NUMBER) == person.abha_number
        assert values.get(people.ABHA_ADDRESS) == person.abha_address
        assert values[people.MRN] == person.mrn
        assert resource["name"][0]["text"] == person.name
        assert resource["gender"] == person.gender
        assert resource.get("birthDate", "None")[:4] == str(person.year_of_birth)
        written = resource["telecom"][0]["value"] if person.mobile else "None"
        assert re.sub(r"\D", "", written)[-10:] == (person.mobile or "")


def test_the_patient_of_the_guided_journey_has_what_the_journey_shows() -> None:
    [asha] = [p for p in hospital.people() if p.abha_address == "asha.verma@sbx"]
    assert (asha.name, asha.mobile, asha.gender) == ("Asha Verma", "9000000017", "female")
    assert asha.year_of_birth == 1991
    subject = {"reference": f"Patient/{asha.patient_id}"}
    visits = [each for each in of_type("Encounter") if each["subject"] == subject]
    assert len(visits) >= 4
    for visit in visits:
        for kind in ("Condition", "Observation", "MedicationRequest"):
            assert belonging_to(visit, kind), (visit["id"], kind)
    assert any(
        DEVANAGARI.search(each.get("valueString", ""))
        for visit in visits
        for each in belonging_to(visit, "Observation")
    )


def test_two_patients_share_name_gender_and_mobile_within_the_matching_age_band() -> None:
    shared = Counter((p.name, p.gender, p.mobile) for p in hospital.people() if p.mobile)
    [(who, count)] = [item for item in shared.items() if item[1] > 1]
    first, second = [p for p in hospital.people() if (p.name, p.gender, p.mobile) == who]
    assert count == 2
    assert first.year_of_birth is not None
    assert second.year_of_birth is not None
    assert 0 < abs(first.year_of_birth - second.year_of_birth) <= 5
    assert [first.abha_address, second.abha_address].count(None) == 1


def _text_only(visit: Resource) -> bool:
    concepts = [each["code"] for each in belonging_to(visit, "Condition")]
    concepts += [
        each["medicationCodeableConcept"] for each in belonging_to(visit, "MedicationRequest")
    ]
    return bool(concepts) and all("coding" not in concept for concept in concepts)


def _only_vitals(visit: Resource) -> bool:
    kinds = ("Condition", "MedicationRequest", "DiagnosticReport", "Immunization", "Procedure")
    observations = belonging_to(visit, "Observation")
    categories = {each["category"][0]["coding"][0]["code"] for each in observations}
    return categories == {"vital-signs"} and not any(belonging_to(visit, kind) for kind in kinds)


AWKWARD_VISITS: dict[str, Callable[[Resource], bool]] = {
    "cancelled": lambda v: v["status"] == "cancelled",
    "entered in error": lambda v: v["status"] == "entered-in-error",
    "in progress": lambda v: v["status"] == "in-progress" and "end" not in v["period"],
    "without practitioner": lambda v: "participant" not in v,
    "without serviceProvider": lambda v: "serviceProvider" not in v,
    "inpatient": lambda v: v["class"]["code"] == "IMP",
    "emergency": lambda v: v["class"]["code"] == "EMER",
    "tele-consultation": lambda v: v["class"]["code"] == "VR",
    "no codes at all": _text_only,
    "only vitals": _only_vitals,
    "fifteen drugs": lambda v: len(belonging_to(v, "MedicationRequest")) == 15,
}


@pytest.mark.parametrize("case", AWKWARD_VISITS)
def test_an_awkward_visit_is_there(case: str) -> None:
    assert any(AWKWARD_VISITS[case](visit) for visit in of_type("Encounter"))


AWKWARD_PATIENTS: dict[str, Callable[[Resource], bool]] = {
    "one name only": lambda p: " " not in p["name"][0]["text"],
    "name in Devanagari only": lambda p: all(DEVANAGARI.search(n["text"]) for n in p["name"]),
    "name in both scripts": lambda p: len(p["name"]) == 2,
    "no birth date": lambda p: "birthDate" not in p and "telecom" in p,
    "only a year of birth": lambda p: re.fullmatch(r"\d{4}", p.get("birthDate", "")) is not None,
    "no ABHA": lambda p: len(p["identifier"]) == 1,
    "no telecom": lambda p: "telecom" not in p,
    "apostrophe": lambda p: "'" in p["name"][0]["text"],
    "mobile with country code": lambda p: str(p.get("telecom")).find("+91") >= 0,
    "gender other": lambda p: p["gender"] == "other",
}


@pytest.mark.parametrize("case", AWKWARD_PATIENTS)
def test_an_awkward_patient_is_there(case: str) -> None:
    assert any(AWKWARD_PATIENTS[case](patient) for patient in of_type("Patient"))


def test_every_record_of_a_visit_entered_in_error_says_so() -> None:
    [wrong] = [each for each in of_type("Encounter") if each["status"] == "entered-in-error"]
    records = [
        r for kind in ("Observation", "MedicationRequest") for r in belonging_to(wrong, kind)
    ]
    [condition] = belonging_to(wrong, "Condition")
    assert len(records) >= 2
    assert {each["status"] for each in records} == {"entered-in-error"}
    assert condition["verificationStatus"]["coding"][0]["code"] == "entered-in-error"


def test_a_very_long_note_and_foreign_local_codes_are_there() -> None:
    assert any(len(each.get("valueString", "")) > 3000 for each in of_type("Observation"))
    codings = [c for each in of_type("Condition") for c in each["code"].get("coding", [])]
    assert any(each["system"].startswith("https://old-his.example") for each in codings)


def test_some_records_stand_alone_without_an_encounter() -> None:
    assert any("encounter" not in each for each in of_type("Immunization"))
    assert any("context" not in each for each in of_type("DocumentReference"))


def test_scans_are_real_pdfs_one_inline_and_one_in_a_binary() -> None:
    attachments = [each["content"][0]["attachment"] for each in of_type("DocumentReference")]
    scans = [each for each in attachments if each["contentType"] == "application/pdf"]
    inline = [each["data"] for each in scans if "data" in each]
    apart = [BY_REFERENCE[each["url"]]["data"] for each in scans if "url" in each]
    assert inline
    assert apart
    for data in inline + apart:
        content = base64.b64decode(data)
        assert content.startswith(b"%PDF-1.4")
        [xref] = re.findall(rb"startxref\n(\d+)\n%%EOF", content)
        assert content[int(xref) :].startswith(b"xref\n")


def test_each_offset_of_the_pdf_points_at_its_object() -> None:
    content = scan.pdf(["Heading", "With (brackets) and \\"])
    offsets = [int(each) for each in re.findall(rb"(\d{10}) 00000 n", content)]
    assert len(offsets) == 5
    for number, offset in enumerate(offsets, start=1):
        assert content[offset:].startswith(b"%d 0 obj\n" % number)
    [length] = re.findall(rb"/Length (\d+)", content)
    [stream] = re.findall(rb"stream\n(.*)\nendstream", content, re.DOTALL)
    assert len(stream) == int(length)


@pytest.mark.parametrize(
    ("line", "text", "repeat"),
    [
        (
            {"dose": "1-0-1", "meal": "after food", "days": 5},
            "1 tablet morning, 1 tablet night, after food, for 5 days",
            {"frequency": 2, "period": 1, "periodUnit": "d", "when": ["MORN", "NIGHT"]},
        ),
        (
            {"dose": "0.5-0-0"},
            "0.5 tablet morning",
            {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["MORN"]},
        ),
        (
            {"dose": "weekly", "days": 56},
            "1 tablet once a week, for 56 days",
            {"frequency": 1, "period": 1, "periodUnit": "wk"},
        ),
        ({"dose": "SOS"}, "1 tablet when needed", None),
        ({"dose": "as told by the nurse"}, "as told by the nurse", None),
    ],
)
def test_a_prescription_line_becomes_text_and_timing(
    line: dict[str, Any], text: str, repeat: dict[str, Any] | None
) -> None:
    result = dosage.instruction(line, "tablet")
    assert result["text"] == text
    written = result.get("timing", {}).get("repeat")
    if written:
        bounds = written.pop("boundsDuration", None)
        assert (bounds or {}).get("value") == line.get("days")
    assert written == repeat


def test_unequal_doses_of_a_day_carry_no_single_quantity() -> None:
    assert "doseAndRate" not in dosage.instruction({"dose": "10-0-6"}, "unit")
    assert "doseAndRate" in dosage.instruction({"dose": "2-0-2"}, "unit")


def test_follow_ups_are_booked_kept_or_missed() -> None:
    statuses = {each["status"] for each in of_type("Appointment")}
    assert statuses == {"booked", "fulfilled", "noshow"}
    for each in of_type("Appointment"):
        assert (each["status"] == "booked") == (each["start"][:10] > TODAY.isoformat())


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"diagnosis": ["asthma"]}, "unknown keys diagnosis"),
        ({"diagnoses": ["astma"]}, 'no "astma" under \\[conditions\\]'),
        ({"reports": [{"panel": "kidney", "creatinin": 1}]}, 'no "creatinin" under \\[labs\\]'),
    ],
)
def test_a_mistake_in_a_table_is_named(extra: dict[str, Any], reason: str) -> None:
    table = {"at": datetime(2026, 1, 2, 10)} | extra  # tables give local time without a zone
    with pytest.raises(ValueError, match=reason):
        list(resources(Visit("00001", "pune", frozenset(), table)))


def test_an_unreachable_server_is_said_in_a_sentence() -> None:
    with pytest.raises(hospital.LoadError, match="could not be reached"):
        hospital.load("http://127.0.0.1:9", None)


@pytest.mark.hapi
def test_the_hospital_loads_into_hapi_and_a_second_load_changes_nothing(hapi: Any) -> None:
    seen: list[tuple[int, int, str]] = []
    first = hospital.load(hapi.base_url, hapi.token, lambda *step: seen.append(step))
    assert (first.patients, first.visits, first.resources) == (
        len(of_type("Patient")),
        len(of_type("Encounter")),
        len(RESOURCES),
    )
    assert [step[0] for step in seen] == list(range(1, len(BUNDLES) + 1))

    headers = {"Authorization": f"Bearer {hapi.token}"} if hapi.token else {}
    url = f"{hapi.base_url}/Encounter/enc-00417-20241118"
    before = requests.get(url, headers=headers, timeout=30).json()
    assert hospital.load(hapi.base_url, hapi.token) == first
    after = requests.get(url, headers=headers, timeout=30).json()
    assert before["serviceProvider"] == {"reference": "Organization/org-pune"}
    assert after == before  # the version too: an unchanged PUT writes none
