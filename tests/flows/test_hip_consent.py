"""Consent notices: stored before acknowledged, ended for good, whatever comes first."""

import uuid
from typing import Any

import pytest

from adapter.protocol.errors import FhirUnavailable
from adapter.rules import consent_resource
from tests.flows.harness import ON_NOTIFY, Json, Site, artefact, end, grant
from tests.flows.wire import BOTH

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


def stored(site: Site, detail: Json) -> Json:
    resource = site.adapter.fhir.consent(f"hip-{detail['consentId']}")
    assert resource is not None
    return resource


def acknowledged(site: Site) -> list[str]:
    bodies = [call.body for call in site.outside.to(ON_NOTIFY)]
    assert all(body["acknowledgement"]["status"] == "OK" for body in bodies)
    return [body["response"]["requestId"] for body in bodies]


@pytest.fixture
def detail(site: Site) -> Json:
    patient = site.patient()
    visit = site.visit(patient)
    site.admit(patient, visit)
    return artefact(site, patient, visit)


def test_a_granted_artefact_is_stored_before_it_is_acknowledged(site: Site, detail: Json) -> None:
    at_ack: list[Json] = []
    site.outside.hook = lambda call: (
        at_ack.append(stored(site, detail)) if call.path.endswith(ON_NOTIFY) else None
    )
    asked = site.deliver("HipConsentNotify", grant(detail))
    assert acknowledged(site) == [asked]
    (resource,) = at_ack
    assert resource["status"] == "active"
    facts = consent_resource.read(resource)
    assert (facts.hiu_id, facts.hi_types) == ("HIU-1", ("OPConsultation", "Prescription"))


@pytest.mark.parametrize("status", ["REVOKED", "EXPIRED"])
def test_an_ended_consent_leaves_a_tombstone_without_the_artefact(
    site: Site, detail: Json, status: str
) -> None:
    site.deliver("HipConsentNotify", grant(detail))
    site.deliver("HipConsentNotify", end(detail, status))
    assert len(acknowledged(site)) == 2
    resource = stored(site, detail)
    assert resource["status"] == "inactive"
    assert consent_resource.read(resource).state == status
    assert "sourceAttachment" not in resource
    assert "provision" not in resource
    codes = [event["subtype"][0]["code"] for event in site.audits()]
    assert sorted(codes) == ["consent:artefact:end", "consent:artefact:receive"]


@pytest.mark.parametrize("status", ["REVOKED", "EXPIRED"])
def test_an_end_that_overtakes_its_grant_wins(site: Site, detail: Json, status: str) -> None:
    first = site.deliver("HipConsentNotify", end(detail, status))
    second = site.deliver("HipConsentNotify", grant(detail))
    assert acknowledged(site) == [first, second]
    assert stored(site, detail)["status"] == "inactive"
    outcomes = [event.get("outcomeDesc") for event in site.audits()]
    assert sorted(map(str, outcomes)) == ["IllegalTransition", "None"]


def test_the_first_end_stands(site: Site, detail: Json) -> None:
    site.deliver("HipConsentNotify", end(detail, "REVOKED"))
    site.deliver("HipConsentNotify", end(detail, "EXPIRED"))
    assert consent_resource.read(stored(site, detail)).state == "REVOKED"
    assert len(acknowledged(site)) == 2


def test_a_revocation_in_the_middle_of_the_grants_work_wins(
    site: Site, detail: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other worker's revocation comes between the grant's FHIR write and its commit."""
    put = site.adapter.fhir.put
    revoked: list[str] = []

    def put_then_revoke(resource: Json) -> None:
        put(resource)
        if resource["resourceType"] == "Consent" and not revoked:
            revoked.append("once")
            site.deliver("HipConsentNotify", end(detail, "REVOKED"))
            put(resource)  # the grant's own write lands last

    monkeypatch.setattr(site.adapter.fhir, "put", put_then_revoke)
    site.deliver("HipConsentNotify", grant(detail))
    site.wait(30)
    assert stored(site, detail)["status"] == "inactive"
    assert len(acknowledged(site)) == 2


def test_the_same_notice_twice_is_stored_and_acknowledged_once(site: Site, detail: Json) -> None:
    asked = site.deliver("HipConsentNotify", grant(detail))
    site.deliver("HipConsentNotify", grant(detail), request_id=asked)
    assert acknowledged(site) == [asked]
    assert stored(site, detail)["meta"]["versionId"] == "1"


@pytest.mark.parametrize("status", ["DENIED", "REQUESTED"])
def test_a_notice_that_concerns_no_hip_is_acknowledged_and_stores_nothing(
    site: Site, status: str
) -> None:
    detail = {"consentId": str(uuid.uuid4())}
    site.deliver("HipConsentNotify", end(detail, status))
    assert len(acknowledged(site)) == 1
    assert site.adapter.fhir.consent(f"hip-{detail['consentId']}") is None


def test_while_fhir_is_down_nothing_is_acknowledged_and_nothing_is_lost(
    site: Site, detail: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any) -> None:
        raise FhirUnavailable("The FHIR server cannot be reached.")

    with monkeypatch.context() as outage:
        outage.setattr(site.adapter.fhir, "put", down)
        asked = site.deliver("HipConsentNotify", grant(detail))
        site.wait(120)
        assert site.outside.to(ON_NOTIFY) == []
    site.wait(30)
    assert acknowledged(site) == [asked]
    assert stored(site, detail)["status"] == "active"
