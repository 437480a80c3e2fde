"""Callbacks of the older generation: taken where a facility speaks it, with its own key set."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.wrappers import Request, Response

from adapter.protocol import ids, routes, timestamps
from tests.rig import HIP_ID
from tests.unit.upstream.fake_gateway import jwk
from tests.unit.web.conftest import CONFIRM, Edge, MakeEdge

PATH = "/v0.5/links/link/confirm"
ROWS = [row for name in ("v0.5", "v1.0") for row in routes.inbound(name)]


@pytest.fixture
def both(make_edge: MakeEdge, other_key: rsa.RSAPrivateKey) -> Edge:
    """A default of V3, and one facility that speaks v0.5, whose keys are others."""
    edge = make_edge(facility_api_versions=f"{HIP_ID}=v0.5")

    def answer(request: Request) -> Response:
        if request.path == "/gateway/v0.5/sessions":
            return Response(json.dumps({"accessToken": "older", "expiresIn": 600}), 200)
        if request.path == "/gateway/v0.5/certs":
            return Response(json.dumps({"keys": [jwk("older-1", other_key)]}), 200)
        return Response(status=202)

    edge.gateway.answer = answer
    return edge


def body(edge: Edge, **changes: Any) -> dict[str, Any]:
    return {
        "requestId": ids.new_request_id(),
        "timestamp": timestamps.format(edge.clock()),
        "confirmation": {"token": "042917", "linkRefNumber": "ref-1"},
        **changes,
    }


def post(edge: Edge, key: Any, kid: str = "older-1", *, path: str = PATH, **changes: Any) -> Any:
    token = edge.token(key=key, kid=kid)
    headers = {"REQUEST_ID": None, "TIMESTAMP": None}
    return edge.post(body(edge, **changes), path=path, token=token, **headers)


def test_a_callback_of_v05_is_stored_under_its_own_id_and_dialect(
    both: Edge, other_key: rsa.RSAPrivateKey
) -> None:
    request_id = ids.new_request_id()
    assert post(both, other_key, requestId=request_id).status_code == 202
    (row,) = both.rows()
    assert (row.dialect, row.message, row.request_id) == ("v0.5", "LinkConfirm", request_id)
    assert (row.hip_id, row.sent_at) == (HIP_ID, both.clock())


def test_each_generation_is_verified_with_its_own_keys(
    both: Edge, other_key: rsa.RSAPrivateKey
) -> None:
    assert both.post().status_code == 202
    refused = both.post(token=both.token(key=other_key, kid="older-1"))
    assert (refused.status_code, refused.json["error"]["code"]) == (401, "ABDM-1066")
    refused = both.post(body(both), path=PATH)
    assert (refused.status_code, refused.json["error"]["code"]) == (401, 3401)


def test_a_refusal_is_said_in_the_callers_dialect(both: Edge, other_key: rsa.RSAPrivateKey) -> None:
    refused = post(both, other_key, requestId="17")
    assert refused.status_code == 400
    assert refused.json["error"]["code"] == 1000
    assert "requestId" in refused.json["error"]["message"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.path)
def test_routes_of_v05_answer_404_where_no_facility_speaks_it(
    edge: Edge, row: routes.Inbound
) -> None:
    assert edge.post({}, path=row.path).status_code == 404


def test_routes_of_v3_answer_404_where_every_facility_speaks_v05(make_edge: MakeEdge) -> None:
    edge = make_edge(abdm_api_version="v0.5")
    assert edge.post(path=CONFIRM).status_code == 404


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.path)
def test_every_message_of_v05_has_its_route_and_refuses_an_empty_object(
    both: Edge, other_key: rsa.RSAPrivateKey, row: routes.Inbound
) -> None:
    token = both.token(key=other_key, kid="older-1")
    refused = both.post({}, path=row.path, token=token)
    assert (refused.status_code, refused.json["error"]["code"]) == (400, 1000)
    assert both.rows() == []


def test_the_older_gateways_heartbeat_is_answered_where_a_facility_speaks_v05(
    both: Edge,
) -> None:
    answer = both.client.get("/v0.5/heartbeat")
    assert answer.status_code == 200
    assert answer.json == {"status": "UP", "timestamp": timestamps.format(both.clock())}


def test_there_is_no_heartbeat_where_nobody_speaks_v05(edge: Edge) -> None:
    assert edge.client.get("/v0.5/heartbeat").status_code == 404
