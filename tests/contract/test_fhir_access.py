"""What each role may see and do on our FHIR server, and by which ways nothing leaks past that.

`own` is the hospital's; `rcv-…` came from another hospital and is tagged `received`; `by-tag` has
only the tag, so that each way is closed by the tag and not by the id alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mappings import systems
from tests import issuer as issuers
from tests.hapi_fixture import Client, Guarded, Hapi

pytestmark = pytest.mark.hapi

Resource = dict[str, Any]

RECEIVED = {
    "source": "urn:abdm:hip:IN0410000999",
    "tag": [{"system": systems.TAG, "code": systems.TAG_RECEIVED}],
}
RCV, RCVP, RCV_GONE = f"rcv-{'a' * 40}", f"rcvp-{'a' * 40}", f"rcv-{'d' * 40}"
CODES = "urn:access-test"
RESTRICTED = ("hims", "analyst", "analyst.received")
UNRESTRICTED = ("adapter", "admin")
EXPUNGE = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "expungeDeletedResources", "valueBoolean": True},
        {"name": "expungePreviousVersions", "valueBoolean": True},
    ],
}


def observation(resource_id: str, subject: str, code: str, **elements: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": resource_id,
        "status": "final",
        "code": {"coding": [{"system": CODES, "code": code}]},
        "subject": {"reference": subject},
        **elements,
    }


def without_id(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name != "id"}


def provenance(resource_id: str, target: str, **elements: Any) -> Resource:
    return {
        "resourceType": "Provenance",
        "id": resource_id,
        "target": [{"reference": target}],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"display": "abdm_user_internal"}}],
        **elements,
    }


OWN_PATIENT = {"resourceType": "Patient", "id": "own", "name": [{"text": "Asha Verma"}]}
RECEIVED_PATIENT = {
    "resourceType": "Patient",
    "id": RCV,
    "meta": RECEIVED,
    "name": [{"text": "Asha V"}],
    "link": [{"other": {"reference": "Patient/own"}, "type": "seealso"}],
}
CONSENT = {
    "resourceType": "Consent",
    "id": "hip-1",
    "status": "active",
    "scope": {"text": "ABDM"},
    "category": [{"text": "ABDM"}],
    "patient": {"reference": "Patient/own"},
}
AUDIT_EVENT = {
    "resourceType": "AuditEvent",
    "id": "audit-1",
    "type": {"code": "view"},
    "recorded": "2026-01-01T00:00:00Z",
    "agent": [{"requestor": True}],
    "source": {"observer": {"display": "abdm_user_internal"}},
    "entity": [{"what": {"reference": "Patient/own"}}],
}
SUBSCRIPTION = {
    "resourceType": "Subscription",
    "id": "bell",
    "status": "off",
    "reason": "new records",
    "criteria": "Observation?",
    "channel": {
        "type": "rest-hook",
        "endpoint": "http://127.0.0.1:1/bell",
        "payload": "application/fhir+json",
    },
}
COMPOSITION = {
    "resourceType": "Composition",
    "id": "own-letter",
    "status": "final",
    "type": {"text": "Letter"},
    "subject": {"reference": "Patient/own"},
    "date": "2026-01-01",
    "author": [{"reference": "Patient/own"}],
    "title": "Letter",
    "section": [{"entry": [{"reference": "Observation/by-tag"}]}],
}
RECORDS: list[Resource] = [
    OWN_PATIENT,
    {"resourceType": "Patient", "id": "other"},
    observation("own-sugar", "Patient/own", "sugar"),
    RECEIVED_PATIENT,
    observation(RCV, f"Patient/{RCV}", "sugar", meta=RECEIVED),
    observation("by-tag", "Patient/own", "sugar", meta=RECEIVED),
    {
        "resourceType": "Binary",
        "id": RCV,
        "meta": RECEIVED,
        "contentType": "application/fhir+json",
        "data": "e30=",
    },
    provenance("own-origin", "Patient/own"),
    provenance(RCVP, f"Patient/{RCV}", meta=RECEIVED),
    CONSENT,
    AUDIT_EVENT,
    SUBSCRIPTION,
    COMPOSITION,
]


def bundle(kind: str, *entries: tuple[str, str, Resource | None]) -> Resource:
    """A batch or transaction of (method, url, resource)."""
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [
            {"request": {"method": method, "url": url}, **({"resource": body} if body else {})}
            for method, url, body in entries
        ],
    }


def keys(found: Resource) -> set[str]:
    """`Type/id` of everything in a Bundle."""
    return {
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in found.get("entry", [])
    }


def refusal(answer: requests.Response) -> str:
    """The sentence of a 403."""
    assert answer.status_code == 403, f"{answer.status_code} {answer.text[:500]}"
    sentence: str = answer.json()["issue"][0]["diagnostics"]
    return sentence


@pytest.fixture(scope="module", autouse=True)
def records(guarded: Guarded) -> None:
    """The records of this module, written by the adapter."""
    adapter = guarded.callers["adapter"]
    for resource in RECORDS:
        assert adapter.put(resource).status_code in (200, 201)
    gone = {**RECEIVED_PATIENT, "id": RCV_GONE, "link": []}
    adapter.put(gone)
    assert adapter.call("DELETE", f"Patient/{RCV_GONE}").status_code == 200


@pytest.fixture(params=RESTRICTED)
def restricted(request: pytest.FixtureRequest, guarded: Guarded) -> Client:
    """A caller of each role that does not see or may not do everything, in turn."""
    return guarded.callers[request.param]


@pytest.fixture(params=["hims", "analyst"])
def unscoped(request: pytest.FixtureRequest, guarded: Guarded) -> Client:
    """A caller of each role that sees own records only, in turn."""
    return guarded.callers[request.param]


@pytest.fixture
def hims(guarded: Guarded) -> Client:
    return guarded.callers["hims"]


@pytest.fixture
def adapter(guarded: Guarded) -> Client:
    return guarded.callers["adapter"]


# Reading one resource

READ = [
    # path, and the answers to hims, analyst, analyst.received
    ("Patient/own", 200, 200, 200),
    ("Observation/own-sugar/_history/1", 200, 200, 200),
    ("Observation/own-sugar/_history", 200, 200, 200),
    (f"Patient/{RCV}", 404, 404, 200),
    (f"Patient/{RCV}/_history/1", 404, 404, 200),
    (f"Patient/{RCV}/_history", 404, 404, 200),
    (f"Patient/{RCV}/$everything", 404, 404, 200),
    (f"Binary/{RCV}", 404, 404, 200),
    ("Observation/by-tag", 404, 404, 200),
    ("Observation/by-tag/_history/1", 404, 404, 200),
    (f"Patient/{RCV_GONE}", 404, 404, 410),
    (f"Provenance/{RCVP}", 403, 404, 200),
    ("Provenance/own-origin", 403, 200, 200),
    ("Consent/hip-1", 403, 200, 200),
    ("Consent/hip-1/_history", 403, 200, 200),
    ("AuditEvent/audit-1", 403, 200, 200),
    ("Subscription/bell", 403, 403, 403),
    ("Subscription", 403, 403, 403),
    ("_history", 403, 403, 403),
    ("Observation/_history", 403, 403, 403),
    ("Patient/$everything", 403, 403, 403),
    ("Patient/own/$meta", 403, 403, 403),
    ("Patient/$meta", 403, 403, 403),
    ("$meta", 403, 403, 403),
    ("$get-resource-counts", 403, 403, 403),
    ("Patient/own/$validate", 403, 403, 403),
    ("Observation/by-tag/$validate", 403, 403, 403),
    ("ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender", 200, 200, 200),
    # What this server does not offer to anyone
    ("?_type=Patient,Consent", 400, 400, 400),
    (f"Observation?_filter=code eq {CODES}|sugar", 400, 400, 400),
    ("$graphql?query={PatientList{id}}", 400, 400, 400),
]


@pytest.mark.parametrize(("path", "hims", "analyst", "scoped"), READ, ids=[row[0] for row in READ])
def test_a_read_answers_as_the_role_may_see(
    guarded: Guarded, path: str, hims: int, analyst: int, scoped: int
) -> None:
    answered = [guarded.callers[role].call("GET", path).status_code for role in RESTRICTED]
    assert answered == [hims, analyst, scoped]


def test_adapter_and_admin_read_everything(guarded: Guarded) -> None:
    for role in UNRESTRICTED:
        for resource in RECORDS:
            path = f"{resource['resourceType']}/{resource['id']}"
            assert guarded.callers[role].call("GET", path).status_code == 200, (role, path)
        assert guarded.callers[role].call("GET", "_history").status_code == 200


def test_a_received_record_answers_to_the_letter_like_one_that_never_was(unscoped: Client) -> None:
    never = f"rcv-{'0' * 40}"
    expected = unscoped.call("GET", f"Patient/{never}").text
    assert unscoped.call("GET", f"Patient/{RCV}").text.replace(RCV, never) == expected
    assert unscoped.call("GET", f"Patient/{RCV_GONE}").text.replace(RCV_GONE, never) == expected


def test_the_bytes_of_a_received_document_are_not_given_out_raw(unscoped: Client) -> None:
    answer = unscoped.call("GET", f"Binary/{RCV}", headers={"Accept": "application/pdf"})
    assert answer.status_code == 404


def test_the_history_of_a_record_known_by_tag_only_is_empty(unscoped: Client) -> None:
    assert unscoped.get("Observation/by-tag/_history").get("entry", []) == []


def test_a_refusal_names_the_role_and_the_one_that_is_needed(guarded: Guarded) -> None:
    said = {
        role: refusal(guarded.callers[role].call("GET", "$get-resource-counts"))
        for role in RESTRICTED
    }
    for role, sentence in said.items():
        assert f"'{role}'" in sentence
        assert "'admin'" in sentence


# Searching

SUGAR = f"code={CODES}|sugar"
OWN_SUGAR = {"Observation/own-sugar"}
ALL_SUGAR = {"Observation/own-sugar", "Observation/by-tag", f"Observation/{RCV}"}
PATIENT_WITH = (
    "Patient?_id=own&_revinclude=Patient:link&_revinclude=Observation:subject"
    "&_revinclude=Provenance:target&_revinclude=Consent:patient"
)
FOUND = [
    # search, what hims, analyst and analyst.received find
    (f"Observation?{SUGAR}", OWN_SUGAR, OWN_SUGAR, ALL_SUGAR),
    (f"Observation?{SUGAR}&_count=1&_elements=code", OWN_SUGAR, OWN_SUGAR, None),
    ("Observation?_id=by-tag,own-sugar", OWN_SUGAR, OWN_SUGAR, ALL_SUGAR - {f"Observation/{RCV}"}),
    (
        f"Observation?{SUGAR}&_tag={systems.TAG}|{systems.TAG_RECEIVED}",
        set(),
        set(),
        ALL_SUGAR - OWN_SUGAR,
    ),
    (f"Observation?{SUGAR}&_source={RECEIVED['source']}", set(), set(), ALL_SUGAR - OWN_SUGAR),
    (
        PATIENT_WITH,
        {"Patient/own", *OWN_SUGAR},
        {"Patient/own", *OWN_SUGAR, "Provenance/own-origin", "Consent/hip-1"},
        {
            *("Patient/own", *OWN_SUGAR, "Provenance/own-origin", "Consent/hip-1"),
            *(f"Patient/{RCV}", "Observation/by-tag"),
        },
    ),
    (
        "Patient?_id=own&_revinclude:iterate=Patient:link&_revinclude:iterate=Observation:subject",
        {"Patient/own", *OWN_SUGAR},
        {"Patient/own", *OWN_SUGAR},
        {"Patient/own", f"Patient/{RCV}", *ALL_SUGAR},
    ),
    (
        "Composition?_id=own-letter&_include=Composition:entry",
        {"Composition/own-letter"},
        {"Composition/own-letter"},
        {"Composition/own-letter", "Observation/by-tag"},
    ),
    ("Observation?subject.link=Patient/own", set(), set(), {f"Observation/{RCV}"}),
    (
        "Provenance?target=Patient/own",
        403,
        {"Provenance/own-origin"},
        {"Provenance/own-origin"},
    ),
    ("Consent?patient=Patient/own", 403, {"Consent/hip-1"}, {"Consent/hip-1"}),
    ("AuditEvent?entity=Patient/own", 403, {"AuditEvent/audit-1"}, {"AuditEvent/audit-1"}),
    # Questions about what is not returned
    (f"Patient?_has:Observation:subject:{SUGAR}&_id=own", {"Patient/own"}, {"Patient/own"}, None),
    ("Patient?_has:Patient:link:name=Asha", 403, 403, {"Patient/own"}),
    (f"Patient?_has:Patient:link:_has:Observation:subject:{SUGAR}", 403, 403, {"Patient/own"}),
    ("Patient?_has:Consent:patient:status=active", 403, {"Patient/own"}, {"Patient/own"}),
    ("Observation?subject:Patient._has:Consent:patient:status=active", 403, OWN_SUGAR, None),
    ("Observation?subject:Patient._has:Patient:link:name=Asha&_id=own-sugar", 403, 403, OWN_SUGAR),
    ("Observation?subject._has:Patient:link:name=Asha&_id=own-sugar", 403, 403, OWN_SUGAR),
    ("Patient?_has:Observation:subject:subject._has:Patient:link:name=Asha", 403, 403, None),
]


@pytest.mark.parametrize(
    ("search", "hims", "analyst", "scoped"), FOUND, ids=[row[0] for row in FOUND]
)
@pytest.mark.parametrize("way", ["GET", "POST _search"])
def test_a_search_finds_what_the_role_may_see(
    guarded: Guarded, way: str, search: str, hims: object, analyst: object, scoped: object
) -> None:
    for role, expected in zip(RESTRICTED, (hims, analyst, scoped), strict=True):
        if expected is None:
            continue
        answer = searched(guarded.callers[role], way, search)
        if expected == 403:
            refusal(answer)
        else:
            assert answer.status_code == 200, answer.text
            assert keys(answer.json()) == expected, role


def searched(client: Client, way: str, search: str) -> requests.Response:
    if way == "GET":
        return client.call("GET", search)
    resource_type, _, query = search.partition("?")
    return client.session.post(
        f"{client.base_url}/{resource_type}/_search",
        data=query,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        timeout=60,
    )


@pytest.mark.parametrize("way", ["GET", "POST _search"])
@pytest.mark.parametrize("count", ["_summary=count", "_total=accurate&_count=1"])
def test_a_count_counts_only_what_the_role_may_see(guarded: Guarded, way: str, count: str) -> None:
    totals = {
        role: searched(client, way, f"Observation?{SUGAR}&{count}").json()["total"]
        for role, client in guarded.callers.items()
    }
    assert totals == {"hims": 1, "analyst": 1, "analyst.received": 3, "adapter": 3, "admin": 3}


@pytest.mark.parametrize("resource_type", ["Consent", "Provenance", "AuditEvent"])
def test_a_hims_cannot_count_what_is_the_adapters(hims: Client, resource_type: str) -> None:
    refusal(hims.call("GET", f"{resource_type}?_summary=count"))


def pages(first: Resource, client: Client) -> list[Resource]:
    """This page and all that follow it, by its links."""
    found = [first]
    while links := [each["url"] for each in found[-1]["link"] if each["relation"] == "next"]:
        found.append(client.get(links[0]))
    return found


def test_a_restricted_caller_turns_the_pages_of_a_search(restricted: Client, hims: Client) -> None:
    search = f"Observation?code={CODES}|page&_count=2"
    for number in range(5):
        hims.put(observation(f"page-{number}", "Patient/other", "page"))
    found = pages(restricted.get(search), restricted)
    assert [len(keys(page)) for page in found] == [2, 2, 1]


def test_the_pages_of_anothers_search_hold_only_what_the_role_may_see(
    unscoped: Client, adapter: Client
) -> None:
    first = adapter.get(f"Observation?{SUGAR}&_count=1")
    following = pages(first, unscoped)[1:]
    assert len(following) == 2
    assert set().union(*map(keys, following)) <= OWN_SUGAR
    assert not [page for page in following if "total" in page]


def test_everything_of_a_patient_leaves_out_what_is_hidden_and_counts_nothing(
    guarded: Guarded,
) -> None:
    own = {"Patient/own", "Observation/own-sugar", "Composition/own-letter"}
    adapters = {"Provenance/own-origin", "Consent/hip-1", "AuditEvent/audit-1"}
    received = {f"Patient/{RCV}", "Observation/by-tag"}
    for role, expected in {
        "hims": own,
        "analyst": own | adapters,
        "analyst.received": own | adapters | received,
    }.items():
        found = guarded.callers[role].get("Patient/own/$everything")
        assert keys(found) == expected, role
        assert "total" not in found


def test_a_document_made_by_the_server_leaves_out_what_is_hidden(guarded: Guarded) -> None:
    made = {
        role: keys(client.get("Composition/own-letter/$document"))
        for role, client in guarded.callers.items()
    }
    assert "Observation/by-tag" in made["adapter"]
    assert "Observation/by-tag" in made["analyst.received"]
    assert "Observation/by-tag" not in made["hims"] | made["analyst"]


# Writing


def test_only_the_hims_among_the_restricted_writes(guarded: Guarded) -> None:
    written = observation("written", "Patient/other", "pulse")
    for role, expected in {"analyst": 403, "analyst.received": 403, "hims": 201}.items():
        assert guarded.callers[role].put(written).status_code == expected, role
    hims = guarded.callers["hims"]
    patch = [{"op": "replace", "path": "/status", "value": "amended"}]
    assert patched(hims, "Observation/written", patch).status_code == 200
    assert hims.get("Observation/written")["status"] == "amended"
    answer = hims.call("POST", "", bundle("transaction", ("PUT", "Patient/own", OWN_PATIENT)))
    assert answer.status_code == 200
    for role in ("analyst", "analyst.received"):
        client = guarded.callers[role]
        refusal(client.call("POST", "Observation", without_id(written)))
        refusal(patched(client, "Observation/written", patch))
        refusal(client.call("DELETE", "Observation/written"))
        refusal(client.call("POST", "", bundle("transaction", ("PUT", "Patient/own", OWN_PATIENT))))
    assert hims.call("DELETE", "Observation/written").status_code == 200


def patched(client: Client, path: str, patch: list[Resource]) -> requests.Response:
    kind = {"Content-Type": "application/json-patch+json"}
    return client.session.patch(
        f"{client.base_url}/{path}", data=json.dumps(patch), headers=kind, timeout=60
    )


PATCH = [{"op": "replace", "path": "/status", "value": "amended"}]
PATCH_ENTRY = {
    "resourceType": "Binary",
    "contentType": "application/json-patch+json",
    "data": base64.b64encode(json.dumps(PATCH).encode()).decode(),
}


@pytest.mark.parametrize("resource_id", ["by-tag", RCV])
def test_a_hims_can_neither_change_nor_delete_a_received_record(
    hims: Client, adapter: Client, resource_id: str
) -> None:
    name = f"Observation/{resource_id}"
    before = adapter.get(name)
    plain = observation(resource_id, "Patient/own", "sugar")
    refusal(hims.put(plain))
    refusal(patched(hims, name, PATCH))
    refusal(hims.call("DELETE", name))
    changes: list[tuple[str, str, Resource | None]] = [
        ("PUT", name, plain),
        ("PATCH", name, PATCH_ENTRY),
        ("DELETE", name, None),
    ]
    for entry in changes:
        refusal(hims.call("POST", "", bundle("transaction", entry)))
        batch = hims.call("POST", "", bundle("batch", entry)).json()
        assert batch["entry"][0]["response"]["status"].startswith("403"), entry[0]
    assert adapter.get(name) == before


def test_a_hims_cannot_pass_a_record_off_as_received(hims: Client) -> None:
    refusal(hims.put(observation("mine", "Patient/other", "pulse", meta=RECEIVED)))
    refusal(hims.put(observation(f"rcv-{'9' * 40}", "Patient/other", "pulse")))
    add_tag = [{"op": "add", "path": "/meta/tag", "value": RECEIVED["tag"]}]
    refusal(patched(hims, "Observation/own-sugar", add_tag))
    meta = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": RECEIVED}]}
    refusal(hims.call("POST", "Observation/own-sugar/$meta-add", meta))
    refusal(hims.call("POST", "Observation/by-tag/$meta-delete", meta))


@pytest.mark.parametrize(
    "resource",
    [CONSENT, provenance("own-origin", "Patient/own"), AUDIT_EVENT, SUBSCRIPTION],
    ids=lambda resource: str(resource["resourceType"]),
)
def test_a_hims_does_not_write_what_releases_proves_or_forwards(
    hims: Client, adapter: Client, resource: Resource
) -> None:
    name = f"{resource['resourceType']}/{resource['id']}"
    before = adapter.get(name)
    refusal(hims.put(resource))
    refusal(hims.put({**resource, "id": "by-hims"}))
    refusal(hims.call("POST", resource["resourceType"], without_id(resource)))
    refusal(hims.call("DELETE", name))
    refusal(patched(hims, name, [{"op": "add", "path": "/language", "value": "en"}]))
    refusal(hims.call("POST", "", bundle("transaction", ("PUT", name, resource))))
    refusal(hims.call("POST", "", bundle("transaction", ("DELETE", name, None))))
    assert adapter.get(name) == before


def test_a_refused_entry_leaves_nothing_of_the_hims_transaction(hims: Client) -> None:
    fine = observation("half", "Patient/other", "pulse")
    both = bundle(
        "transaction", ("PUT", "Observation/half", fine), ("PUT", "Consent/hip-1", CONSENT)
    )
    refusal(hims.call("POST", "", both))
    assert hims.call("GET", "Observation/half").status_code == 404


def test_each_entry_of_a_batch_is_judged_by_itself(hims: Client) -> None:
    batch = bundle(
        "batch",
        ("GET", f"Patient/{RCV}", None),
        ("GET", f"Patient/{RCV_GONE}", None),
        ("GET", "Consent?_summary=count", None),
        ("GET", "Consent/hip-1", None),
        ("GET", "_history", None),
        ("GET", f"Observation?{SUGAR}", None),
        ("PUT", "Observation/by-batch", observation("by-batch", "Patient/other", "pulse")),
    )
    entries = hims.call("POST", "", batch).json()["entry"]
    assert [entry["response"]["status"][:3] for entry in entries] == [
        *("404", "404", "403", "403", "403", "200", "201")
    ]
    assert keys(entries[5]["resource"]) == OWN_SUGAR


def test_a_batch_within_a_batch_or_an_operation_in_it_is_not_let_through(
    restricted: Client, adapter: Client
) -> None:
    inner = bundle("batch", ("PUT", "Consent/hip-1", CONSENT))
    meta = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": RECEIVED}]}
    before = adapter.get("Patient/own")
    for entry in (("POST", "/", inner), ("POST", "Patient/own/$meta-add", meta)):
        assert restricted.call("POST", "", bundle("batch", entry)).status_code in (400, 403)
    assert adapter.get("Patient/own") == before


def test_a_condition_never_meets_a_received_record(hims: Client, adapter: Client) -> None:
    hidden = observation("only-received", "Patient/other", "ferritin", meta=RECEIVED)
    adapter.put(hidden)
    mine = without_id(observation("", "Patient/other", "ferritin"))
    where = f"Observation?code={CODES}|ferritin"
    missed = patched(hims, where, PATCH)
    assert missed.status_code == 404, missed.text
    created = hims.call("PUT", where, mine)
    assert created.status_code == 201
    again = hims.call("POST", "Observation", mine, headers={"If-None-Exist": where.split("?")[1]})
    assert again.status_code == 200, "the condition meets what the HIMS itself wrote"
    assert keys(hims.get(where)) == {f"Observation/{created.json()['id']}"}
    assert adapter.get("Observation/only-received")["meta"]["versionId"] == "1"


def test_deleting_by_condition_or_with_erasure_is_refused_whatever_would_be_met(
    restricted: Client,
) -> None:
    for path in (
        f"Observation?{SUGAR}",
        f"Observation?code={CODES}|nothing",
        "Observation/own-sugar?_expunge=true",
    ):
        assert "by its id" in refusal(restricted.call("DELETE", path))
    entry = ("DELETE", f"Observation?{SUGAR}", None)
    refusal(restricted.call("POST", "", bundle("transaction", entry)))


def test_a_hims_record_cannot_point_at_what_is_hidden_and_so_ask_about_it(hims: Client) -> None:
    basic = {"resourceType": "Basic", "id": "probe", "code": {"text": "probe"}}
    refusal(hims.put({**basic, "subject": {"reference": "Consent/hip-1"}}))
    refusal(hims.put(observation("probe", f"Patient/{RCV}", "pulse")))


def test_a_tag_of_the_adapters_survives_the_himss_update(hims: Client, adapter: Client) -> None:
    visit = observation("linked", "Patient/other", "pulse")
    hims.put(visit)
    linked = {"tag": [{"system": systems.TAG, "code": systems.TAG_LINKED}]}
    meta = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": linked}]}
    assert adapter.call("POST", "Observation/linked/$meta-add", meta).status_code == 200
    assert hims.put({**visit, "status": "amended"}).status_code == 200
    stored = hims.get("Observation/linked")
    assert stored["status"] == "amended"
    assert stored["meta"]["tag"] == linked["tag"]


@pytest.mark.parametrize("resource_type", ["StructureDefinition", "SearchParameter", "ValueSet"])
def test_definitions_are_the_admins(guarded: Guarded, resource_type: str) -> None:
    defined = {"resourceType": resource_type, "id": "defined", "status": "draft"}
    for role in RESTRICTED:
        refusal(guarded.callers[role].put(defined))
    assert guarded.callers["hims"].call("GET", f"{resource_type}/defined").status_code == 404


# Operations


def test_everyone_may_validate_what_they_send(guarded: Guarded) -> None:
    for role, client in guarded.callers.items():
        answer = client.call("POST", "Patient/$validate", OWN_PATIENT)
        assert answer.status_code == 200, role
        assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "path",
    [
        f"Patient/{RCV}/$validate",
        "Patient/own/$validate",
        "Patient/own/$meta-add",
        "Patient/own/$expunge",
        "Patient/$expunge",
        "$expunge",
        "$mark-all-resources-for-reindexing",
        "$hapi.fhir.replace-references",
    ],
)
def test_an_operation_on_what_is_stored_is_refused(restricted: Client, path: str) -> None:
    refusal(restricted.call("POST", path, {"resourceType": "Parameters"}))


@pytest.mark.parametrize("role", UNRESTRICTED)
def test_adapter_and_admin_erase_a_record_out_of_every_history(guarded: Guarded, role: str) -> None:
    client = guarded.callers[role]
    resource_id = f"rcv-{hashlib.sha256(role.encode()).hexdigest()[:40]}"
    name = f"Observation/{resource_id}"
    client.put(observation(resource_id, "Patient/other", "erased", meta=RECEIVED))
    client.put(observation(resource_id, "Patient/other", "erased", status="amended"))
    assert client.call("DELETE", name).status_code == 200
    assert client.call("POST", f"{name}/$expunge", EXPUNGE).status_code == 200
    for path in (name, f"{name}/_history", f"{name}/_history/1", f"{name}/_history/2"):
        assert client.call("GET", path).status_code == 404, path
    for path in ("_history?_count=500", "Observation/_history?_count=500"):
        assert resource_id not in client.call("GET", path).text


def test_the_adapters_conditional_read_of_an_unchanged_consent_answers_304(adapter: Client) -> None:
    tag = adapter.call("GET", "Consent/hip-1").headers["ETag"]
    answer = adapter.call("GET", "Consent/hip-1", headers={"If-None-Match": tag})
    assert answer.status_code == 304


# Who is it


@pytest.fixture
def bearer(guarded: Guarded) -> Iterator[Any]:
    """Searches own and received records with a given token, and tells status and what was found."""

    def search(token: str) -> tuple[int, set[str] | str]:
        client = Client(Hapi(guarded.base_url, token))
        answer = client.call("GET", f"Observation?{SUGAR}")
        body = answer.json()
        if answer.status_code == 200:
            return 200, keys(body)
        return answer.status_code, body["issue"][0]["diagnostics"]

    return search


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ("openid analyst", OWN_SUGAR),
        ("analyst analyst.received", ALL_SUGAR),
        (["analyst.received"], ALL_SUGAR),
        ("hims", OWN_SUGAR),
        ("admin", ALL_SUGAR),
    ],
)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_token_of_the_issuer_gives_the_role_that_it_names(
    guarded: Guarded, bearer: Any, algorithm: str, scope: object, found: set[str]
) -> None:
    assert bearer(guarded.issuer.token(algorithm=algorithm, scope=scope)) == (200, found)


@pytest.mark.parametrize("scope", ["openid", "adapter", "hims analyst", None, 7])
def test_a_token_without_exactly_one_role_is_refused(
    guarded: Guarded, bearer: Any, scope: object
) -> None:
    status, sentence = bearer(guarded.issuer.token(scope=scope))
    assert status == 403
    assert "must name one role in its claim scope" in sentence


def hs256_with_public_key(issuer: issuers.Issuer) -> str:
    """A token whose signature is an HMAC keyed with the published RSA key."""
    public = issuer.rsa.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, issuer.claims())
    )
    mac = hmac.digest(public, head + b"." + body, "sha256")
    return b".".join((head, body, base64.urlsafe_b64encode(mac).rstrip(b"="))).decode()


def signed_by_another(issuer: issuers.Issuer, kid: str) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(issuer.claims(), key, algorithm="RS256", headers={"kid": kid})


REFUSED = {
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 120),
    "without expiry": lambda issuer: issuer.token(exp=None),
    "not yet valid": lambda issuer: issuer.token(nbf=int(time.time()) + 600),
    "of another issuer": lambda issuer: issuer.token(iss="https://evil.test"),
    "without issuer": lambda issuer: issuer.token(iss=None),
    "for another audience": lambda issuer: issuer.token(aud="another.test"),
    "without audience": lambda issuer: issuer.token(aud=None),
    "unsigned": lambda issuer: jwt.encode(issuer.claims(), None, algorithm="none"),
    "HS256 with the public key": hs256_with_public_key,
    "RS512": lambda issuer: jwt.encode(
        issuer.claims(), issuer.rsa, algorithm="RS512", headers={"kid": "rsa"}
    ),
    "of another key under our kid": lambda issuer: signed_by_another(issuer, "rsa"),
    "of an unknown kid": lambda issuer: signed_by_another(issuer, "unknown"),
    "not a JWT at all": lambda _: "a.b.c",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_token_that_does_not_hold_is_refused(guarded: Guarded, bearer: Any, kind: str) -> None:
    status, sentence = bearer(REFUSED[kind](guarded.issuer))
    assert status == 401
    assert "access token is not valid here" in sentence


def test_no_token_is_in_the_log(guarded: Guarded, bearer: Any) -> None:
    token = guarded.issuer.token()
    assert bearer(token)[0] == 200
    assert bearer(token[:-4] + "AAAA")[0] == 401
    log = guarded.log_file.read_text()
    shown = [token, token.rsplit(".", 1)[0]]
    shown += [
        str(client.session.headers["Authorization"]).removeprefix("Bearer ")
        for client in guarded.callers.values()
    ]
    assert not [each for each in shown if each in log]
