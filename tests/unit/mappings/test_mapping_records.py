"""One batch of searches split into care contexts."""

import random

import pytest

from mappings import group_by_root
from mappings.systems import HAPI_PLACEHOLDER
from tests.unit.mappings.samples import (
    condition,
    encounter,
    everything,
    medication_request,
    observation,
    organization,
    patient,
    practitioner,
    resource,
)


def names(records):
    return {f"{r['resourceType']}/{r['id']}" for r in records.others}


def second_visit():
    other = {"reference": "Encounter/e2"}
    return [
        encounter(id="e2", diagnosis=None, participant=None),
        condition("c9", encounter=other),
        observation("o9", encounter=other),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_a_batch_does_not_matter(seed):
    batch = [*everything(), *second_visit()]
    random.Random(seed).shuffle(batch)
    by_root = {r.root["id"]: r for r in group_by_root(batch)}
    assert names(by_root["e2"]) == {"Condition/c9", "Observation/o9"}
    expected = {f"{r['resourceType']}/{r['id']}" for r in everything()}
    shared = {"Encounter/e1", "Patient/p1", "Practitioner/d1", "Organization/o1", "Binary/b1"}
    assert names(by_root["e1"]) == expected - shared
    assert by_root["e1"].patient["id"] == "p1"
    assert by_root["e1"].organization["id"] == "o1"
    assert [p["id"] for p in by_root["e1"].practitioners] == ["d1"]
    assert list(by_root["e1"].binaries) == ["Binary/b1"]


def test_only_the_roots_asked_for_become_care_contexts_in_that_order():
    batch = [*everything(), *second_visit()]
    found = group_by_root(batch, roots=["Encounter/e2", "Encounter/gone", "Encounter/e1"])
    assert [r.root["id"] for r in found] == ["e2", "e1"]


def test_the_facility_stands_in_where_the_visit_names_none():
    facility = organization(id="fallback")
    (found,) = group_by_root([encounter(serviceProvider=None), patient()], organization=facility)
    assert found.organization is facility


def test_a_patient_who_is_not_on_the_server_is_absent():
    (found,) = group_by_root([encounter(), organization()])
    assert found.patient is None


def test_placeholders_are_never_records():
    stub = resource("Patient", "p1", extension=[{"url": HAPI_PLACEHOLDER, "valueBoolean": True}])
    (found,) = group_by_root([encounter(), stub])
    assert found.patient is None


def test_a_practitioner_named_only_by_a_prescription_comes_along():
    batch = [
        encounter(participant=None),
        patient(),
        medication_request(requester={"reference": "Practitioner/d2"}),
        practitioner(id="d2"),
        practitioner(id="stranger"),
    ]
    (found,) = group_by_root(batch)
    assert [p["id"] for p in found.practitioners] == ["d2"]


def test_a_repeated_resource_counts_once_and_the_last_one_wins():
    (found,) = group_by_root([encounter(), patient(gender="male"), patient(gender="female")])
    assert found.patient["gender"] == "female"
