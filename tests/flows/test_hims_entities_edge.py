"""A hospital's own entities at the API's edge: whose they are, and what is no entity."""

from typing import Any

import orjson
import pytest

from mappings.ids import fhir_id
from tests.flows.hims import LIMITED, WHOLE, Hospital

pytestmark = pytest.mark.hapi


def test_nothing_readable_is_a_400_with_each_reason(hospital: Hospital) -> None:
    answer = hospital.post("patient", [{"name": "x"}, 7])
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "ABDM-1031"
    assert [f["field"] for f in answer.json["results"][0]["faults"]] == ["id", "facility"]


def test_another_facilitys_entity_is_refused_and_the_keys_own_goes_in(hospital: Hospital) -> None:
    foreign = hospital.entity(id="p", name="x")
    answer = hospital.post("patient", foreign, LIMITED)
    assert answer.status_code == 404
    assert answer.json["results"][0]["faults"][0]["field"] == "facility"
    own = {**foreign, "facility": hospital.other.hfr_id}
    answer = hospital.post("patient", [foreign, own], LIMITED)
    assert answer.status_code == 200
    assert [r["outcome"] for r in answer.json["results"]] == ["refused", "created"]
    assert not hospital.is_there("Patient", hospital.id("patient", "p"))


def test_a_facility_known_by_the_hospitals_own_id_is_told_by_its_hfr_id(
    hospital: Hospital,
) -> None:
    local = f"local-{hospital.run}"
    patient = {"id": "p", "facility": local, "name": "x"}
    assert hospital.post("patient", patient, LIMITED).status_code == 404
    own = {"id": local, "hf_id": hospital.other.hfr_id, "name": "Ours"}
    assert hospital.post("facility", own, LIMITED).status_code == 200
    assert hospital.post("patient", patient, LIMITED).status_code == 200


def test_no_key_takes_over_a_facility_by_claiming_its_id(hospital: Hospital) -> None:
    local = f"local-{hospital.run}"
    theirs = {"id": local, "hf_id": hospital.site.hfr_id, "name": "Theirs"}
    assert hospital.post("facility", theirs).status_code == 200
    claim = {"id": local, "hf_id": hospital.other.hfr_id, "name": "Mine now"}
    assert hospital.post("facility", claim, LIMITED).status_code == 404
    stored = hospital.read("Organization", fhir_id(local, "facility", local))
    assert stored["name"] == "Theirs"


@pytest.mark.parametrize(
    ("kind", "body", "status", "words"),
    [
        ("nonsense", {}, 404, "known kinds: allergy"),
        ("patient", [], 400, "/hims/v1/schemas/patient"),
        ("patient", 7, 400, "/hims/v1/schemas/patient"),
        ("patient", {"id": "x" * 250_000}, 413, "MAX_ENTITY_BYTES"),
    ],
)
def test_a_body_that_is_no_entity_gets_a_sentence(
    hospital: Hospital, kind: str, body: Any, status: int, words: str
) -> None:
    answer = hospital.post(kind, body)
    assert answer.status_code == status
    assert words in answer.json["error"]["message"]
    assert answer.json["error"]["code"].startswith("ABDM-")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, b""])
def test_a_body_that_is_no_json_is_a_400(hospital: Hospital, content: bytes) -> None:
    headers = {"Authorization": f"Bearer {WHOLE}", "X-User": "Sister Mary"}
    answer = hospital.client.post("/hims/v1/patient", data=content, headers=headers)
    assert answer.status_code == 400
    assert "no JSON" in answer.json["error"]["message"]


def test_who_acts_may_stand_in_the_body(hospital: Hospital) -> None:
    body = hospital.entity(id="p", name="x", requester="Sister Mary")
    headers = {"Authorization": f"Bearer {WHOLE}"}
    answer = hospital.client.post("/hims/v1/patient", json=body, headers=headers)
    assert answer.status_code == 200
    assert answer.json["results"][0]["coverage"]["dropped"] == []


def test_entities_without_a_key_are_refused(hospital: Hospital) -> None:
    for path in ("/hims/v1/patient", "/hims/v1/nonsense"):
        assert hospital.client.post(path, json={}).status_code == 401
    assert hospital.client.get("/hims/v1/schemas").status_code == 401


def test_each_kind_has_a_schema_that_the_api_serves(hospital: Hospital) -> None:
    headers = {"Authorization": f"Bearer {WHOLE}", "X-User": "Sister Mary"}
    listed = hospital.client.get("/hims/v1/schemas", headers=headers).json["schemas"]
    assert len(listed) == 13
    for each in listed:
        answer = hospital.client.get(each["url"], headers=headers)
        assert answer.status_code == 200
        assert answer.content_type == "application/schema+json"
        assert "id" in orjson.loads(answer.data)["properties"]
    assert hospital.client.get("/hims/v1/schemas/none", headers=headers).status_code == 404
