"""A document from another hospital becomes separate, sourced resources (`mappings.received`)."""

from __future__ import annotations

import base64
import hashlib
import json

from mappings.received import provenance, provenance_archived, split_received
from mappings.resources import key
from mappings.systems import SECURITY_ARTEFACT, SOURCE_HIP, TAG, TAG_HI_TYPE, TAG_RECEIVED
from tests.unit.mappings.received import COMPOSITION, RECEIVED_AT, bundle, one, origin, res, split


def test_the_bytes_as_received_are_kept_with_their_digest() -> None:
    content = b'\xef\xbb\xbf{ "resourceType":"Patient" }\n'
    document = split_received(content, origin())
    assert base64.b64decode(document.binary["data"]) == content
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    assert document.size == len(content)
    assert document.binary["id"] == document.document_id


def test_every_resource_says_whose_it_is_and_under_which_consent() -> None:
    theirs = {"system": "http://hip.example/labels", "code": "x"}
    patient = res("Patient", "1", meta={"tag": [theirs], "security": [theirs]})
    document = split(bundle(COMPOSITION, patient))
    assert document.hi_type == "Prescription"
    for each in (*document.resources, document.binary):
        meta = each["meta"]
        assert meta["source"] == SOURCE_HIP + origin().hip_id
        assert {"system": TAG, "code": TAG_RECEIVED} in meta["tag"]
        assert {"system": TAG_HI_TYPE, "code": "Prescription"} in meta["tag"]
        assert {"system": SECURITY_ARTEFACT, "code": origin().artefact_id} in meta["security"]
    assert theirs in one(document, "Patient")["meta"]["tag"]
    assert theirs in one(document, "Patient")["meta"]["security"]


def test_a_document_sent_again_has_the_same_ids_and_another_origin_has_others() -> None:
    value = bundle(COMPOSITION, res("Patient", "1"))
    first, again = split(value), split({**value, "timestamp": "2026-11-25T10:00:00Z"})
    assert [key(r) for r in first.resources] == [key(r) for r in again.resources]
    assert first.document_id == again.document_id
    for changes in (
        {"artefact_id": "b"},
        {"hip_id": "IN0710000789_1"},
        {"care_context": "visit-2026-12"},
    ):
        other = split(value, **changes)
        assert not {key(r) for r in other.resources} & {key(r) for r in first.resources}
        assert other.document_id != first.document_id


def test_a_patient_of_two_documents_is_two_resources() -> None:
    one_document = split(bundle(COMPOSITION, res("Patient", "1")))
    value = "doc-2"
    other = split(bundle(COMPOSITION, res("Patient", "1"), identifier={"value": value}))
    assert one(one_document, "Patient")["id"] != one(other, "Patient")["id"]


def test_the_received_patient_points_to_our_own() -> None:
    document = split(bundle(COMPOSITION, res("Patient", "1")), local_patient_id="own-7")
    expected = [{"other": {"reference": "Patient/own-7"}, "type": "seealso"}]
    assert one(document, "Patient")["link"] == expected
    assert "link" not in one(split(bundle(res("Patient", "1"))), "Patient")


def test_the_provenance_names_hip_artefact_transaction_time_and_digest() -> None:
    document = split(bundle(COMPOSITION, res("Patient", "1")))
    patient = key(one(document, "Patient"))
    found = provenance(document, origin(), [patient])
    assert found["id"] == document.document_id.replace("rcv-", "rcvp-")
    assert found["target"] == [{"reference": f"Binary/{document.document_id}"}] + [
        {"reference": patient}
    ]
    assert found["recorded"] == "2026-11-24T03:30:15.123Z"
    told = json.dumps(found)
    for value in (
        origin().hip_id,
        origin().hip_name,
        origin().hiu_id,
        origin().artefact_id,
        origin().transaction_id,
        origin().care_context,
        origin().recorder,
        document.sha256,
    ):
        assert json.dumps(value) in told
    assert '"Consent/' not in told


def test_an_archived_provenance_holds_no_literal_reference() -> None:
    document = split(bundle(COMPOSITION, res("Patient", "1")))
    stored = [key(r) for r in document.resources]
    kept = provenance(document, origin(), stored)
    archived = provenance_archived(kept, RECEIVED_AT, "REVOKED")
    assert '"reference"' not in json.dumps(archived)
    assert [t["identifier"]["value"] for t in archived["target"]] == [
        f"Binary/{document.document_id}",
        *stored,
    ]
    assert archived["id"] == kept["id"]
    assert '"REVOKED"' in json.dumps(archived)
    again = provenance_archived(archived, RECEIVED_AT, "REVOKED")
    assert again == archived
