"""Records from other hospitals are shown while their consent lasts, and every look is noted."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from adapter.flows import archive
from adapter.rules.states import HiuArtefactState
from tests.flows.harness import Json, Site
from tests.flows.hims import LIMITED, WHOLE, Hospital
from tests.flows.received import Given, bundle, give, receive
from tests.hapi_fixture import Client

pytestmark = pytest.mark.hapi

PARTS = ("", "/document", "/resources")


def get(hospital: Hospital, path: str, key: str = WHOLE) -> Any:
    headers = {"Authorization": f"Bearer {key}", "X-User": "Sister Mary"}
    return hospital.client.get(f"/hims/v1/received{path}", headers=headers)


def listed(hospital: Hospital, query: str, key: str = WHOLE) -> list[Json]:
    answer = get(hospital, f"?{query}", key)
    assert answer.status_code == 200, answer.json
    found: list[Json] = answer.json["received"]
    return found


def views(site: Site) -> list[Json]:
    """The audit trail's looks at received records."""
    site.run()
    return [e for e in site.audits() if e["subtype"][0]["code"] == "record:received:view"]


@pytest.fixture
def given(site: Site, hospital: Hospital) -> Given:
    """An artefact with one document."""
    return give(site, bundle(note="Fever elsewhere"))


def test_the_list_tells_source_dates_digest_and_state(hospital: Hospital, given: Given) -> None:
    (row,) = listed(hospital, f"patient={given.patient_id}")
    document = given.documents[0]
    assert row == {
        "id": document.document_id,
        "artefact_id": given.artefact_id,
        "patient_id": given.patient_id,
        "hip_id": given.hip_id,
        "state": "GRANTED",
        "transaction_id": "11111111-2222-4333-8444-555555555555",
        "care_context": "visit-1",
        "hi_type": "OPConsultation",
        "received_at": "2026-11-23T18:29:30.000Z",
        "shown_until": "2026-12-23T18:29:30.000Z",
        "size": document.size,
        "sha256": document.sha256,
        "resources": len(document.resources),
        "flags": [],
    }
    assert get(hospital, f"/{document.document_id}").json == row


def test_the_list_is_narrowed_by_artefact_hospital_and_type(
    site: Site, hospital: Hospital, given: Given
) -> None:
    other = give(site, b"no FHIR at all", patient_id=given.patient_id, hip_id="IN-THIRD")
    first, second = given.documents[0].document_id, other.documents[0].document_id
    patient = f"patient={given.patient_id}"
    found = {
        query: {row["id"] for row in listed(hospital, query)}
        for query in (
            patient,
            f"artefact={other.artefact_id}",
            f"{patient}&hip={given.hip_id}",
            f"{patient}&hip=IN-THIRD",
            f"{patient}&hi_type=OPConsultation",
            f"{patient}&hi_type=Prescription",
        )
    }
    assert list(found.values()) == [{first, second}, {second}, {first}, {second}, {first}, set()]
    assert get(hospital, "").status_code == 400


def test_the_document_is_given_out_byte_for_byte_with_its_digest(
    hospital: Hospital, given: Given
) -> None:
    answer = get(hospital, f"/{given.documents[0].document_id}/document")
    assert (answer.status_code, answer.data) == (200, given.contents[0])
    digest = base64.b64encode(hashlib.sha256(given.contents[0]).digest()).decode()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_resources_are_the_separate_ones_with_their_source(
    hospital: Hospital, given: Given
) -> None:
    answer = get(hospital, f"/{given.documents[0].document_id}/resources")
    found = answer.json["resources"]
    assert found[0]["resourceType"] == "Composition"
    assert {f"{each['resourceType']}/{each['id']}" for each in found} == {
        name for name in given.names if not name.startswith("Binary/")
    }
    assert {each["meta"]["source"] for each in found} == {f"urn:abdm:hip:{given.hip_id}"}


def test_every_look_is_noted_with_the_name_of_who_looked(
    site: Site, hospital: Hospital, given: Given
) -> None:
    document_id = given.documents[0].document_id
    listed(hospital, f"patient={given.patient_id}")
    for part in PARTS:
        assert get(hospital, f"/{document_id}{part}").status_code == 200
    events = views(site)
    assert len(events) == 4
    for event in events:
        assert event["outcome"] == "0"
        assert "Sister Mary" in json.dumps(event["agent"])
        assert given.patient_id in json.dumps(event["entity"])
    told = [e["description"] for event in events for e in event["entity"] if "description" in e]
    assert told == ["list", "metadata", "document", "resources"]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (HiuArtefactState.REVOKED, "The patient revoked the consent on 2026-11-23T18:29:30.000Z"),
        (HiuArtefactState.EXPIRED, "The consent's time ended on 2026-11-23T18:29:30.000Z"),
    ],
)
@pytest.mark.parametrize("archived", [False, True], ids=["at once", "archived"])
def test_after_the_end_each_view_is_refused_with_reason_and_date(
    site: Site,
    hospital: Hospital,
    given: Given,
    reason: HiuArtefactState,
    words: str,
    archived: bool,
) -> None:
    document_id = given.documents[0].document_id
    archive.note_end(site.adapter, given.artefact_id, reason)
    if archived:
        site.run()
    for part in PARTS:
        answer = get(hospital, f"/{document_id}{part}")
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "ABDM-1061")
        assert answer.json["error"]["message"].startswith(words)
    (row,) = listed(hospital, f"patient={given.patient_id}")
    assert (row["reason"], row["ended_at"]) == (str(reason), "2026-11-23T18:29:30.000Z")
    assert row["message"].startswith(words)
    assert not {"care_context", "hi_type", "flags", "sha256"} & set(row)
    refused = [event for event in views(site) if event["outcome"] == "4"]
    error = "ConsentRevoked" if reason is HiuArtefactState.REVOKED else "ConsentExpired"
    assert [event["outcomeDesc"] for event in refused] == [error] * 3
    assert all("Sister Mary" in json.dumps(event["agent"]) for event in refused)


