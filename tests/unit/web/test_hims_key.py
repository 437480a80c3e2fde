"""API keys of hospital systems, on a route made for the test."""

import json
from typing import Any

import pytest
from flask import jsonify

from tests.unit.web.conftest import Edge, MakeEdge

EVERYWHERE, ONE = "key-for-everything-1", "key-for-one-facility"


@pytest.fixture
def edge(make_edge: MakeEdge) -> Edge:
    from flask import Flask

    from adapter.web import errors
    from adapter.web.auth import require_hims_key

    made = make_edge(hims_api_keys=f"{EVERYWHERE},{ONE}:IN1+IN2")
    app = Flask("test")
    errors.register(app)

    @app.post("/who")
    def who() -> Any:
        caller = require_hims_key(made.adapter)
        return jsonify(
            name=caller.name, one=caller.may_act_for("IN1"), other=caller.may_act_for("IN3")
        )

    made.client = app.test_client()
    return made


def ask(edge: Edge, headers: dict[str, str], body: Any = None) -> tuple[int, dict[str, Any]]:
    response = edge.client.post("/who", headers=headers, json=body)
    return response.status_code, json.loads(response.data)


def test_key_for_all_facilities_and_key_for_some(edge: Edge) -> None:
    headers = {"Authorization": f"Bearer {EVERYWHERE}", "X-User": "Dr. Rao"}
    assert ask(edge, headers) == (200, {"name": "Dr. Rao", "one": True, "other": True})
    headers["Authorization"] = f"bearer {ONE}"
    assert ask(edge, headers) == (200, {"name": "Dr. Rao", "one": True, "other": False})


@pytest.mark.parametrize(
    "given",
    ["", EVERYWHERE, f"Basic {EVERYWHERE}", "Bearer ", f"Bearer {EVERYWHERE}x", "Bearer wörter"],
)
def test_missing_or_wrong_key_is_refused_with_the_way_to_send_it(edge: Edge, given: str) -> None:
    status, body = ask(edge, {"Authorization": given, "X-User": "Dr. Rao"})
    assert status == 401
    assert "HIMS_API_KEYS" in body["error"]["message"]
    assert EVERYWHERE not in str(body)


def test_no_key_is_configured_so_none_is_right(make_edge: MakeEdge) -> None:
    edge = make_edge()
    response = edge.client.get("/hims/v1/transfers", headers={"Authorization": "Bearer "})
    assert response.status_code == 401


def test_acting_person_may_be_named_in_the_body(edge: Edge) -> None:
    headers = {"Authorization": f"Bearer {ONE}"}
    status, body = ask(edge, headers, {"requester": "  Sister   Mary "})
    assert (status, body["name"]) == (200, "Sister Mary")


def test_name_in_devanagari_is_read_from_the_header(edge: Edge) -> None:
    headers = {
        "Authorization": f"Bearer {ONE}",
        "X-User": "डॉ. राव".encode().decode("latin-1"),
    }
    assert ask(edge, headers)[1]["name"] == "डॉ. राव"


@pytest.mark.parametrize(
    "body", [None, {}, {"requester": ""}, {"requester": 7}, [], {"requester": "x" * 256}]
)
def test_nobody_named_is_a_bad_request(edge: Edge, body: Any) -> None:
    status, answer = ask(edge, {"Authorization": f"Bearer {ONE}"}, body)
    assert status == 400
    assert answer["error"]["code"] == "ABDM-1031"
