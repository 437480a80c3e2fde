"""What the adapter relies on in its FHIR server, and where HAPI would surprise it."""

import base64
import http.server
import queue
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.hapi_fixture import Client, Hapi

pytestmark = pytest.mark.hapi

NO_CACHE = {"Cache-Control": "no-cache"}
TAGS = "https://abdm-adapter.test/tags"
PLACEHOLDER = "http://hapifhir.io/fhir/StructureDefinition/resource-placeholder"


def new_id(prefix: str) -> str:
    """An id of this test's own, so that tests share one server."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": new_id("pat"), **elements}


def medication_request(patient_id: str, encounter_id: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": new_id("rx"),
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "Metformin 500 mg"},
        "subject": {"reference": f"Patient/{patient_id}"},
        "encounter": {"reference": f"Encounter/{encounter_id}"},
    }


def encounter(encounter_id: str, patient_id: str) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": encounter_id,
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{patient_id}"},
    }


def transaction(*resources: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
            for r in resources
        ],
    }


# Who may call


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer wrong", "Bearer ", "Basic Zm9vOmJhcg=="],
    ids=["no token", "wrong token", "empty token", "another scheme"],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "Patient"),
        ("GET", "metadata/../Patient"),
        ("POST", ""),
        ("POST", "metadata"),
        ("POST", "$expunge"),
        ("PUT", "Patient/x"),
        ("DELETE", "Patient/x"),
    ],
)
def test_a_caller_without_the_token_is_refused_with_an_operation_outcome(
    hapi: Hapi, method: str, path: str, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    request = requests.Request(method, f"{hapi.base_url}/{path}", headers=headers).prepare()
    request.url = f"{hapi.base_url}/{path}"  # with the dots that requests would resolve
    with requests.Session() as session:
        answer = session.send(request, timeout=30)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert "FHIR_TOKEN" in answer.json()["issue"][0]["diagnostics"]


def test_the_capability_statement_is_open_and_says_r4(hapi: Hapi) -> None:
    answer = requests.get(f"{hapi.base_url}/metadata", timeout=60)
    assert answer.status_code == 200
    assert answer.json()["fhirVersion"] == "4.0.1"


def test_health_is_open_and_tells_no_details(hapi: Hapi) -> None:
    root = hapi.base_url.removesuffix("/fhir")
    answer = requests.get(f"{root}/actuator/health", timeout=30)
    assert (answer.status_code, answer.json()) == (200, {"status": "UP"})


@pytest.mark.parametrize(
    "path", ["/actuator/env", "/actuator/heapdump", "/actuator/prometheus", "/mcp/messages", "/"]
)
def test_nothing_but_the_fhir_api_and_health_is_served(hapi: Hapi, path: str) -> None:
    root = hapi.base_url.removesuffix("/fhir")
    assert requests.get(f"{root}{path}", timeout=30).status_code == 404


def test_no_foreign_web_page_may_read_records(fhir: Client) -> None:
    answer = fhir.call("GET", "Patient?_count=1", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


# Ids and writes


def test_the_same_put_on_a_derived_id_changes_nothing(fhir: Client) -> None:
    resource = patient(name=[{"text": "Asha Verma"}])
    assert fhir.put(resource).status_code == 201
    second = fhir.put(resource)
    assert second.status_code == 200
    assert second.json()["meta"]["versionId"] == "1"


def test_a_purely_numeric_id_is_refused(fhir: Client) -> None:
    answer = fhir.put({"resourceType": "Patient", "id": "4711"})
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_a_search_sees_a_write_at_once_although_it_ran_just_before(fhir: Client) -> None:
    value = new_id("mrn")
    query = f"Patient?identifier=https://hospital.test|{value}"
    assert fhir.get(query, headers=NO_CACHE).get("entry") is None
    fhir.put(patient(identifier=[{"system": "https://hospital.test", "value": value}]))
    assert len(fhir.get(query, headers=NO_CACHE)["entry"]) == 1


def test_a_tag_added_by_meta_add_survives_an_update_that_lacks_it(fhir: Client) -> None:
    resource = patient(meta={"tag": [{"system": TAGS, "code": "own"}]})
    fhir.put(resource)
    added = {"name": "meta", "valueMeta": {"tag": [{"system": TAGS, "code": "linked"}]}}
    answer = fhir.call(
        "POST",
        f"Patient/{resource['id']}/$meta-add",
        {"resourceType": "Parameters", "parameter": [added]},
    )
    assert answer.status_code == 200, answer.text
    fhir.put({"resourceType": "Patient", "id": resource["id"], "gender": "female"})
    stored = fhir.get(f"Patient/{resource['id']}")
    assert stored["gender"] == "female"
    assert {tag["code"] for tag in stored["meta"]["tag"]} == {"own", "linked"}
    found = fhir.get(f"Patient?_tag={TAGS}|linked&_id={resource['id']}", headers=NO_CACHE)
    assert len(found["entry"]) == 1


def test_meta_source_is_kept_as_given_without_a_request_id(fhir: Client) -> None:
    source = "https://facility.abdm.gov.in/IN2710000001"
    resource = patient(meta={"source": source})
    fhir.put(resource)
    assert fhir.get(f"Patient/{resource['id']}")["meta"]["source"] == source
    found = fhir.get(f"Patient?_source={source}&_id={resource['id']}", headers=NO_CACHE)
    assert len(found["entry"]) == 1


def test_a_refused_entry_leaves_nothing_of_its_transaction(fhir: Client) -> None:
    good = patient()
    bad = {"resourceType": "Patient", "id": "4711"}
    assert fhir.call("POST", "", transaction(good, bad)).status_code == 400
    assert fhir.call("GET", f"Patient/{good['id']}").status_code == 404


@pytest.mark.parametrize("megabytes", [12, 20], ids=lambda size: f"{size} MB")
def test_a_transaction_with_a_large_scan_is_stored_and_read_back(
    fhir: Client, megabytes: int
) -> None:
    content = base64.b64encode(bytes(range(256)) * (megabytes * 4096)).decode()
    scan = {"resourceType": "Binary", "id": new_id("bin"), "contentType": "application/pdf"}
    answer = fhir.call("POST", "", transaction({**scan, "data": content}))
    assert answer.status_code == 200, answer.text[:500]
    assert fhir.get(f"Binary/{scan['id']}")["data"] == content


def test_a_document_bundle_is_stored_with_its_references_untouched(fhir: Client) -> None:
    author, composition = f"urn:uuid:{uuid.uuid4()}", f"urn:uuid:{uuid.uuid4()}"
    document = {
        "resourceType": "Bundle",
        "id": new_id("doc"),
        "type": "document",
        "identifier": {"system": "https://hospital.test", "value": new_id("doc")},
        "timestamp": "2026-01-05T10:00:00+05:30",
        "entry": [
            {
                "fullUrl": composition,
                "resource": {
                    "resourceType": "Composition",
                    "status": "final",
                    "type": {"text": "OP consultation"},
                    "date": "2026-01-05T10:00:00+05:30",
                    "author": [{"reference": author, "display": "Dr Rao"}],
                    "title": "OP consultation",
                },
            },
            {"fullUrl": author, "resource": {"resourceType": "Practitioner"}},
        ],
    }
    assert fhir.put(document).status_code == 201
    stored = fhir.get(f"Bundle/{document['id']}")
    assert stored["entry"] == document["entry"]


# References


def test_a_prescription_may_come_before_its_visit_and_is_found_with_it(fhir: Client) -> None:
    person, visit = patient(), new_id("enc")
    fhir.put(person)
    prescription = medication_request(person["id"], visit)
    assert fhir.put(prescription).status_code == 201
    placeholder = fhir.get(f"Encounter/{visit}")
    assert any(extension["url"] == PLACEHOLDER for extension in placeholder["extension"])

    fhir.put(encounter(visit, person["id"]))
    found = fhir.get(
        f"Encounter?_id={visit}&_revinclude=MedicationRequest:encounter", headers=NO_CACHE
    )
    assert {entry["resource"]["id"] for entry in found["entry"]} == {visit, prescription["id"]}
    stored = next(e["resource"] for e in found["entry"] if e["resource"]["id"] == visit)
    assert "extension" not in stored


def test_a_resource_that_others_point_at_can_be_deleted(fhir: Client) -> None:
    person, visit = patient(), new_id("enc")
    fhir.put(person)
    fhir.put(encounter(visit, person["id"]))
    assert fhir.call("DELETE", f"Patient/{person['id']}").status_code == 200
    assert fhir.call("GET", f"Patient/{person['id']}").status_code == 410


def test_an_absolute_reference_to_another_server_is_kept(fhir: Client) -> None:
    visit = encounter(new_id("enc"), "unused")
    visit["subject"] = {"reference": "https://other.example/fhir/Patient/p1", "display": "Asha"}
    assert fhir.put(visit).status_code == 201
    assert fhir.get(f"Encounter/{visit['id']}")["subject"] == visit["subject"]


# Erasure

EXPUNGE = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "expungeDeletedResources", "valueBoolean": True},
        {"name": "expungePreviousVersions", "valueBoolean": True},
    ],
}


def test_expunge_removes_a_deleted_resource_from_its_history(fhir: Client) -> None:
    resource = patient(name=[{"text": "to be erased"}])
    fhir.put(resource)
    fhir.put({**resource, "gender": "male"})
    fhir.call("DELETE", f"Patient/{resource['id']}")
    assert fhir.call("GET", f"Patient/{resource['id']}/_history/1").status_code == 200
    answer = fhir.call("POST", f"Patient/{resource['id']}/$expunge", EXPUNGE)
    assert answer.status_code == 200, answer.text
    for path in ("", "/_history/1", "/_history/2"):
        gone = fhir.call("GET", f"Patient/{resource['id']}{path}")
        assert gone.status_code == 404, path
    assert "to be erased" not in fhir.call("GET", f"Patient/{resource['id']}/_history").text


def test_what_another_resource_still_points_at_cannot_be_expunged_until_it_lets_go(
    fhir: Client,
) -> None:
    person, visit = patient(), encounter(new_id("enc"), "")
    visit["subject"] = {"reference": f"Patient/{person['id']}"}
    fhir.call("POST", "", transaction(person, visit))
    fhir.call("DELETE", f"Patient/{person['id']}")
    expunge = f"Patient/{person['id']}/$expunge"
    assert fhir.call("POST", expunge, EXPUNGE).status_code == 412
    fhir.put({**visit, "subject": {"display": "erased"}})
    assert fhir.call("POST", expunge, EXPUNGE).status_code == 200
    assert fhir.call("GET", f"Patient/{person['id']}/_history/1").status_code == 404


# Searches


def test_next_links_stay_under_the_base_url_and_reach_every_match(fhir: Client) -> None:
    family = new_id("Family").replace("-", "")
    people = [patient(name=[{"family": family}]) for _ in range(7)]
    fhir.call("POST", "", transaction(*people))
    page = fhir.get(f"Patient?family={family}&_count=3", headers=NO_CACHE)
    seen: list[str] = []
    while True:
        seen += [entry["resource"]["id"] for entry in page["entry"]]
        link = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
        if link is None:
            break
        assert link.startswith(fhir.base_url)
        page = fhir.get(link)
    assert sorted(seen) == sorted(person["id"] for person in people)


def test_everything_about_a_patient_is_one_call(fhir: Client) -> None:
    person, visit = patient(), new_id("enc")
    fhir.call("POST", "", transaction(person, encounter(visit, person["id"])))
    found = fhir.get(f"Patient/{person['id']}/$everything", headers=NO_CACHE)
    assert {entry["resource"]["id"] for entry in found["entry"]} == {person["id"], visit}


# Subscriptions


@pytest.fixture
def hook() -> Iterator[tuple[str, "queue.Queue[str]"]]:
    """A loopback endpoint for rest-hooks: its URL and the methods that arrived."""
    arrived: queue.Queue[str] = queue.Queue()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            arrived.put(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/ping", arrived
    server.shutdown()
    server.server_close()


def test_a_rest_hook_subscription_tells_of_new_records(
    fhir: Client, hook: tuple[str, "queue.Queue[str]"]
) -> None:
    url, arrived = hook
    subscription = {
        "resourceType": "Subscription",
        "id": new_id("sub"),
        "status": "requested",
        "reason": "new visits",
        "criteria": "Encounter?status=finished",
        "channel": {"type": "rest-hook", "endpoint": url},
    }
    assert fhir.put(subscription).status_code == 201
    deadline = time.monotonic() + 30
    while fhir.get(f"Subscription/{subscription['id']}")["status"] != "active":
        assert time.monotonic() < deadline, "the subscription was never activated"
        time.sleep(0.2)
    person = patient()
    fhir.put(person)
    try:
        fhir.put(encounter(new_id("enc"), person["id"]))
        assert arrived.get(timeout=30) == "/ping"
    finally:
        fhir.call("DELETE", f"Subscription/{subscription['id']}")
