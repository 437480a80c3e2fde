"""The frame of a document: what PHR apps read first, and sameness."""

import json
import os
import random
import subprocess
import sys

import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.hospital import transactions
from mappings import (
    Records,
    build_document,
    build_documents,
    group_by_root,
    hi_types,
    to_bytes,
)
from mappings.resources import references
from tests.unit.mappings.samples import (
    META,
    condition,
    encounter,
    everything,
    hims_resources,
    medication_request,
    observation,
    organization,
    patient,
    records,
    visit,
)

TYPES = ("OPConsultation", "Prescription")
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def all_references(value):
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value
        for item in value.values():
            yield from all_references(item)
    elif isinstance(value, list):
        for item in value:
            yield from all_references(item)


def check_frame(bundle):
    """What every document must have, whatever its type."""
    Bundle.model_validate(json.loads(to_bytes(bundle)))
    urls = [e["fullUrl"] for e in bundle["entry"]]
    assert len(urls) == len(set(urls))
    for entry in bundle["entry"]:
        assert entry["fullUrl"] == f"urn:uuid:{entry['resource']['id']}"
    for reference in all_references(bundle):
        assert reference["reference"].startswith("#") or reference["reference"] in urls
        assert reference["display"]
    assert references(bundle) == []
    composition = bundle["entry"][0]["resource"]
    kinds = {e["fullUrl"]: e["resource"]["resourceType"] for e in bundle["entry"]}
    assert kinds[composition["subject"]["reference"]] == "Patient"
    assert kinds[composition["custodian"]["reference"]] == "Organization"
    assert {kinds[a["reference"]] for a in composition["author"]} <= {
        "Practitioner",
        "PractitionerRole",
        "Organization",
    }
    (attester,) = composition["attester"]
    assert attester["mode"] == "official"
    assert kinds[attester["party"]["reference"]] == "Organization"
    assert bundle["meta"]["versionId"]
    assert bundle["identifier"]["system"]
    assert bundle["identifier"]["value"]
    assert bundle["timestamp"]
    assert composition["language"]
    assert composition["confidentiality"]


@pytest.mark.parametrize("hi_type", TYPES)
def test_a_document_of_foreign_records_is_complete_and_closed(hi_type):
    check_frame(build_document(hi_type, records(*everything())))


@pytest.mark.parametrize("hi_type", TYPES)
def test_a_document_of_our_own_mappings_is_complete_and_closed(hi_type):
    check_frame(build_document(hi_type, records(*hims_resources())))


def test_every_document_of_the_demo_hospital_is_complete_and_closed():
    loaded = [e["resource"] for _, bundle in transactions() for e in bundle["entry"]]
    built = [
        document
        for found in group_by_root(loaded)
        for hi_type in hi_types(found)
        for document in build_documents(hi_type, found)
    ]
    assert len(built) > 250
    for bundle in built:
        check_frame(bundle)


@pytest.mark.parametrize("hi_type", TYPES)
@pytest.mark.parametrize("seed", range(3))
def test_the_same_records_in_another_order_give_the_same_bytes(hi_type, seed):
    shuffled = everything()
    random.Random(seed).shuffle(shuffled)
    once = to_bytes(build_document(hi_type, records(*everything())))
    assert to_bytes(build_document(hi_type, records(*shuffled))) == once


