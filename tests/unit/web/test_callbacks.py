"""What the gateway sees of a callback, and what is stored of it."""

import gzip
import json
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from adapter.protocol import ids, routes
from adapter.stores import inbox as inbox_store
from tests.rig import HIP_ID
from tests.unit.web.conftest import CONFIRM, Edge, MakeEdge


def error_of(response: Any) -> dict[str, str]:
    body = json.loads(response.data)
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    error: dict[str, str] = body["error"]
    return error


def test_callback_is_stored_sealed_answered_empty_and_the_worker_woken(edge: Edge) -> None:
    request_id = ids.new_request_id()
    response = edge.post(request_id=request_id)
    assert (response.status_code, response.data) == (202, b"")
    (row,) = edge.rows()
    assert (row.message, row.dialect, row.request_id, row.hip_id) == (
        "LinkConfirm",
        "v3",
        request_id,
        HIP_ID,
    )
    assert row.sent_at == edge.clock()
    assert b"ref-1" not in row.body
    assert b"ref-1" in edge.adapter.sealer.open(row.body)
    assert edge.woken == [None]


@pytest.mark.parametrize("row", routes.inbound("v3"), ids=lambda row: row.message.__name__)
def test_every_inbound_message_has_its_route_and_refuses_an_empty_object(
    edge: Edge, row: routes.Inbound
) -> None:
    response = edge.post({}, path=row.path)
    assert response.status_code == 400
    assert error_of(response)["code"] == "ABDM-1031"
    assert edge.rows() == []
    assert edge.client.get(row.path).status_code == 405


def test_same_callback_again_is_answered_and_stored_once(edge: Edge) -> None:
    request_id = ids.new_request_id()
    for _ in range(3):
        assert edge.post(request_id=request_id).status_code == 202
    assert len(edge.rows()) == 1
    assert len(edge.woken) == 1


def test_same_request_id_with_another_body_is_a_conflict_and_the_first_is_kept(
    edge: Edge,
) -> None:
    request_id = ids.new_request_id()
    edge.post(request_id=request_id)
    kept = edge.rows()
    other = {"confirmation": {"token": 111111, "linkRefNumber": "ref-1"}}
    response = edge.post(other, request_id=request_id)
    assert response.status_code == 400
    assert error_of(response)["code"] == "ABDM-1030"
    assert edge.rows() == kept


def test_facility_not_served_is_stored_for_the_worker_to_answer(edge: Edge) -> None:
    assert edge.post(X_HIP_ID="IN9999999999").status_code == 202
    assert [row.hip_id for row in edge.rows()] == ["IN9999999999"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"REQUEST_ID": None}, "REQUEST-ID is missing"),
        ({"REQUEST_ID": "17"}, "REQUEST-ID must be a UUID"),
        ({"TIMESTAMP": None}, "TIMESTAMP is missing"),
        ({"TIMESTAMP": "yesterday"}, "TIMESTAMP is not a time"),
    ],
)
def test_header_that_cannot_be_read_is_named(
    edge: Edge, change: dict[str, str | None], words: str
) -> None:
    response = edge.post(**change)  # type: ignore[arg-type]  # headers by name
    assert response.status_code == 400
    assert words in error_of(response)["message"]
    assert edge.rows() == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "JSON object"),
        (b"\xff\xfe", "not JSON"),
        (b'{"confirmation": {"token": 1}}', "confirmation.linkRefNumber is missing"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_body_that_cannot_be_read_is_refused_by_place(edge: Edge, body: bytes, words: str) -> None:
    response = edge.post(body)
    assert response.status_code == 400
    assert words in error_of(response)["message"]
    assert edge.rows() == []


def test_timestamp_far_from_our_clock_is_recorded_and_not_refused(edge: Edge) -> None:
    assert edge.post(TIMESTAMP="2020-01-01T00:00:00").status_code == 202
    assert edge.rows()[0].sent_at.year == 2020


def test_body_over_the_limit_is_refused_before_the_token_is_looked_at(
    make_edge: MakeEdge,
) -> None:
    edge = make_edge(max_callback_bytes=2048)
    response = edge.post(b"x" * 2049, token="no-token")
    assert response.status_code == 413
    assert "MAX_CALLBACK_BYTES" in error_of(response)["message"]
    assert edge.post(b"x" * 2048, token="no-token").status_code == 401
    assert edge.rows() == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", None])
def test_other_content_types_are_refused(edge: Edge, content_type: str | None) -> None:
    response = edge.post(Content_Type=content_type)
    assert response.status_code == 415
    assert "application/json" in error_of(response)["message"]
    assert edge.rows() == []


def test_content_type_with_a_character_set_is_accepted(edge: Edge) -> None:
    assert edge.post(Content_Type="application/json; charset=utf-8").status_code == 202


def test_compressed_body_is_no_json(edge: Edge) -> None:
    body = gzip.compress(b'{"confirmation": {}}')
    assert edge.post(body, Content_Encoding="gzip").status_code == 400


@pytest.mark.parametrize("path", ["/api/v3/nothing", "/v0.5/care-contexts/discover", "/"])
def test_unknown_address_is_answered_in_json(edge: Edge, path: str) -> None:
    response = edge.post(path=path)
    assert response.status_code == 404
    assert error_of(response)["code"] == "ABDM-1001"


def test_wrong_method_is_answered_in_json_and_names_the_right_one(edge: Edge) -> None:
    response = edge.client.get(CONFIRM)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert error_of(response)["code"] == "ABDM-1031"


def test_what_nobody_foresaw_is_answered_without_detail_and_not_acknowledged(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError("asha.verma@sbx 042917")

    monkeypatch.setattr(inbox_store, "store", fails)
    response = edge.post()
    assert response.status_code == 500
    assert error_of(response) == {"code": "ABDM-9999", "message": "Unknown exception"}
    assert b"asha" not in response.data
    assert edge.woken == []


def test_database_that_is_away_is_a_503_so_that_the_gateway_repeats(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_arguments: Any, **_options: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("gone"))

    monkeypatch.setattr(inbox_store, "store", away)
    response = edge.post()
    assert response.status_code == 503
    assert error_of(response)["code"] == "ABDM-1019"


def test_with_abdm_switched_off_no_abdm_route_exists(make_edge: MakeEdge) -> None:
    edge = make_edge(enable_abdm=False)
    for row in routes.inbound("v3"):
        assert edge.post(path=row.path).status_code == 404
    rules = {rule.rule for rule in edge.client.application.url_map.iter_rules()}
    assert rules == {"/healthz", "/readyz", "/metrics"}
