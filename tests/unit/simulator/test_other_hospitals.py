"""The other hospitals' documents: all listed, all of one patient, and clean or dirty as meant."""

import json
from importlib.resources import files
from typing import Any

import pytest

from conformance import hospital, other_hospitals
from conformance.validate import validate
from tests.unit.simulator.conftest import World
from tests.unit.simulator.small_hip import ADDRESS

CLEAN, DIRTY = other_hospitals.hospitals()


def test_every_file_is_listed_once() -> None:
    kept = {e.name for e in files(other_hospitals).iterdir() if e.name.endswith(".json")}
    listed = [entry["file"] for row in other_hospitals._index()["hospitals"]
              for entry in row["documents"]]  # fmt: skip
    assert sorted(listed) == sorted(kept)


def test_documents_are_of_the_demos_patient_and_dated_as_listed() -> None:
    (asha,) = [
        p for p in hospital.people() if p.abha_address == other_hospitals._index()["patient"]
    ]
    for document in (*CLEAN.documents, *DIRTY.documents):
        bundle = json.loads(document.content)
        assert bundle["type"] == "document"
        patient = next(
            e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient"
        )
        assert patient["name"][0]["text"] == asha.name
        assert asha.abha_number in [i["value"] for i in patient["identifier"]]
        assert bundle["entry"][0]["resource"]["date"] == document.at.isoformat()


def test_one_hospital_writes_absolute_urls_and_the_other_repeats_relative_ones() -> None:
    def urls(found: other_hospitals.OtherHospital) -> list[str]:
        return [e["fullUrl"] for d in found.documents for e in json.loads(d.content)["entry"]]

    assert all(url.startswith("urn:uuid:") for url in urls(CLEAN))
    assert urls(DIRTY).count("Patient/1") == len(DIRTY.documents)


@pytest.mark.hapi
@pytest.mark.guide
def test_clean_documents_have_no_error_and_dirty_ones_only_their_urls(hapi: Any) -> None:
    for document in CLEAN.documents:
        result = validate(hapi.base_url, hapi.token, document.content)
        assert (result.checked, result.errors) == (True, [])
    for document in DIRTY.documents:
        errors = validate(hapi.base_url, hapi.token, document.content).errors
        assert errors
        assert all("absolute URL" in error.message for error in errors)


def test_hospitals_are_opened_in_the_simulator_with_everything_linked(world: World) -> None:
    person = other_hospitals._index()["patient"]
    world.client.add_patient(person, None, "Asha Verma", "F", 1991, "9000000017")
    other_hospitals.open_in(world.client)
    links = world.client.links(person)
    assert {link.hip_id for link in links} == {CLEAN.id, DIRTY.id}
    assert len(links) == len(CLEAN.documents) + len(DIRTY.documents)
    assert world.client.links(ADDRESS) == []
    assert {one.size for one in world.client.hip_documents(CLEAN.id)} == {
        len(document.content) for document in CLEAN.documents
    }
