"""What `mappings.received` makes of dirty documents is what a real HAPI server stores."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conformance import sources
from mappings.received import (
    Origin,
    ReceivedDocument,
    provenance,
    provenance_archived,
    split_received,
)
from mappings.resources import Resource, key
from tests.hapi_fixture import Client
from tests.unit.mappings.received import COMPOSITION, RECEIVED_AT, bundle, one, origin, res

pytestmark = pytest.mark.hapi

Store = Callable[..., set[str]]


@pytest.fixture
def fresh() -> Origin:
    """An origin whose ids no other test has."""
    return origin(artefact_id=str(uuid.uuid4()))


@pytest.fixture
def store(fhir: Client) -> Iterator[Store]:
    """Stores documents' parts as the adapter does, in one transaction and one by one where that is
    refused; gives the keys of those stored, and deletes them in the end."""
    stored: set[str] = set()

    def put(*documents: ReceivedDocument) -> set[str]:
        resources = [r for each in documents for r in (each.binary, *each.resources)]
        if transaction(fhir, resources).ok:
            keys = {key(r) for r in resources}
        else:
            keys = {key(r) for r in resources if transaction(fhir, [r]).ok}
        stored.update(keys)
        return keys

    yield put
    gone = [{"request": {"method": "DELETE", "url": each}} for each in stored]
    fhir.call("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": gone})


def transaction(fhir: Client, resources: Any) -> Any:
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": key(each)}} for each in resources
    ]
    return fhir.call(
        "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    )


def keys_of(document: ReceivedDocument) -> set[str]:
    return {key(r) for r in (document.binary, *document.resources)}


def observed(**content: Any) -> Resource:
    return res("Observation", "o", **{"status": "final", "code": {"text": "x"}, **content})


# Each would be refused by HAPI as it arrives, or make it store something else.
DIRTY: dict[str, Any] = {
    "a numeric id": bundle(COMPOSITION, res("Patient", "17")),
    "an id with a space": bundle(COMPOSITION, res("Patient", "a b")),
    "no ids at all": bundle(*[{**COMPOSITION, "id": ""}, res("Patient", "")], urls=False),
    "codes": bundle(COMPOSITION, res("Patient", "1", gender="M", identifier=[{"use": "x"}])),
    "dates": bundle(
        COMPOSITION,
        res("Patient", "1", birthDate="27/02/2026"),
        observed(effectiveDateTime="2026-02-30", issued=" 2026-02-20T10:00:00Z "),
        res("Encounter", "e", status="finished", period={"start": "2026-02-20T10:00:00+0530"}),
    ),
    "numbers": bundle(
        COMPOSITION,
        res("Patient", "1", multipleBirthInteger=2.5, photo=[{"size": 1 << 40}]),
        observed(valueQuantity={"value": "12,5"}, referenceRange=[{"low": {"value": "1e400"}}]),
    ),
    "numbers without end": json.dumps(bundle(observed(valueQuantity={"value": 9e99})))
    .replace("9e+99", "9e999")
    .encode(),
    "booleans": bundle(res("Patient", "1", active="yes", deceasedBoolean=1)),
    "base64": bundle(
        res("Patient", "1", photo=[{"data": "!!"}, {"data": "data:image/png;base64,aGk="}]),
        res("Binary", "b", contentType="application/pdf", data="no base64!"),
    ),
    "narratives": bundle(
        res("Patient", "1", text={"status": "generated", "div": "<div>a<br>b</div>"}),
        res("Patient", "2", text={"status": "weird", "div": "<p>a</p>"}),
        res("Patient", "3", text={"status": "generated", "div": "<DIV>a</DIV>"}),
        res("Patient", "4", text={"status": "generated", "div": "<!-- a --><div>b</div>"}),
        res("Patient", "5", text={"status": "generated", "div": "<div>&bogus; &nbsp;</div>"}),
        res("Patient", "6", text={"status": "generated", "div": "<div>" * 5000}),
        res("Patient", "7", text={"status": "generated", "div": "a < b & c"}),
        {**COMPOSITION, "section": [{"text": {"status": "generated", "div": "<div><o:p/></div>"}}]},
    ),
    "references": bundle(
        COMPOSITION,
        res("Patient", "1"),
        observed(
            subject={"reference": "Patient/x y"},
            encounter={"reference": f"urn:uuid:{uuid.UUID(int=7)}"},
            performer=[
                {"reference": "Practitioner?identifier=http://x|1"},
                {"reference": "https://other.example/Foo/1"},
                {"reference": "#gone"},
                {"reference": ["Practitioner/1"]},
            ],
            derivedFrom=[{"reference": "Patient/1"}],
        ),
    ),
    "labels": bundle(
        res("Patient", "1", meta={"tag": [{"display": "x"}, {"code": "SUBSETTED"}], "source": "x"}),
        res("Patient", "2", meta={"lastUpdated": "x", "versionId": "??", "profile": "http://x"}),
    ),
    "extensions": bundle(
        res(
            "Patient",
            "1",
            extension=[
                {"url": "u:a", "valueCode": "a", "extension": [{"url": "u:b", "valueCode": "b"}]},
                {"valueString": "no url"},
                "no object",
            ],
            modifierExtension=[{"url": "u:m", "valueBoolean": True}],
        )
    ),
    "contained": bundle(
        res("Patient", "1", contained=[res("Doctor", "d"), {"id": "n"}, "x", res("Patient", "#p")])
    ),
    "shapes": bundle(
        res("Patient", "1", name="Asha", gender=["female"], address={"text": "x"}, telecom=[[1]]),
        observed(code="x", subject="Patient/1", valueString="x", valueInteger=3),
    ),
    "characters": bundle(res("Patient", "1", name=[{"text": "a\u0000b\ud800c\u0008"}])),
    "empty values": bundle(
        res("Patient", "1", name=[{}, None], gender="", telecom=[], text={"div": ""})
    ),
    "conflicts": bundle(
        res("Patient", "1"), res("Patient", "1"), res("Patient", "1", gender="male")
    ),
    "a long text": bundle(observed(code={"coding": [{"system": "u:s", "code": "c" * 5000}]})),
}


@pytest.mark.parametrize("name", DIRTY)
def test_hapi_takes_every_part_of_a_dirty_document_in_one_transaction(
    fhir: Client, store: Store, fresh: Origin, name: str
) -> None:
    value = DIRTY[name]
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    document = split_received(content, fresh)
    assert document.resources
    answer = transaction(fhir, (document.binary, *document.resources))
    assert answer.ok, answer.text
    assert store(document) == keys_of(document)
    # Nothing was passed over in silence: what was sent is what is there.
    for resource in document.resources:
        there = fhir.get(key(resource))
        assert _content(there) == _content(json.loads(json.dumps(resource)))


def _content(resource: Resource) -> Any:
    """Without what the server sets, and without markup, which it spells in its own way."""
    meta = {
        name: sorted(json.dumps(each, sort_keys=True) for each in value)
        for name, value in resource.pop("meta").items()
        if name in ("tag", "security", "profile", "extension")
    }
    resource.get("text", {}).pop("div", None)
    for section in resource.get("section", []):
        section.get("text", {}).pop("div", None)
    return {**resource, "meta": meta}


def test_a_resource_that_hapi_refuses_stops_no_other(
    fhir: Client, store: Store, fresh: Origin
) -> None:
    # Valid JSON that no repair touches: HAPI's own limit on the length of a URL.
    refused = res("ActivityDefinition", "a", status="active", url="http://x/" + "y" * 5000)
    document = split_received(json.dumps(bundle(COMPOSITION, refused)).encode(), fresh)
    assert not transaction(fhir, document.resources).ok
    assert store(document) == keys_of(document) - {key(one(document, "ActivityDefinition"))}


def test_the_bytes_come_back_as_they_were(fhir: Client, store: Store, fresh: Origin) -> None:
    content = b'\xef\xbb\xbf{"resourceType" :"Patient",\r\n "x": "\\u0000"}'
    document = split_received(content, fresh)
    store(document)
    binary = fhir.get(key(document.binary))
    assert base64.b64decode(binary["data"]) == content
    assert binary["meta"]["source"] == f"urn:abdm:hip:{fresh.hip_id}"


def test_no_placeholder_is_made_for_a_reference_that_leads_nowhere(
    fhir: Client, store: Store, fresh: Origin
) -> None:
    gone = f"gone-{uuid.uuid4()}"
    about = observed(subject={"reference": f"Patient/{gone}"}, encounter={"reference": "#x"})
    document = split_received(json.dumps(bundle(about)).encode(), fresh)
    assert store(document) == keys_of(document)
    assert fhir.call("GET", f"Patient/{gone}").status_code == 404
    there = fhir.get(key(one(document, "Observation")))
    assert there["subject"]["identifier"]["value"] == f"Patient/{gone}"
    assert there["encounter"] == {"reference": "#x"}


def test_the_provenance_blocks_no_delete_once_archived_and_tells_no_content(
    fhir: Client, store: Store, fresh: Origin
) -> None:
    document = split_received(json.dumps(bundle(COMPOSITION, res("Patient", "1"))).encode(), fresh)
    stored = store(document)
    about = provenance(document, fresh, [key(r) for r in document.resources])
    assert fhir.put(about).status_code == 201
    patient = key(one(document, "Patient"))
    found = fhir.get(f"Provenance?target={patient}", headers={"Cache-Control": "no-cache"})
    assert [e["resource"]["id"] for e in found["entry"]] == [about["id"]]
    archived = provenance_archived(fhir.get(f"Provenance/{about['id']}"), RECEIVED_AT, "REVOKED")
    assert fhir.put(archived).status_code == 200
    for each in stored:
        assert fhir.call("DELETE", each).status_code == 200
    there = fhir.get(f"Provenance/{about['id']}")
    assert '"reference"' not in json.dumps(there)
    assert document.sha256 in json.dumps(there)
    assert fhir.call("DELETE", f"Provenance/{about['id']}").status_code == 200


def test_received_records_are_found_by_tag_source_and_consent(
    fhir: Client, store: Store, fresh: Origin
) -> None:
    document = split_received(json.dumps(bundle(COMPOSITION, res("Patient", "1"))).encode(), fresh)
    store(document)
    patient = one(document, "Patient")
    label = f"_security=urn:abdm:consent-artefact|{fresh.artefact_id}"
    for search in (
        label,
        f"{label}&_tag=urn:abdm-adapter:record|received",
        f"{label}&_tag=urn:abdm:hi-type|Prescription",
        f"{label}&_source=urn:abdm:hip:{fresh.hip_id}",
    ):
        found = fhir.get(f"Patient?{search}", headers={"Cache-Control": "no-cache"})
        assert [e["resource"]["id"] for e in found.get("entry", [])] == [patient["id"]], search


@pytest.mark.guide
def test_every_example_of_the_guide_is_stored_in_whole(
    fhir: Client, store: Store, fresh: Origin
) -> None:
    examples = sources.examples()
    assert len(examples) > 100
    documents = []
    for name, example in examples.items():
        document = split_received(json.dumps(example).encode(), fresh)
        if example["resourceType"] == "Bundle":
            assert len(document.resources) == len(example["entry"]), name
        else:
            assert len(document.resources) == 1, name
        documents.append(document)
    for start in range(0, len(documents), 10):
        some = documents[start : start + 10]
        assert store(*some) == set().union(*map(keys_of, some))