def test_another_process_makes_the_same_bytes():
    program = (
        "import sys, hashlib\n"
        "from mappings import build_document, to_bytes\n"
        "from tests.unit.mappings.samples import everything, records\n"
        "made = to_bytes(build_document('OPConsultation', records(*everything())))\n"
        "sys.stdout.write(hashlib.sha256(made).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1


def test_a_changed_record_makes_another_document_of_the_same_composition():
    one = build_document("OPConsultation", visit(condition()))
    newer = {**META, "versionId": "4", "lastUpdated": "2026-04-01T10:00:00Z"}
    two = build_document("OPConsultation", visit(condition(meta=newer)))
    assert one["identifier"] != two["identifier"]
    assert two["timestamp"] > one["timestamp"]
    compositions = [b["entry"][0]["resource"] for b in (one, two)]
    assert compositions[0]["identifier"] == compositions[1]["identifier"]


def test_the_same_record_ids_at_two_hospitals_stay_apart():
    other = [{"system": "https://facility.ndhm.gov.in", "value": "IN0710000999"}]
    here = build_document("OPConsultation", visit())
    there = build_document(
        "OPConsultation", records(encounter(), patient(), organization(identifier=other))
    )
    assert not {e["fullUrl"] for e in here["entry"]} & {e["fullUrl"] for e in there["entry"]}


@pytest.mark.parametrize(
    ("changes", "date"),
    [
        ({}, "2026-02-27T10:30:00+05:30"),
        ({"period": {"start": "2026-02-20"}}, "2026-02-27"),
        ({"period": {"start": "2026-02-28T10:00:00+05:30"}}, "2026-02-28T10:00:00+05:30"),
    ],
)
def test_the_date_of_a_document_comes_from_its_records(changes, date):
    bundle = build_document("OPConsultation", visit(medication_request(), **changes))
    assert bundle["entry"][0]["resource"]["date"] == date
    assert bundle["timestamp"] == "2026-03-01T10:00:00+00:00"


@pytest.mark.parametrize(
    ("status", "expected"),
    [("finished", "final"), ("unknown", "final"), ("in-progress", "preliminary")],
)
def test_a_visit_that_goes_on_has_a_preliminary_document(status, expected):
    bundle = build_document("OPConsultation", visit(status=status))
    assert bundle["entry"][0]["resource"]["status"] == expected


def test_a_document_is_as_confidential_as_its_most_confidential_record():
    tag = {"system": CONFIDENTIALITY, "code": "R"}
    bundle = build_document("OPConsultation", visit(condition(meta={**META, "security": [tag]})))
    assert bundle["entry"][0]["resource"]["confidentiality"] == "R"
    assert bundle["meta"]["security"][0]["code"] == "R"
    plain = build_document("OPConsultation", visit(condition()))
    assert plain["meta"]["security"][0]["code"] == "N"


def test_without_a_practitioner_the_facility_is_the_author():
    bundle = build_document("OPConsultation", visit(participant=None))
    assert bundle["entry"][0]["resource"]["author"][0]["display"] == "Asha Hospital"


def test_the_main_practitioner_comes_first():
    kinds = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
    second = {"resourceType": "Practitioner", "id": "d2", "name": [{"text": "Dr. B"}]}
    participants = [
        {"individual": {"reference": "Practitioner/d1"}},
        {
            "type": [{"coding": [{"system": kinds, "code": "PPRF"}]}],
            "individual": {"reference": "Practitioner/d2"},
        },
    ]
    bundle = build_document("OPConsultation", visit(second, participant=participants))
    authors = bundle["entry"][0]["resource"]["author"]
    assert [a["display"] for a in authors] == ["Dr. B", "Dr. A. Rao"]


def test_a_very_long_note_arrives_whole():
    note = "लंबा नोट " * 100_000
    bundle = build_document("OPConsultation", visit(observation("o", valueString=note)))
    assert json.loads(to_bytes(bundle))["entry"][-1]["resource"]["valueString"] == note


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(reason=TEXT, name=TEXT, note=TEXT, medicine=st.none() | TEXT, born=st.none() | st.dates())
def test_whatever_words_a_hospital_writes_the_document_is_complete(
    reason, name, note, medicine, born
):
    root = encounter(reasonCode=[{"text": reason}])
    found = Records(
        root=root,
        patient=patient(name=[{"text": name}], birthDate=born and born.isoformat()),
        organization=organization(),
        others=(
            observation("o", valueString=note),
            medication_request(medicationCodeableConcept=medicine and {"text": medicine}),
        ),
    )
    for hi_type in hi_types(found):
        check_frame(build_document(hi_type, found))
