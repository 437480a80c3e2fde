"""What came from another hospital never leaves as ours, though it names the very same patient."""

from typing import Any

import pytest

from tests.flows.harness import (
    ON_DISCOVER,
    ON_REQUEST,
    PUSH,
    Hiu,
    Json,
    Site,
    artefact,
    discovery,
    error_code,
    grant,
    reference_of,
)
from tests.flows.hims import WHOLE, Hospital
from tests.flows.received import Given, bundle, give
from tests.flows.wire import in_both

pytestmark = pytest.mark.hapi

WORD = "Seen elsewhere"


@pytest.fixture
def patient(site: Site, hospital: Hospital) -> Json:
    """A patient of the site with ABHA address, number and mobile."""
    return site.patient()


@pytest.fixture
def visit(site: Site, patient: Json) -> list[Json]:
    """The patient's one own visit."""
    made = site.visit(patient)
    site.admit(patient, made)
    return made


@pytest.fixture
def given(site: Site, patient: Json, visit: list[Json]) -> Given:
    """A document whose Patient has the own patient's identifiers and telephone."""
    same = {name: patient[name] for name in ("identifier", "telecom", "gender", "birthDate")}
    return give(site, bundle(note=WORD, **same), own_patient=patient["id"])


def received(given: Given, resource_type: str) -> str:
    """The id of the received resource of this type."""
    (name,) = [name for name in given.names if name.startswith(f"{resource_type}/")]
    return name.partition("/")[2]


def get(hospital: Hospital, path: str) -> Any:
    headers = {"Authorization": f"Bearer {WHOLE}", "X-User": "Sister Mary"}
    return hospital.client.get(f"/hims/v1/{path}", headers=headers)


@in_both
def test_discovery_finds_the_own_patient_and_own_visits_only(
    site: Site, patient: Json, visit: list[Json], given: Given
) -> None:
    site.deliver("DiscoverCareContexts", discovery(patient))
    offered = site.outside.only(ON_DISCOVER).body["patient"]
    contexts = {c["referenceNumber"] for each in offered for c in each["careContexts"]}
    assert contexts == {reference_of(visit)}


def test_care_contexts_are_the_own_ones_only(
    hospital: Hospital, patient: Json, visit: list[Json], given: Given
) -> None:
    answer = get(hospital, f"patients/{patient['id']}/care-contexts")
    assert [c["reference"] for c in answer.json["care_contexts"]] == [reference_of(visit)]
    theirs = get(hospital, f"patients/{received(given, 'Patient')}/care-contexts")
    assert theirs.status_code == 404


def test_no_document_is_built_and_no_link_made_of_a_received_visit(
    hospital: Hospital, given: Given
) -> None:
    encounter = received(given, "Encounter")
    for hi_type in ("OPConsultation", "Prescription"):
        built = get(hospital, f"documents/Encounter-{encounter}?hi_type={hi_type}")
        assert built.status_code == 404
    body = {"encounter": encounter}
    headers = {"Authorization": f"Bearer {WHOLE}", "X-User": "Sister Mary"}
    linked = hospital.client.post("/hims/v1/links", json=body, headers=headers)
    assert linked.status_code == 404


def test_the_documents_of_the_own_visit_hold_nothing_received(
    hospital: Hospital, visit: list[Json], given: Given
) -> None:
    answer = get(hospital, f"documents/{reference_of(visit)}?hi_type=OPConsultation")
    assert answer.status_code == 200
    assert WORD not in answer.text
    assert "rcv-" not in answer.text


@in_both
def test_a_consent_for_own_visits_brings_own_records_only(
    site: Site, patient: Json, visit: list[Json], given: Given
) -> None:
    detail = artefact(site, patient, visit)
    site.deliver("HipConsentNotify", grant(detail))
    hiu = Hiu()
    site.deliver("HipHealthInformationRequest", hiu.request(site, detail))
    pages = [hiu.open(call) for call in site.outside.to(PUSH)]
    assert [reference for reference, _ in pages] == [reference_of(visit)] * 2
    assert all(WORD not in str(document) and "rcv-" not in str(document) for _, document in pages)


def test_a_consent_that_names_a_received_visit_is_refused_as_unknown(
    site: Site, patient: Json, visit: list[Json], given: Given
) -> None:
    detail = artefact(site, patient, visit)
    theirs = f"Encounter-{received(given, 'Encounter')}"
    detail["careContexts"].append({"patientReference": "MRN-1", "careContextReference": theirs})
    site.deliver("HipConsentNotify", grant(detail))
    site.deliver("HipHealthInformationRequest", Hiu().request(site, detail))
    assert error_code(site.outside.only(ON_REQUEST)) == "ABDM-1057"
    assert site.outside.to(PUSH) == []
