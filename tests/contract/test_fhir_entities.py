"""What importing entities relies on in the FHIR server: versions, `meta`, placeholders."""

import uuid
from typing import Any

import pytest

from adapter.protocol.errors import FhirConflict, FhirRejected
from adapter.stores.fhir_store import FhirStore
from mappings.resources import is_placeholder

pytestmark = pytest.mark.hapi

SOURCE = "urn:abdm-adapter:entity:test"
STAMP = {"url": "urn:abdm-adapter:hims-modified", "valueInstant": "2026-01-01T10:00:00.500+00:00"}


@pytest.fixture
def store(hapi: Any) -> FhirStore:
    return FhirStore(hapi.base_url, hapi.token)


def observation(identity: str, value: int = 1) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "meta": {"source": SOURCE, "extension": [STAMP]},
        "status": "final",
        "code": {"text": "Pulse"},
        "subject": {"reference": f"Patient/{identity}"},
        "valueInteger": value,
    }


@pytest.fixture
def name() -> str:
    return f"o-{uuid.uuid4()}"


def test_identical_content_keeps_its_version_and_meta_is_kept(store: FhirStore, name: str) -> None:
    key = f"Observation/{name}"
    assert store.write([(observation(name), None)], []) == {key: "1"}
    assert store.write([(observation(name), "1")], []) == {key: "1"}
    assert store.write([(observation(name, 2), "1")], []) == {key: "2"}
    meta = store.outlines([key])[key]["meta"]
    assert (meta["source"], meta["extension"], meta["versionId"]) == (SOURCE, [STAMP], "2")


def test_a_version_that_was_replaced_is_a_conflict_and_nothing_of_the_batch_is_written(
    store: FhirStore, name: str
) -> None:
    store.write([(observation(name), None)], [])
    store.write([(observation(name, 2), "1")], [])
    other = f"{name[:-2]}zz"
    with pytest.raises(FhirConflict):
        store.write([(observation(other), None), (observation(name, 3), "1")], [])
    assert store.outlines([f"Observation/{other}"]) == {}


def test_a_placeholder_is_filled_by_the_record_that_comes_later(
    store: FhirStore, name: str
) -> None:
    store.write([(observation(name), None)], [])
    key = f"Patient/{name}"
    assert store.outlines([key])[key]["meta"].get("source") is None
    patient = {"resourceType": "Patient", "id": name, "meta": {"source": SOURCE}, "active": True}
    assert store.write([(patient, "1")], []) == {key: "2"}
    stored = store._read("Patient", name)
    assert stored is not None
    assert not is_placeholder(stored)


def test_a_deleted_record_has_no_outline_and_may_come_back(store: FhirStore, name: str) -> None:
    key = f"Observation/{name}"
    store.write([(observation(name), None)], [])
    store.write([], [key])
    assert store.outlines([key]) == {}
    store.write([(observation(name), None)], [])
    assert key in store.outlines([key])


def test_outlines_come_in_any_number_and_of_any_type(store: FhirStore, name: str) -> None:
    names = [f"{name}-{n}" for n in range(210)]
    store.write([(observation(each), None) for each in names], [])
    keys = [f"{kind}/{each}" for each in names for kind in ("Observation", "Patient", "Binary")]
    assert len(store.outlines(keys)) == 420
    assert store.outlines([]) == {}


def test_a_refused_batch_is_no_outage(store: FhirStore, name: str) -> None:
    bad = {**observation(name), "subject": {"reference": "Nonsense/1"}}
    with pytest.raises(FhirRejected):
        store.write([(bad, None)], [])