def test_a_consent_whose_time_passed_shows_nothing_though_no_worker_has_noticed(
    site: Site, hospital: Hospital, given: Given
) -> None:
    site.clock.advance(days=30)
    answer = get(hospital, f"/{given.documents[0].document_id}/document")
    assert answer.status_code == 403
    assert "time ended on 2026-12-23T18:29:30.000Z" in answer.json["error"]["message"]
    assert given.row["reason"] == "EXPIRED"
    site.run()
    assert given.row["state"] == "ERASED"


def test_a_consent_ended_in_the_fhir_server_alone_ends_here_too(
    site: Site, hospital: Hospital, given: Given, fhir: Client
) -> None:
    consent = site.adapter.fhir.consent(f"hiu-{given.artefact_id}")
    assert consent is not None
    fhir.put({**consent, "status": "inactive"})
    (row,) = listed(hospital, f"patient={given.patient_id}")
    assert row["reason"] == "REVOKED"
    assert get(hospital, f"/{given.documents[0].document_id}/document").status_code == 403
    site.run()
    assert given.row["state"] == "ARCHIVED"


def test_without_its_consent_in_the_fhir_server_nothing_is_shown(
    site: Site, hospital: Hospital, given: Given
) -> None:
    site.adapter.fhir.erase([f"Consent/hiu-{given.artefact_id}"])
    answer = get(hospital, f"/{given.documents[0].document_id}/resources")
    assert answer.status_code == 403
    assert "not in the FHIR server any more" in answer.json["error"]["message"]
    (row,) = listed(hospital, f"patient={given.patient_id}")
    assert "hi_type" not in row
    assert given.row["state"] == "GRANTED"


def test_an_end_between_the_check_and_the_answer_holds_the_answer_back(
    site: Site, hospital: Hospital, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = site.adapter.fhir.verbatim

    def read_then_revoke(document_id: str) -> bytes | None:
        content = read(document_id)
        archive.note_end(site.adapter, given.artefact_id, HiuArtefactState.REVOKED)
        return content

    monkeypatch.setattr(site.adapter.fhir, "verbatim", read_then_revoke)
    answer = get(hospital, f"/{given.documents[0].document_id}/document")
    assert answer.status_code == 403
    assert [event["outcome"] for event in views(site)] == ["4"]


def test_while_the_consent_cannot_be_read_nothing_is_shown(
    site: Site, hospital: Hospital, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.adapter.fhir._client, "url", "http://127.0.0.1:9/fhir")
    document_id = given.documents[0].document_id
    for path in (f"?patient={given.patient_id}", *(f"/{document_id}{part}" for part in PARTS)):
        answer = get(hospital, path)
        assert (answer.status_code, answer.json["error"]["code"]) == (503, "ABDM-1019")


def test_another_facility_finds_nothing(site: Site, hospital: Hospital, given: Given) -> None:
    document_id = given.documents[0].document_id
    for part in PARTS:
        assert get(hospital, f"/{document_id}{part}", LIMITED).status_code == 404
    assert listed(hospital, f"patient={given.patient_id}", LIMITED) == []
    assert views(site) == []
    theirs = give(site, bundle(), hiu_id=hospital.other.hip_id, patient_id=given.patient_id)
    (row,) = listed(hospital, f"patient={given.patient_id}", LIMITED)
    assert row["id"] == theirs.documents[0].document_id


def test_bytes_that_were_changed_in_the_fhir_server_are_not_shown_as_received(
    hospital: Hospital, given: Given, fhir: Client
) -> None:
    document = given.documents[0]
    fhir.put({**document.binary, "data": base64.b64encode(b"something else").decode()})
    answer = get(hospital, f"/{document.document_id}/document")
    assert answer.status_code == 409
    assert "SHA-256" in answer.json["error"]["message"]


def test_a_document_of_many_resources_is_shown_whole(
    site: Site, hospital: Hospital, given: Given
) -> None:
    document = receive(given, bundle(450))
    answer = get(hospital, f"/{document.document_id}/resources")
    assert len(answer.json["resources"]) == 453
    site.clock.advance(seconds=1)
    newest = listed(hospital, f"artefact={given.artefact_id}")
    assert {row["resources"] for row in newest} == {5, 453}


def test_one_of_several_consents_ends_and_the_others_stay_shown(
    site: Site, hospital: Hospital, given: Given
) -> None:
    later = site.clock() + timedelta(days=60)
    other = give(site, bundle(), patient_id=given.patient_id, erase_at=later)
    archive.note_end(site.adapter, given.artefact_id, HiuArtefactState.REVOKED)
    site.run()
    rows = {row["artefact_id"]: row for row in listed(hospital, f"patient={given.patient_id}")}
    assert rows[given.artefact_id]["state"] == "ARCHIVED"
    assert rows[other.artefact_id]["state"] == "GRANTED"
    answer = get(hospital, f"/{other.documents[0].document_id}/document")
    assert answer.data == other.contents[0]
