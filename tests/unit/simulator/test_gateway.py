"""Sessions, keys, bridge, headers and REQUEST-ID, as a bridge sees them over HTTP."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from conformance import schemas
from conformance.simulator.times import timestamp
from tests.unit.simulator.conftest import World
from tests.unit.simulator.small_bridge import GATEWAY
from tests.unit.simulator.small_hip import CLIENT_ID, CLIENT_SECRET, HIP_ID

SESSION = {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET, "grantType": "client_credentials"}
NO_TOKEN: dict[str, Any] = {"Authorization": None}


def test_session_is_answered_202_and_fits_the_contract(world: World) -> None:
    reply = world.hip.raw("POST", f"{GATEWAY}/sessions", SESSION, NO_TOKEN)
    assert reply.status_code == 202
    assert schemas.problems("SessionResponse", reply.json()) == []
    assert reply.json()["expiresIn"] == 1200
    world.client.configure(session_status=200)  # as the M1 documents have it
    assert world.hip.raw("POST", f"{GATEWAY}/sessions", SESSION, NO_TOKEN).status_code == 200
    world.client.configure(session_status=202)
    refresh = {
        **SESSION,
        "grantType": "refresh_token",
        "refreshToken": reply.json()["refreshToken"],
    }
    assert world.hip.raw("POST", f"{GATEWAY}/sessions", refresh, NO_TOKEN).status_code == 202
    access_instead = {**refresh, "refreshToken": reply.json()["accessToken"]}
    assert world.hip.raw("POST", f"{GATEWAY}/sessions", access_instead, NO_TOKEN).status_code == 401


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ({**SESSION, "clientId": "SBXID_000000"}, {}, 401, "ABDM-1921"),
        ({**SESSION, "clientSecret": "wrong"}, {}, 401, "ABDM-1922"),
        (b"not json", {}, 400, "ABDM-9999"),
        (b"", {}, 400, "ABDM-9999"),
        (SESSION, {"Content-Type": "text/plain"}, 400, "ABDM-9999"),
        ({**SESSION, "grantType": "password"}, {}, 400, "ABDM-9999"),
    ],
    ids=["client", "secret", "unreadable", "empty", "content type", "grant"],
)
def test_bad_session_request_is_refused(
    world: World, body: Any, headers: dict[str, Any], status: int, code: str
) -> None:
    reply = world.hip.raw("POST", f"{GATEWAY}/sessions", body, {**NO_TOKEN, **headers})
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


def test_session_token_stops_working_when_it_expires(world: World) -> None:
    world.client.configure(session_seconds=3)
    bearer = {"Authorization": f"Bearer {world.hip.session()}"}

    def ask() -> Any:
        return world.hip.raw("GET", f"{GATEWAY}/bridge-services", None, bearer)

    assert ask().status_code == 200
    world.client.wait_for(lambda: ask().status_code != 200, "the end of the token")
    reply = ask()
    assert reply.status_code == 401
    assert reply.json()["code"] == "900901"


def test_certs_list_the_rs256_key_first_and_an_rs512_key(world: World) -> None:
    reply = world.hip.raw("GET", f"{GATEWAY}/certs", None, NO_TOKEN)
    assert schemas.problems("CertsResponse", reply.json()) == []
    algorithms = [key["alg"] for key in reply.json()["keys"]]
    assert algorithms[0] == "RS256"
    assert "RS512" in algorithms
    world.client.configure(certs_need_token=True)
    assert world.hip.raw("GET", f"{GATEWAY}/certs", None, NO_TOKEN).status_code == 401
    assert world.hip.raw("GET", f"{GATEWAY}/certs").status_code == 200


def test_openid_configuration_leads_to_the_keys(world: World) -> None:
    reply = world.hip.raw("GET", f"{GATEWAY}/.well-known/openid-configuration", None, NO_TOKEN)
    path = reply.json()["jwks_uri"].removeprefix(world.client.base_url)
    assert world.hip.raw("GET", path, None, NO_TOKEN).json()["keys"]


def test_bridge_url_takes_effect_and_is_read_back(world: World) -> None:
    services = world.hip.raw("GET", f"{GATEWAY}/bridge-services").json()
    assert schemas.problems("BridgeServicesResponse", services) == []
    assert [service["id"] for service in services["services"]] == [HIP_ID]
    moved = world.hip.url.removesuffix("/abdm") + "/elsewhere"
    reply = world.hip.raw("PATCH", f"{GATEWAY}/bridge/url", {"url": moved})
    assert (reply.status_code, reply.text) == (202, "")
    services = world.hip.raw("GET", f"{GATEWAY}/bridge-services").json()
    assert services["bridge"]["url"] == moved
    world.client.discover("meera.joshi@sbx", HIP_ID)
    assert world.hip.received[-1].path.startswith("/elsewhere/api/v3/")


def test_one_service_is_described_and_an_unknown_one_is_204(world: World) -> None:
    found = world.hip.raw("GET", f"{GATEWAY}/bridge-service/serviceId/{HIP_ID}")
    assert schemas.problems("BridgeServiceResponse", found.json()) == []
    assert found.json()["isHip"] is True
    assert world.hip.raw("GET", f"{GATEWAY}/bridge-service/serviceId/NONE").status_code == 204


def test_client_without_services_gets_204(world: World) -> None:
    world.client.add_bridge("SBXID_OTHER", "other")
    body = {**SESSION, "clientId": "SBXID_OTHER", "clientSecret": "other"}
    session = world.hip.raw("POST", f"{GATEWAY}/sessions", body, NO_TOKEN).json()
    bearer = {"Authorization": f"Bearer {session['accessToken']}"}
    assert world.hip.raw("GET", f"{GATEWAY}/bridge-services", None, bearer).status_code == 204


def moment(**offset: float) -> str:
    return timestamp(datetime.now(UTC) + timedelta(**offset))


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"REQUEST-ID": None}, 400, "ABDM-2404"),
        ({"REQUEST-ID": "17"}, 400, "ABDM-2404"),
        ({"TIMESTAMP": None}, 400, "ABDM-2402"),
        ({"TIMESTAMP": "2026-11-23T06:12:00Z"}, 400, "ABDM-2402"),
        ({"TIMESTAMP": "2026-13-45T06:12:00.000Z"}, 400, "ABDM-2402"),
        ({"TIMESTAMP": moment(hours=5, minutes=30)}, 400, "ABDM-2402"),
        ({"X-CM-ID": None}, 400, "ABDM-2403"),
        ({"X-CM-ID": "abdm"}, 400, "ABDM-2403"),
        ({"Authorization": None}, 401, "ABDM-2500"),
        ({"Authorization": "Bearer a.b.c"}, 401, "900901"),
        ({"Authorization": "Basic Zm9v"}, 401, "900901"),
        ({"X-HIP-ID": None}, 400, "ABDM-1032"),
        ({"X-HIP-ID": "IN0000000000"}, 400, "ABDM-1035"),
        ({"Content-Type": "text/plain"}, 415, "ABDM-9999"),
    ],
    ids=str,
)
def test_bad_header_is_refused_with_its_code(
    world: World, headers: dict[str, Any], status: int, code: str
) -> None:
    body = {
        "abhaAddress": "meera.joshi@sbx", "name": "Meera Joshi", "gender": "F", "yearOfBirth": 1984
    }  # fmt: skip
    sent = {"X-HIP-ID": HIP_ID, **headers}
    reply = world.hip.raw("POST", "/api/hiecm/v3/token/generate-token", body, sent)
    error = reply.json().get("error", reply.json())
    assert (reply.status_code, error["code"]) == (status, code)


def test_request_id_can_be_used_once(world: World) -> None:
    used = {"REQUEST-ID": str(uuid.uuid4())}
    assert world.hip.raw("GET", f"{GATEWAY}/bridge-services", None, used).status_code == 200
    upper = {"REQUEST-ID": used["REQUEST-ID"].upper()}
    reply = world.hip.raw("GET", f"{GATEWAY}/bridge-services", None, upper)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "ABDM-1064")


@pytest.mark.parametrize(
    ("body", "code"), [(b"", "ABDM-1064"), (b"{", "ABDM-1006: "), ([], "ABDM-1006")], ids=str
)
def test_unusable_body_is_refused(world: World, body: Any, code: str) -> None:
    reply = world.hip.call("context-notify", body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)


def test_unknown_path_is_answered_in_the_shape_of_its_service(world: World) -> None:
    data_flow = world.hip.raw("GET", "/api/hiecm/data-flow/v3/none")
    assert (data_flow.status_code, data_flow.json()["code"]) == (404, "404")
    other = world.hip.raw("GET", "/api/hiecm/none")
    assert (other.status_code, other.json()["status"]) == (404, 404)


def test_callback_token_has_the_claims_and_key_id(world: World) -> None:
    world.client.discover("meera.joshi@sbx", HIP_ID)
    token = world.hip.received[0].headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert {"iss", "aud", "azp", "iat", "exp"} <= set(claims)
    assert claims["aud"] == "account"
    assert jwt.get_unverified_header(token)["alg"] == "RS256"


def test_exchanges_record_both_directions_without_tokens(world: World) -> None:
    world.client.discover("meera.joshi@sbx", HIP_ID)
    (discover,) = world.client.exchanges("DiscoverCareContexts", "out")
    (answer,) = world.client.exchanges("OnDiscoverRequest", "in")
    assert discover.status == 202
    assert answer.body["response"]["requestId"] == discover.headers["REQUEST-ID"]
    assert answer.headers["AUTHORIZATION"] == "(present)"
    assert answer.seconds >= 0
